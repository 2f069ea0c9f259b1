//! `insula limits`: what the tenant may use.

use anyhow::Context;
use insula_runtime::Limits;

use crate::client::{self, Client};
use crate::connection::{Connection, Role};
use crate::limits::ByName;
use crate::terminal::{self, Cell, Table, Terminal, bold, dim};
use crate::wire;

/// Arguments of `limits`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// With --json: also the tier, and where each limit comes from, as the page always has it
    #[arg(long)]
    detail: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    let client = Client::new(&args.connection.target(Role::Tenant)?);
    let detailed = args.detail || !terminal.is_json();
    let path = if detailed { "/v1/limits?detail=true" } else { "/v1/limits" };
    let answer = client.get(path).context("the limits cannot be shown")?;
    if terminal.is_json() {
        terminal.json(&answer);
        return Ok(());
    }
    let detail: wire::LimitsDetail = client::read(&answer)?;
    terminal.say(format_args!("tier {}", bold(terminal::plain(&detail.tier))));
    let limits: ByName = detail.limits.iter().map(|(name, limit)| (name.clone(), limit.value)).collect();
    let source = |name: &str| detail.limits.get(name).map_or("", |limit| limit.source.as_str());
    terminal.say_all(&table_with(&limits, source).lines());
    Ok(())
}

/// Limits in the order in which they are documented, with where each comes from; what only the host knows comes last.
pub(crate) fn table_with<'a>(limits: &ByName, source: impl Fn(&str) -> &'a str) -> Table {
    let mut table = Table::new(&["limit", "", "", ""]);
    let mut row = |name: &str, value: u64, counts: &str| {
        let amount = Cell::figure(terminal::by_name(name, value));
        table.row([Cell::text(name), amount, Cell::text(source(name)), Cell::text(counts).styled(dim)]);
    };
    for spec in Limits::CEILINGS {
        if let Some(value) = limits.get(spec.name) {
            row(spec.name, *value, spec.counts);
        }
    }
    for (name, value) in limits {
        if !Limits::CEILINGS.iter().any(|spec| spec.name == name) {
            row(name, *value, "");
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_come_in_the_documented_order_and_none_is_left_out() {
        let mut limits: ByName = Limits::standard().entries().map(|(name, value)| (name.to_owned(), value)).collect();
        limits.insert("a-later-one".into(), 7);
        let lines = table_with(&limits, |_| "").lines();
        assert_eq!(lines.len(), limits.len() + 1);
        let shown: Vec<_> = lines.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect();
        assert!(shown[1].starts_with("  fuel ") && shown[1].contains("2,000,000,000"), "{}", shown[1]);
        assert!(shown.iter().any(|line| line.starts_with("  memory-bytes ") && line.contains("128 MiB")));
        assert!(shown.last().is_some_and(|line| line.starts_with("  a-later-one ")));
    }
}
