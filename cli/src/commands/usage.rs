//! `insula usage`: what the tenant's agents used, by day, agent and version.

use std::collections::BTreeMap;

use anyhow::Context;

use crate::client::{self, Client};
use crate::connection::{Connection, Role};
use crate::terminal::{self, Cell, Table, Terminal, bad, bold, dim};
use crate::wire;

/// Arguments of `usage`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What this tenant used, by its id or its name (operators)
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    let role = if args.tenant.is_some() { Role::Operator } else { Role::Tenant };
    let client = Client::new(&args.connection.target(role)?);
    let path = match &args.tenant {
        Some(tenant) => client::path(&["tenants", &super::tenant::resolve(&client, tenant)?, "usage"]),
        None => "/v1/usage".to_owned(),
    };
    let answer = client.get(&path).context("the usage cannot be shown")?;
    if terminal.is_json() {
        terminal.json(&answer);
        return Ok(());
    }
    let usage = client::read::<wire::Usage>(&answer)?;
    if usage.usage.is_empty() {
        terminal.note(dim("  no call has been made yet"));
        return Ok(());
    }
    // What a tenant calls its agents is the tenant's own: operators see ids.
    let names = if args.tenant.is_some() { BTreeMap::new() } else { names(&client)? };
    terminal.say_all(&table(&usage, &names).lines());
    Ok(())
}

/// The names of agents by their ids. An agent that was deleted has none any more.
pub(crate) fn names(client: &Client) -> anyhow::Result<BTreeMap<String, String>> {
    let agents: wire::Agents = client::read(&client.get("/v1/agents")?)?;
    Ok(agents.agents.into_iter().map(|agent| (agent.agent_id, agent.agent)).collect())
}

/// Usage, one row for each agent, version and day, and the sum of all below.
pub(crate) fn table(usage: &wire::Usage, names: &BTreeMap<String, String>) -> Table {
    let mut table = Table::new(&[
        "day",
        "agent",
        "version",
        "calls",
        "failed",
        "fuel",
        "cpu",
        "wall",
        "peak memory",
        "read",
        "written",
        "cache",
    ]);
    for row in &usage.usage {
        let what = [
            Cell::text(terminal::day(row.day)),
            Cell::text(names.get(&row.agent_id).unwrap_or(&row.agent_id)),
            Cell::text(&row.version).styled(dim),
        ];
        table.row(what.into_iter().chain(amounts(&row.amounts)));
    }
    if let Some(total) = &usage.total {
        let what = [Cell::text("total").styled(bold), Cell::text(""), Cell::text("")];
        table.row(what.into_iter().chain(amounts(total).map(|cell| cell.styled(bold))));
    }
    table
}

fn amounts(used: &wire::Amounts) -> [Cell; 9] {
    let failed = Cell::figure(terminal::count(used.failures));
    [
        Cell::figure(terminal::count(used.calls)),
        if used.failures > 0 { failed.styled(bad) } else { failed },
        Cell::figure(terminal::count(used.fuel)),
        Cell::figure(terminal::duration_us(used.cpu_us)),
        Cell::figure(terminal::duration_us(used.wall_us)),
        Cell::figure(terminal::bytes(used.peak_memory)),
        Cell::figure(terminal::bytes(used.storage_read_bytes)),
        Cell::figure(terminal::bytes(used.storage_write_bytes)),
        Cell::figure(terminal::bytes(used.cache_traffic_bytes)),
    ]
}
