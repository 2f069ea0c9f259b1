//! `insula deploy`: an agent onto a host.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use insula_runtime::AgentName;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::client::{self, Client, Request};
use crate::connection::{Connection, Role};
use crate::failure::Explain;
use crate::limits::{self, ByName};
use crate::source::Agent;
use crate::terminal::{self, Terminal, bold, dim, mark};
use crate::wire::{AgentLimits, Deployed};

/// Arguments of `deploy`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The agent's folder, which is built first, or a component
    #[arg(value_name = "DIR|FILE.wasm", default_value = ".")]
    agent: PathBuf,
    /// What to call it; the manifest's name unless given
    #[arg(long = "agent", value_name = "NAME")]
    name: Option<AgentName>,
    /// Store the version, and let the one before go on answering
    #[arg(long)]
    no_activate: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    // First what fails fast: a name, a host and a key. A build takes longer.
    let client = Client::new(&args.connection.target(Role::Tenant)?);
    let agent = Agent::load(&args.agent, terminal)?;
    let name = agent.name(args.name.as_ref())?;
    let progress = terminal.progress(&format!("deploying {name} to {}", client.url()));
    let deployed = deploy(&client, name.as_str(), &agent, !args.no_activate);
    drop(progress);
    let answer = deployed.with_context(|| format!("`{name}` was not deployed"))?;
    if terminal.is_json() {
        terminal.json(&answer);
        return Ok(());
    }
    show(&client::read(&answer)?, !args.no_activate, terminal);
    Ok(())
}

/// Uploads an agent. Its limits are checked first, and they and its configuration's defaults are there before the new
/// version answers its first call.
pub(crate) fn deploy(client: &Client, name: &str, agent: &Agent, activate: bool) -> anyhow::Result<Value> {
    let (missing, own) = match &agent.manifest {
        Some(manifest) => {
            check_limits(client, &manifest.limits)?;
            (missing_defaults(client, name, &manifest.config)?, new_limits(client, name, &manifest.limits)?)
        }
        None => (None, None),
    };
    let prepared = missing.is_some() || own.is_some();
    let at_once = activate && !prepared;
    let path = format!("{}?activate={at_once}", client::path(&["agents", name]));
    let request = Request::new(Method::PUT, path).body("application/wasm", agent.component.clone());
    let mut deployed = client.json(request)?;
    if let Some(configuration) = missing {
        let document = serde_json::to_value(configuration)?;
        client.send(Method::PUT, &client::path(&["agents", name, "config"]), Some(&document))?;
    }
    if let Some(own) = own {
        let set = client.send(Method::PUT, &client::path(&["agents", name, "limits"]), Some(&json!(own)));
        set.explain(
            "the agent's own limits were not set, and its new version is not active",
            "deploy with a key that has `manage` too, or take [limits] out of insula.toml",
        )?;
    }
    if prepared && activate {
        let version = json!({"version": deployed.get("version")});
        client.send(Method::POST, &client::path(&["agents", name, "activate"]), Some(&version))?;
        if let Some(deployed) = deployed.as_object_mut() {
            deployed.insert("activated".to_owned(), true.into());
        }
    }
    Ok(deployed)
}

fn check_limits(client: &Client, asked: &ByName) -> anyhow::Result<()> {
    if asked.is_empty() {
        return Ok(());
    }
    limits::check_request(asked, &client::read(&client.get("/v1/limits")?)?)
}

/// The agent's own limits as the manifest has them; `None` where it has none, or they are set already.
fn new_limits(client: &Client, name: &str, asked: &ByName) -> anyhow::Result<Option<ByName>> {
    if asked.is_empty() {
        return Ok(None);
    }
    let answer = client.exchange(Request::new(Method::GET, client::path(&["agents", name, "limits"])))?;
    let present = match answer.status {
        404 => ByName::new(),
        _ if answer.is_success() => {
            let limits: AgentLimits = serde_json::from_slice(&answer.body).context("the limits cannot be read")?;
            limits.own
        }
        _ => return Err(client::Problem::of(&answer).into_failure(client.url()).into()),
    };
    Ok((present != *asked).then(|| asked.clone()))
}

/// The configuration with the defaults that are not set yet; `None` when all are.
fn missing_defaults(
    client: &Client,
    name: &str,
    defaults: &BTreeMap<String, String>,
) -> anyhow::Result<Option<BTreeMap<String, String>>> {
    if defaults.is_empty() {
        return Ok(None);
    }
    let answer = client.exchange(Request::new(Method::GET, client::path(&["agents", name, "config"])))?;
    let present: BTreeMap<String, String> = match answer.status {
        404 => BTreeMap::new(),
        _ if answer.is_success() => serde_json::from_slice(&answer.body).context("the configuration cannot be read")?,
        _ => return Err(client::Problem::of(&answer).into_failure(client.url()).into()),
    };
    let mut wanted = defaults.clone();
    wanted.extend(present.clone());
    Ok((wanted != present).then_some(wanted))
}

fn show(deployed: &Deployed, activate: bool, terminal: &Terminal) {
    let state = if activate { "answers calls now" } else { "is staged" };
    terminal.say(format_args!(
        "{} {} version {} {}",
        mark(true),
        bold(terminal::plain(&deployed.agent)),
        deployed.number,
        state
    ));
    let report = &deployed.report;
    let compiled_in = if report.compiled {
        terminal::duration_us(report.compile_ms.saturating_mul(1_000))
    } else {
        "no time: the same bytes were compiled before".to_owned()
    };
    terminal.say_all(&terminal::facts([
        ("version", deployed.version.clone()),
        ("digest", deployed.digest.clone()),
        ("size", terminal::bytes(report.component_bytes)),
        ("compiled in", compiled_in),
    ]));
    for warning in &report.warnings {
        terminal.note(format_args!("  {} {}", terminal::warn("!"), terminal::plain(warning)));
    }
    let next = if activate {
        format!("insula invoke {} --input ...", deployed.agent)
    } else {
        format!("insula agent activate {} {}", deployed.agent, deployed.number)
    };
    terminal.note(format_args!("  {}", dim(next)));
}
