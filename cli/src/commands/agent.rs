//! `insula agent`: the tenant's agents and their versions.

use anyhow::Context;
use insula_runtime::AgentName;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::client::{self, Client};
use crate::connection::{Connection, Role};
use crate::failure::Failure;
use crate::limits::{self, ByName};
use crate::terminal::{self, Cell, Table, Terminal, bold, dim, good, mark};
use crate::wire;

/// What to do with agents.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Act {
    /// List the agents
    List(All),
    /// Show one agent
    Show(One),
    /// List an agent's versions
    Versions(One),
    /// Let a version answer calls
    Activate(Activate),
    /// Go back to the version that answered before
    Rollback(One),
    /// Show what an agent's calls may use, and change its own limits
    Limits(LimitsOf),
    /// Delete an agent with all its versions; the tenant's storage stays
    Delete(One),
}

/// Arguments of acts on all agents.
#[derive(Debug, clap::Args)]
pub(crate) struct All {
    #[command(flatten)]
    connection: Connection,
}

/// Arguments of acts on one agent.
#[derive(Debug, clap::Args)]
pub(crate) struct One {
    /// The agent
    #[arg(value_name = "NAME")]
    agent: AgentName,
    #[command(flatten)]
    connection: Connection,
}

/// Arguments of `activate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Activate {
    #[command(flatten)]
    one: One,
    /// Its id, or its number
    #[arg(value_name = "VERSION")]
    version: String,
}

/// Arguments of `limits`.
#[derive(Debug, clap::Args)]
pub(crate) struct LimitsOf {
    #[command(flatten)]
    one: One,
    /// A limit of the agent's own, at most the tenant's, such as fuel=500_000_000
    #[arg(long, value_name = "NAME=VALUE", value_parser = limits::parse_of_agent)]
    limit: Vec<(String, u64)>,
    /// Take away the agent's own limits first
    #[arg(long)]
    clear: bool,
}

impl One {
    fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(&self.connection.target(Role::Tenant)?))
    }

    fn path(&self, rest: &[&str]) -> String {
        client::path(&[&["agents", self.agent.as_str()], rest].concat())
    }
}

pub(crate) fn run(act: &Act, terminal: &Terminal) -> anyhow::Result<()> {
    match act {
        Act::List(all) => list(all, terminal),
        Act::Show(one) => show(one, terminal),
        Act::Versions(one) => versions(one, terminal),
        Act::Activate(activate) => self::activate(activate, terminal),
        Act::Rollback(one) => rollback(one, terminal),
        Act::Limits(args) => limits_of(args, terminal),
        Act::Delete(one) => delete(one, terminal),
    }
}

fn list(all: &All, terminal: &Terminal) -> anyhow::Result<()> {
    let client = Client::new(&all.connection.target(Role::Tenant)?);
    let answer = client.get("/v1/agents").context("the agents cannot be listed")?;
    if terminal.is_json() {
        terminal.json(&answer);
        return Ok(());
    }
    let agents = client::read::<wire::Agents>(&answer)?.agents;
    let mut table = Table::new(&["agent", "version", "size", "changed"]);
    for agent in &agents {
        let (number, size) = match &agent.active {
            Some(version) => (terminal::count(version.number), terminal::bytes(version.component_bytes)),
            None => ("none".to_owned(), String::new()),
        };
        let changed = Cell::text(terminal::moment(agent.updated_us)).styled(dim);
        table.row([Cell::text(&agent.agent), Cell::figure(number), Cell::figure(size), changed]);
    }
    if table.is_empty() {
        terminal.note(dim("  there are none yet: `insula deploy DIR` makes one"));
    } else {
        terminal.say_all(&table.lines());
    }
    Ok(())
}

fn show(one: &One, terminal: &Terminal) -> anyhow::Result<()> {
    let answer = one.client()?.get(&one.path(&[])).with_context(|| format!("`{}` cannot be shown", one.agent))?;
    show_agent(&answer, terminal)
}

fn show_agent(answer: &Value, terminal: &Terminal) -> anyhow::Result<()> {
    if terminal.is_json() {
        terminal.json(answer);
        return Ok(());
    }
    let agent: wire::Agent = client::read(answer)?;
    terminal.say(bold(terminal::plain(&agent.agent)));
    let mut facts = vec![
        ("id", agent.agent_id),
        ("created", terminal::moment(agent.created_us)),
        ("changed", terminal::moment(agent.updated_us)),
    ];
    match agent.active {
        Some(version) => facts.extend([
            ("answers", format!("version {} ({})", version.number, version.version)),
            ("digest", version.digest),
            ("size", terminal::bytes(version.component_bytes)),
        ]),
        None => facts.push(("answers", "no version is active".to_owned())),
    }
    let own = agent.limits.iter().map(|(name, value)| format!("{name} {}", terminal::by_name(name, *value)));
    let own = own.collect::<Vec<_>>().join(", ");
    if !own.is_empty() {
        facts.push(("own limits", own));
    }
    terminal.say_all(&terminal::facts(facts));
    Ok(())
}

fn versions(one: &One, terminal: &Terminal) -> anyhow::Result<()> {
    let answer = one.client()?.get(&one.path(&["versions"]));
    let answer = answer.with_context(|| format!("the versions of `{}` cannot be listed", one.agent))?;
    if terminal.is_json() {
        terminal.json(&answer);
        return Ok(());
    }
    let mut table = Table::new(&["number", "version", "size", "uploaded", "digest", ""]);
    for version in client::read::<wire::Versions>(&answer)?.versions {
        table.row([
            Cell::figure(version.number),
            Cell::text(&version.version),
            Cell::figure(terminal::bytes(version.component_bytes)),
            Cell::text(terminal::moment(version.created_us)).styled(dim),
            Cell::text(short(&version.digest)).styled(dim),
            Cell::text(if version.active { "active" } else { "" }).styled(good),
        ]);
    }
    terminal.say_all(&table.lines());
    Ok(())
}

/// Enough of a digest to tell versions apart.
fn short(digest: &str) -> &str {
    digest.get(.."sha256:".len() + 12).unwrap_or(digest)
}

fn activate(args: &Activate, terminal: &Terminal) -> anyhow::Result<()> {
    let (one, client) = (&args.one, args.one.client()?);
    let version = version_id(&client, args)?;
    let answer = client.send(Method::POST, &one.path(&["activate"]), Some(&json!({"version": version})));
    let answer = answer.with_context(|| format!("version {} of `{}` was not activated", args.version, one.agent))?;
    show_agent(&answer, terminal)
}

/// The id of a version that is named by its id or its number.
fn version_id(client: &Client, args: &Activate) -> anyhow::Result<String> {
    if args.version.starts_with("ver_") {
        return Ok(args.version.clone());
    }
    let Ok(number) = args.version.trim_start_matches('v').parse::<u64>() else {
        return Err(Failure::usage(format_args!("`{}` is no version", args.version))
            .because("a version is an id, ver_..., or a number")
            .advise(format_args!("see `insula agent versions {}`", args.one.agent))
            .into());
    };
    let versions: wire::Versions = client::read(&client.get(&args.one.path(&["versions"]))?)?;
    versions.versions.into_iter().find(|version| version.number == number).map(|version| version.version).ok_or_else(
        || {
            Failure::new(format_args!("`{}` has no version {number}", args.one.agent))
                .because("it was never there, or was pruned as one of the oldest")
                .advise(format_args!("see `insula agent versions {}`", args.one.agent))
                .into()
        },
    )
}

fn rollback(one: &One, terminal: &Terminal) -> anyhow::Result<()> {
    let answer = one.client()?.send(Method::POST, &one.path(&["rollback"]), None);
    show_agent(&answer.with_context(|| format!("`{}` was not rolled back", one.agent))?, terminal)
}

fn limits_of(args: &LimitsOf, terminal: &Terminal) -> anyhow::Result<()> {
    let (one, client) = (&args.one, args.one.client()?);
    let path = one.path(&["limits"]);
    let shown = client.get(&path).with_context(|| format!("the limits of `{}` cannot be shown", one.agent))?;
    let answer = if args.clear || !args.limit.is_empty() {
        let before = client::read::<wire::AgentLimits>(&shown)?.own;
        let mut own = if args.clear { ByName::new() } else { before };
        own.extend(args.limit.iter().cloned());
        let set = client.send(Method::PUT, &path, Some(&json!(own)));
        set.with_context(|| format!("the limits of `{}` were not changed", one.agent))?
    } else {
        shown
    };
    if terminal.is_json() {
        terminal.json(&answer);
        return Ok(());
    }
    let limits: wire::AgentLimits = client::read(&answer)?;
    let source = |name: &str| if limits.own.contains_key(name) { "its own" } else { "" };
    terminal.say_all(&super::limits::table_with(&limits.effective, source).lines());
    Ok(())
}

fn delete(one: &One, terminal: &Terminal) -> anyhow::Result<()> {
    let answer = one.client()?.send(Method::DELETE, &one.path(&[]), None);
    answer.with_context(|| format!("`{}` was not deleted", one.agent))?;
    if terminal.is_json() {
        terminal.json(&json!({"agent": one.agent, "deleted": true}));
    } else {
        terminal.say(format_args!(
            "{} {} is deleted {}",
            mark(true),
            bold(&one.agent),
            dim("(the tenant's storage stays)")
        ));
    }
    Ok(())
}
