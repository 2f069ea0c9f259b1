//! `insula audit`: what operators did, to whom, and when.

use anyhow::Context;
use serde_json::{Value, json};

use crate::client::{self, Client};
use crate::connection::{Connection, Role};
use crate::terminal::{self, Cell, Table, Terminal, dim};
use crate::wire;

use super::tenant;

/// Arguments of `audit`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only acts on this tenant, by its id or its name; of one that is gone, by its id
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// Only records after this one
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    let client = Client::new(&args.connection.target(Role::Operator)?);
    let tenant = args.tenant.as_deref().map(|tenant| tenant::resolve(&client, tenant)).transpose()?;
    let records = all(&client, tenant.as_deref(), args.after).context("the audit log cannot be read")?;
    if terminal.is_json() {
        terminal.json(&json!({"records": records}));
        return Ok(());
    }
    let mut table = Table::new(&["", "when", "act", "tenant", "key", "detail"]);
    for record in client::read::<Vec<wire::AuditRecord>>(&Value::Array(records))? {
        table.row([
            Cell::figure(record.seq.to_string()).styled(dim),
            Cell::text(terminal::moment(record.at_us)),
            Cell::text(&record.act),
            Cell::text(record.tenant.unwrap_or_default()),
            Cell::text(&record.key).styled(dim),
            Cell::text(detail(&record.detail)).styled(dim),
        ]);
    }
    if table.is_empty() {
        terminal.note(dim("  there are no such records"));
    } else {
        terminal.say_all(&table.lines());
    }
    Ok(())
}

/// Every record, page by page.
fn all(client: &Client, tenant: Option<&str>, after: Option<u64>) -> anyhow::Result<Vec<Value>> {
    let (mut records, mut after) = (Vec::new(), after);
    loop {
        let mut path = "/v1/audit?limit=1000".to_owned();
        if let Some(tenant) = tenant {
            path += &format!("&tenant={}", client::encode(tenant));
        }
        if let Some(after) = after {
            path += &format!("&after={after}");
        }
        let page: wire::Audit = client::read(&client.get(&path)?)?;
        records.extend(page.records);
        after = page.next;
        if after.is_none() {
            return Ok(records);
        }
    }
}

/// The rest of a record, where it fits on a line.
fn detail(detail: &Value) -> String {
    const LONGEST: usize = 60;
    let text = match detail {
        Value::Object(members) if members.is_empty() => String::new(),
        other => other.to_string(),
    };
    if text.chars().count() > LONGEST { text.chars().take(LONGEST).chain(['…']).collect() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_detail_is_cut_and_an_empty_one_is_not_shown() {
        assert_eq!(detail(&json!({})), "");
        assert_eq!(detail(&json!({"key": "k"})), r#"{"key":"k"}"#);
        assert_eq!(detail(&json!({"limits": "x".repeat(100)})).chars().count(), 61);
    }
}
