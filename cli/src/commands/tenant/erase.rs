//! `insula tenant erase`: the end of a tenant. It cannot be undone, so it asks, or wants to be told.

use std::io::{self, IsTerminal};

use serde_json::Value;
use ureq::http::Method;

use super::resolve;
use crate::client::{self, Client};
use crate::connection::{Connection, Role};
use crate::failure::Failure;
use crate::terminal::{self, Cell, Table, Terminal, bold, dim, mark};
use crate::wire;

/// Arguments of `erase`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its id or its name
    #[arg(value_name = "TENANT")]
    tenant: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    let client = Client::new(&args.connection.target(Role::Operator)?);
    let id = resolve(&client, &args.tenant)?;
    let path = client::path(&["tenants", &id]);
    let tenant: wire::Tenant = client::read(&client.get(&path)?)?;
    if !args.yes {
        confirm(&tenant, terminal)?;
    }
    let progress = terminal.progress("erasing");
    let answer = client.send(Method::POST, &format!("{path}/erase"), None);
    drop(progress);
    show(&answer?, &tenant.name, terminal)
}

/// Wants the tenant's name typed. Without a terminal there is nobody to ask.
fn confirm(tenant: &wire::Tenant, terminal: &Terminal) -> anyhow::Result<()> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage("an erasure cannot be undone, and there is no terminal to ask on")
            .advise("add --yes if all that the tenant has is to go")
            .into());
    }
    let name = terminal::plain(&tenant.name);
    terminal.note(format_args!("All that {} has will be gone, its keys included. Its name, to go on:", bold(&name)));
    let mut typed = String::new();
    io::stdin().read_line(&mut typed)?;
    if typed.trim() == tenant.name {
        return Ok(());
    }
    Err(Failure::new("the name is another one: nothing was changed").into())
}

fn show(answer: &Value, name: &str, terminal: &Terminal) -> anyhow::Result<()> {
    if terminal.is_json() {
        terminal.json(answer);
        return Ok(());
    }
    let erasure: wire::Erasure = client::read(answer)?;
    let mut table = Table::new(&["place", "found", "left"]);
    for place in erasure.places {
        let figure = |value| Cell::figure(terminal::by_name(&place.place, value));
        table.row([Cell::text(place.place.replace('-', " ")), figure(place.found), figure(place.left)]);
    }
    terminal.say(format_args!("{} {} is erased", mark(true), bold(terminal::plain(name))));
    terminal.say_all(&table.lines());
    for kept in erasure.kept {
        let what = terminal::plain(&kept.place).replace('-', " ");
        terminal.say(format_args!("  {}", dim(format_args!("kept: {} {what}, {}", kept.count, kept.because))));
    }
    Ok(())
}
