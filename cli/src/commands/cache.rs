//! `insula cache`: how the tenant's cache is doing, and an end to what is in a namespace.

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::json;
use ureq::http::Method;

use crate::client::{self, Client};
use crate::connection::{Connection, Role};
use crate::terminal::{self, Terminal, bold, mark};

/// Arguments of `cache`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    act: Option<Act>,
    #[command(flatten)]
    connection: Connection,
}

/// What to do with the cache.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Act {
    /// Empty a namespace
    Clear(Clear),
}

/// Arguments of `clear`.
#[derive(Debug, clap::Args)]
pub(crate) struct Clear {
    /// The namespace
    #[arg(value_name = "NAMESPACE")]
    namespace: String,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    match &args.act {
        Some(Act::Clear(clear)) => empty(clear, terminal).context("the namespace was not emptied"),
        None => show(&args.connection, terminal).context("the cache cannot be shown"),
    }
}

fn show(connection: &Connection, terminal: &Terminal) -> anyhow::Result<()> {
    let answer = Client::new(&connection.target(Role::Tenant)?).get("/v1/cache")?;
    if terminal.is_json() {
        terminal.json(&answer);
        return Ok(());
    }
    let figures: BTreeMap<String, u64> = client::read(&answer)?;
    let facts = figures.into_iter().map(|(name, value)| {
        let shown = if name == "bytes" { terminal::bytes(value) } else { terminal::by_name(&name, value) };
        (name.replace('-', " "), shown)
    });
    terminal.say_all(&terminal::facts(facts));
    Ok(())
}

fn empty(clear: &Clear, terminal: &Terminal) -> anyhow::Result<()> {
    let client = Client::new(&clear.connection.target(Role::Tenant)?);
    client.send(Method::DELETE, &client::path(&["cache", &clear.namespace]), None)?;
    if terminal.is_json() {
        terminal.json(&json!({"namespace": clear.namespace, "cleared": true}));
    } else {
        terminal.say(format_args!("{} {} is empty", mark(true), bold(terminal::plain(&clear.namespace))));
    }
    Ok(())
}
