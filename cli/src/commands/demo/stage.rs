//! The tour's host and its two tenants.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use insula_runtime::EngineSettings;
use insula_server::ServerSettings;
use serde_json::json;
use tempfile::TempDir;
use ureq::http::Method;

use crate::client::{self, Answer, Client, Request};
use crate::commands::{deploy, invoke};
use crate::connection::Target;
use crate::failure::Explain;
use crate::host::{self, Serving};
use crate::outcome::Outcome;
use crate::signals::Orders;
use crate::source::Agent;
use crate::terminal::{self, Cell, Table, Terminal, dim};
use crate::wire;

use super::claims::Claims;

/// The agents of the tour.
pub(super) struct Agents {
    triage: Agent,
    hostile: Agent,
}

/// A tenant, and the client that holds its key.
pub(super) struct Player {
    pub(super) name: &'static str,
    pub(super) id: String,
    pub(super) client: Client,
    calls: AtomicU64,
}

/// A call, and how long it took its caller.
pub(super) struct Timed {
    pub(super) outcome: Outcome,
    pub(super) took: Duration,
}

/// The host and who is on it.
pub(super) struct Stage {
    pub(super) acme: Player,
    pub(super) globex: Player,
    serving: Serving,
    control: tokio::runtime::Runtime,
    // Removed last.
    _data: TempDir,
}

/// Builds both agents.
pub(super) fn build(triage: &Path, hostile: &Path, terminal: &Terminal) -> anyhow::Result<Agents> {
    Ok(Agents { triage: Agent::load(triage, terminal)?, hostile: Agent::load(hostile, terminal)? })
}

impl Player {
    fn create(operator: &Client, url: &str, name: &'static str) -> anyhow::Result<Self> {
        let answer = operator.send(Method::POST, "/v1/tenants", Some(&json!({"name": name})))?;
        let made: wire::NewTenant = client::read(&answer)?;
        let client = Client::new(&Target { url: url.to_owned(), key: made.key });
        Ok(Self { name, id: made.tenant, client, calls: AtomicU64::new(0) })
    }

    /// Calls an agent.
    pub(super) fn call(&self, agent: &str, content_type: &str, body: &[u8]) -> anyhow::Result<Timed> {
        let path = client::path(&["agents", agent, "invoke"]);
        let started = Instant::now();
        let answer = self.client.exchange(Request::new(Method::POST, path).body(content_type, body.to_vec()))?;
        let took = started.elapsed();
        let outcome = invoke::outcome(agent, answer);
        // A call that was not admitted did not run and costs nothing.
        if outcome.bill.is_some() {
            self.calls.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Timed { outcome, took })
    }

    /// How many calls ran.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Reads a resource, whatever the answer.
    pub(super) fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.client.exchange(Request::new(Method::GET, path))
    }
}

impl Stage {
    /// Starts the host, makes the tenants, and deploys the agents: triage for both, hostile for globex.
    pub(super) fn set(agents: &Agents, claims: &mut Claims<'_>) -> anyhow::Result<Self> {
        claims.section(
            "One host, two tenants",
            "A host on a free port with the production limits; each tenant has a key.",
        );
        let data = tempfile::tempdir().explain("cannot make a temporary directory", "make room, or set TMPDIR")?;
        let control = host::control_threads()?;
        control.spawn(clear_when_told(data.path().to_owned()));
        let progress = claims.progress("starting a host");
        let (serving, operator_key) = control.block_on(start(data.path()))?;
        drop(progress);
        let url = serving.url();
        let operator = Client::new(&Target { url: serving.admin_url(), key: operator_key });
        let acme = Player::create(&operator, &url, "acme")?;
        let globex = Player::create(&operator, &url, "globex")?;
        claims.lines(&terminal::facts([("host", &url), ("acme", &acme.id), ("globex", &globex.id)]));
        claims.line("");
        let stage = Self { acme, globex, serving, control, _data: data };
        stage.deploy(agents, claims)?;
        Ok(stage)
    }

    fn deploy(&self, agents: &Agents, claims: &mut Claims<'_>) -> anyhow::Result<()> {
        let mut table = Table::new(&["tenant", "agent", "component", "compiled", "imports denied"]);
        for (player, name, agent) in [
            (&self.acme, "triage", &agents.triage),
            (&self.globex, "triage", &agents.triage),
            (&self.globex, "hostile", &agents.hostile),
        ] {
            let progress = claims.progress(&format!("deploying {name} to {}", player.name));
            let answer = deploy::deploy(&player.client, name, agent, true)?;
            drop(progress);
            let report = client::read::<wire::Deployed>(&answer)?.report;
            let denied = report.imports.iter().filter(|import| import.status != "granted").count();
            table.row([
                Cell::text(player.name),
                Cell::text(name),
                Cell::figure(terminal::bytes(report.component_bytes)),
                Cell::figure(terminal::duration_us(report.compile_ms.saturating_mul(1_000))),
                Cell::text(format_args!("{denied} of {}", report.imports.len())).styled(dim),
            ]);
        }
        claims.lines(&table.lines());
        claims.line("");
        let (acme, globex) = (self.acme.get("/v1/agents/triage")?, self.globex.get("/v1/agents/triage")?);
        let id = |answer: &Answer| -> anyhow::Result<String> {
            Ok(client::read::<wire::Agent>(&serde_json::from_slice(&answer.body)?)?.agent_id)
        };
        let (acme, globex) = (id(&acme)?, id(&globex)?);
        claims.claim(
            acme != globex,
            "Both have an agent called `triage`; they are two agents",
            &format!("{acme}, {globex}"),
        );
        Ok(())
    }

    /// Stops the host and removes its data.
    pub(super) fn clear(self) {
        self.control.block_on(self.serving.drain());
    }
}

async fn start(data: &Path) -> anyhow::Result<(Serving, String)> {
    let data = data.join("data");
    let opened =
        host::open(&data, EngineSettings::standard(), host::settings(), host::landlock::Off::Builds.check()).await?;
    let key = opened.operator_key.map(|key| key.reveal()).unwrap_or_default();
    let any_port = ([127, 0, 0, 1], 0).into();
    Ok((host::serve(&opened.runtime, ServerSettings::standard(any_port)).await?, key))
}

/// Ends the tour when someone interrupts it: also then nothing is left behind.
async fn clear_when_told(data: PathBuf) {
    let Ok(mut orders) = Orders::listen() else { return };
    orders.next().await;
    // What cannot be removed is in the system's folder for temporary files.
    let _ = std::fs::remove_dir_all(data);
    std::process::exit(i32::from(crate::FAILED));
}
