//! `insula tenant`: an operator's acts on tenants.

mod archive;
mod erase;

use anyhow::Context;
use insula_runtime::{TenantName, TierName};
use serde_json::{Value, json};
use ureq::http::Method;

use crate::client::{self, Client};
use crate::connection::{Connection, Role};
use crate::failure::Failure;
use crate::limits;
use crate::terminal::{self, Cell, Table, Terminal, bold, dim, good, warn};
use crate::wire;

/// What to do with tenants. A tenant is named by its id or its name.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Act {
    /// Make a tenant, and show its first key once
    Create(Create),
    /// List the tenants
    List(All),
    /// Show a tenant and its limits
    Show(One),
    /// Change a tenant's name, tier and limits
    Set(Set),
    /// Let a tenant's keys open nothing until it is resumed
    Suspend(One),
    /// End a suspension
    Resume(One),
    /// Write a tenant's storage file anew, as small as what is in it
    Compact(One),
    /// Remove all that a tenant has, and say what was found
    Erase(erase::Args),
    /// Write all that a tenant keeps to a file
    Export(archive::Export),
    /// Make a new tenant of such a file, and show its first key once
    Import(archive::Import),
}

/// Arguments of `create`.
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// Its name: 1 to 63 of a-z, 0-9 and `-`
    #[arg(value_name = "NAME")]
    name: TenantName,
    /// Its tier; `standard` unless given
    #[arg(long, value_name = "TIER")]
    tier: Option<TierName>,
    /// Another limit than the tier's, such as memory-bytes=256MiB
    #[arg(long, value_name = "NAME=VALUE", value_parser = limits::parse)]
    limit: Vec<(String, u64)>,
    #[command(flatten)]
    connection: Connection,
}

/// Arguments of acts on all tenants.
#[derive(Debug, clap::Args)]
pub(crate) struct All {
    #[command(flatten)]
    connection: Connection,
}

/// Arguments of acts on one tenant.
#[derive(Debug, clap::Args)]
pub(crate) struct One {
    /// Its id or its name
    #[arg(value_name = "TENANT")]
    tenant: String,
    #[command(flatten)]
    connection: Connection,
}

/// Arguments of `set`.
#[derive(Debug, clap::Args)]
pub(crate) struct Set {
    #[command(flatten)]
    one: One,
    /// A new name
    #[arg(long, value_name = "NAME", required_unless_present_any = ["limit", "tier", "unset"])]
    name: Option<TenantName>,
    /// Another tier; limits that were set for the tenant alone stay
    #[arg(long, value_name = "TIER")]
    tier: Option<TierName>,
    /// A limit for the tenant alone, such as cpu-us=5s
    #[arg(long, value_name = "NAME=VALUE", value_parser = limits::parse)]
    limit: Vec<(String, u64)>,
    /// A limit that is the tier's again, such as cpu-us
    #[arg(long, value_name = "NAME", value_parser = limits::name)]
    unset: Vec<String>,
}

pub(crate) fn run(act: &Act, terminal: &Terminal) -> anyhow::Result<()> {
    match act {
        Act::Create(args) => create(args, terminal),
        Act::List(args) => list(args, terminal),
        Act::Show(one) => show(one, terminal).context("the tenant cannot be shown"),
        Act::Set(args) => set(args, terminal).context("the tenant was not changed"),
        Act::Suspend(one) => switch(one, "suspend", terminal).context("the tenant was not suspended"),
        Act::Resume(one) => switch(one, "resume", terminal).context("the tenant was not resumed"),
        Act::Compact(one) => compact(one, terminal).context("the storage was not written anew"),
        Act::Erase(args) => erase::run(args, terminal).context("the tenant was not erased"),
        Act::Export(args) => archive::export(args, terminal).context("the tenant was not exported"),
        Act::Import(args) => archive::import(args, terminal).context("the tenant was not imported"),
    }
}

impl One {
    fn ask(&self, method: Method, rest: &[&str], document: Option<&Value>) -> anyhow::Result<Value> {
        let client = Client::new(&self.connection.target(Role::Operator)?);
        let id = resolve(&client, &self.tenant)?;
        client.send(method, &client::path(&[&["tenants", id.as_str()], rest].concat()), document)
    }
}

fn create(args: &Create, terminal: &Terminal) -> anyhow::Result<()> {
    let client = Client::new(&args.connection.target(Role::Operator)?);
    let document = json!({"name": args.name, "tier": args.tier, "limits": limits::as_json(&args.limit)});
    let answer = client.send(Method::POST, "/v1/tenants", Some(&document));
    let answer = answer.with_context(|| format!("the tenant `{}` was not made", args.name))?;
    if terminal.is_json() {
        terminal.json(&answer);
        return Ok(());
    }
    let made: wire::NewTenant = client::read(&answer)?;
    terminal.say(format_args!("{} {}", bold(&args.name), dim("(the key is shown once)")));
    terminal.say_all(&terminal::facts([("tenant", made.tenant), ("key", made.key)]));
    Ok(())
}

fn list(args: &All, terminal: &Terminal) -> anyhow::Result<()> {
    let client = Client::new(&args.connection.target(Role::Operator)?);
    let tenants = all(&client).context("the tenants cannot be listed")?;
    if terminal.is_json() {
        terminal.json(&json!({"tenants": tenants}));
        return Ok(());
    }
    let mut table = Table::new(&["name", "tenant", "tier", "state", "created"]);
    for tenant in client::read::<Vec<wire::Tenant>>(&Value::Array(tenants))? {
        let created = Cell::text(terminal::moment(tenant.created_us)).styled(dim);
        let (name, id, tier) = (Cell::text(&tenant.name), Cell::text(&tenant.tenant), Cell::text(&tenant.tier));
        table.row([name, id, tier, state(&tenant.state), created]);
    }
    if table.is_empty() {
        terminal.note(dim("  there are none yet: `insula tenant create NAME` makes one"));
    } else {
        terminal.say_all(&table.lines());
    }
    Ok(())
}

fn set(args: &Set, terminal: &Terminal) -> anyhow::Result<()> {
    let mut limits: serde_json::Map<_, _> = args.unset.iter().map(|name| (name.clone(), Value::Null)).collect();
    limits.extend(args.limit.iter().map(|(name, value)| (name.clone(), Value::from(*value))));
    let document = json!({"name": args.name, "tier": args.tier, "limits": limits});
    page(&args.one.ask(Method::PATCH, &[], Some(&document))?, true, terminal)
}

/// Every tenant, page by page.
fn all(client: &Client) -> anyhow::Result<Vec<Value>> {
    let mut tenants = Vec::new();
    let mut path = "/v1/tenants".to_owned();
    loop {
        let page: wire::Tenants = client::read(&client.get(&path)?)?;
        tenants.extend(page.tenants);
        match page.next {
            Some(next) => path = format!("/v1/tenants?after={}", client::encode(&next)),
            None => return Ok(tenants),
        }
    }
}

/// The id of a tenant that is named by its id or its name.
pub(crate) fn resolve(client: &Client, tenant: &str) -> anyhow::Result<String> {
    if tenant.starts_with("ten_") {
        return Ok(tenant.to_owned());
    }
    let tenants: Vec<wire::Tenant> = client::read(&Value::Array(all(client)?))?;
    tenants.into_iter().find(|known| known.name == tenant).map(|known| known.tenant).ok_or_else(|| {
        Failure::new(format_args!("there is no tenant `{tenant}`"))
            .because(format_args!("{} has none of that name", client.url()))
            .advise("see `insula tenant list`")
            .into()
    })
}

fn show(one: &One, terminal: &Terminal) -> anyhow::Result<()> {
    page(&one.ask(Method::GET, &[], None)?, true, terminal)
}

fn switch(one: &One, act: &str, terminal: &Terminal) -> anyhow::Result<()> {
    page(&one.ask(Method::POST, &[act], None)?, false, terminal)
}

fn compact(one: &One, terminal: &Terminal) -> anyhow::Result<()> {
    let answer = one.ask(Method::POST, &["compact"], None)?;
    if terminal.is_json() {
        terminal.json(&answer);
        return Ok(());
    }
    let done: wire::Compacted = client::read(&answer)?;
    let (before, after) = (terminal::bytes(done.bytes_before), terminal::bytes(done.bytes_after));
    let pause = dim(format!("commits waited {}", terminal::duration_us(done.pause_us)));
    terminal.say(format_args!("{before} became {after} {pause}"));
    Ok(())
}

fn page(answer: &Value, with_limits: bool, terminal: &Terminal) -> anyhow::Result<()> {
    if terminal.is_json() {
        terminal.json(answer);
        return Ok(());
    }
    let tenant: wire::Tenant = client::read(answer)?;
    terminal.say(format_args!("{} {}", bold(terminal::plain(&tenant.name)), dim(terminal::plain(&tenant.state))));
    let created = terminal::moment(tenant.created_us);
    let mut facts =
        vec![("tenant".to_owned(), tenant.tenant), ("tier".to_owned(), tenant.tier), ("created".to_owned(), created)];
    facts.extend(tenant.holdings.into_iter().map(|(name, value)| {
        let shown = terminal::by_name(&name, value);
        (name.replace('-', " "), shown)
    }));
    terminal.say_all(&terminal::facts(facts));
    if with_limits {
        terminal.say("");
        let source = |name: &str| if tenant.overrides.contains_key(name) { "tenant" } else { "tier" };
        terminal.say_all(&super::limits::table_with(&tenant.limits, source).lines());
    }
    Ok(())
}

fn state(state: &str) -> Cell {
    let cell = Cell::text(state);
    if state == "active" { cell.styled(good) } else { cell.styled(warn) }
}
