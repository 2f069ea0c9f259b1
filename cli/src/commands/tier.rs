//! `insula tier`: an operator's named limits.

use anyhow::Context;
use insula_runtime::TierName;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::client::{self, Client};
use crate::connection::{Connection, Role};
use crate::failure::Failure;
use crate::limits::{self, ByName};
use crate::terminal::{self, Cell, Table, Terminal, bold, dim, mark};
use crate::wire;

/// What to do with tiers.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Act {
    /// List the tiers
    List(All),
    /// Show a tier and its limits
    Show(One),
    /// Make a tier, or change one for every tenant that has it
    Set(Set),
    /// Remove a tier that no tenant has
    Delete(One),
}

/// Arguments of acts on all tiers.
#[derive(Debug, clap::Args)]
pub(crate) struct All {
    #[command(flatten)]
    connection: Connection,
}

/// Arguments of acts on one tier.
#[derive(Debug, clap::Args)]
pub(crate) struct One {
    /// Its name
    #[arg(value_name = "TIER")]
    tier: TierName,
    #[command(flatten)]
    connection: Connection,
}

/// Arguments of `set`.
#[derive(Debug, clap::Args)]
pub(crate) struct Set {
    #[command(flatten)]
    one: One,
    /// A limit that differs from the standard, such as memory-bytes=256MiB
    #[arg(long, value_name = "NAME=VALUE", value_parser = limits::parse)]
    limit: Vec<(String, u64)>,
    /// Begin with the standard limits, and not with those that the tier has
    #[arg(long)]
    clear: bool,
}

impl One {
    fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(&self.connection.target(Role::Operator)?))
    }
}

pub(crate) fn run(act: &Act, terminal: &Terminal) -> anyhow::Result<()> {
    match act {
        Act::List(args) => list(args, terminal).context("the tiers cannot be listed"),
        Act::Show(one) => show(one, terminal).context("the tier cannot be shown"),
        Act::Set(args) => set(args, terminal).context("the tier was not changed"),
        Act::Delete(one) => delete(one, terminal).context("the tier was not removed"),
    }
}

/// Every tier, each as it came.
fn all(client: &Client) -> anyhow::Result<Vec<Value>> {
    Ok(client::read::<wire::Tiers>(&client.get("/v1/tiers")?)?.tiers)
}

fn find(client: &Client, name: &TierName) -> anyhow::Result<Option<Value>> {
    Ok(all(client)?.into_iter().find(|tier| tier.get("tier").and_then(Value::as_str) == Some(name.as_str())))
}

fn list(args: &All, terminal: &Terminal) -> anyhow::Result<()> {
    let tiers = all(&Client::new(&args.connection.target(Role::Operator)?))?;
    if terminal.is_json() {
        terminal.json(&json!({"tiers": tiers}));
        return Ok(());
    }
    let mut table = Table::new(&["tier", "tenants", "sets"]);
    for tier in client::read::<Vec<wire::Tier>>(&Value::Array(tiers))? {
        let sets: Vec<_> = tier.sets.keys().map(String::as_str).collect();
        let sets = if sets.is_empty() { "the standard limits".to_owned() } else { sets.join(", ") };
        let tenants = Cell::figure(terminal::count(tier.tenants));
        table.row([Cell::text(&tier.tier), tenants, Cell::text(sets).styled(dim)]);
    }
    terminal.say_all(&table.lines());
    Ok(())
}

fn show(one: &One, terminal: &Terminal) -> anyhow::Result<()> {
    let client = one.client()?;
    let tier = find(&client, &one.tier)?.ok_or_else(|| {
        Failure::new(format_args!("there is no tier `{}`", one.tier)).advise("see `insula tier list`")
    })?;
    page(&tier, terminal)
}

fn set(args: &Set, terminal: &Terminal) -> anyhow::Result<()> {
    let client = args.one.client()?;
    let mut limits = match find(&client, &args.one.tier)? {
        Some(tier) if !args.clear => client::read::<wire::Tier>(&tier)?.sets,
        _ => ByName::new(),
    };
    limits.extend(args.limit.iter().cloned());
    let path = client::path(&["tiers", args.one.tier.as_str()]);
    page(&client.send(Method::PUT, &path, Some(&json!({"limits": limits})))?, terminal)
}

fn delete(one: &One, terminal: &Terminal) -> anyhow::Result<()> {
    one.client()?.send(Method::DELETE, &client::path(&["tiers", one.tier.as_str()]), None)?;
    if terminal.is_json() {
        terminal.json(&json!({"tier": one.tier, "deleted": true}));
    } else {
        terminal.say(format_args!("{} the tier {} is gone", mark(true), bold(&one.tier)));
    }
    Ok(())
}

fn page(answer: &Value, terminal: &Terminal) -> anyhow::Result<()> {
    if terminal.is_json() {
        terminal.json(answer);
        return Ok(());
    }
    let tier: wire::Tier = client::read(answer)?;
    let tenants = terminal::plural(tier.tenants, "tenant");
    terminal.say(format_args!("{} {}", bold(terminal::plain(&tier.tier)), dim(tenants)));
    terminal.say("");
    let source = |name: &str| if tier.sets.contains_key(name) { "tier" } else { "standard" };
    terminal.say_all(&super::limits::table_with(&tier.limits, source).lines());
    Ok(())
}
