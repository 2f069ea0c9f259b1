//! `insula demo`: the two-minute tour. A host, two tenants, real tickets, a hostile agent, and the bills.
//!
//! Everything goes over HTTP with keys, as any client would, and every sentence with a tick was checked in this run: a
//! claim that does not hold makes the tour fail.

mod attacks;
mod claims;
mod isolation;
mod stage;
mod tickets;

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use crate::client;
use crate::failure::Failure;
use crate::logging::{self, Format, Level};
use crate::terminal::{self, Terminal, bold, dim, mark};
use crate::wire;

use super::usage;
use claims::Claims;
use stage::{Player, Stage};

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "It starts a host of its own on a free port, in a throw-away directory, and leaves nothing behind."
)]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    // The host's own log would stand between the lines of the tour; what is wrong shows in the claims.
    logging::start(Format::Text, Level::Error);
    let started = Instant::now();
    let agents = stage::build(&source("sample-agents/triage")?, &source("tests/hostile")?, terminal)?;
    let mut claims = Claims::new(terminal);
    let stage = Stage::set(&agents, &mut claims)?;
    let toured = tour(&stage, &mut claims);
    stage.clear();
    let summary = toured?;
    let held = claims.all_held();
    let seconds = started.elapsed().as_secs();
    if terminal.is_json() {
        terminal.json(&json!({"ok": held, "seconds": seconds, "claims": claims.list(), "scenes": summary}));
    } else {
        finish(&claims, seconds, terminal);
    }
    if held { Ok(()) } else { Err(claims.failure().into()) }
}

/// The scenes in their order. Each shows something and checks what it says.
fn tour(stage: &Stage, claims: &mut Claims<'_>) -> anyhow::Result<Value> {
    let tickets = tickets::play(stage, claims, &source("sample-agents/triage/tickets")?)?;
    let isolation = isolation::play(stage, claims)?;
    let attacks = attacks::play(stage, claims)?;
    let bills = bills(stage, claims)?;
    Ok(json!({"tickets": tickets, "isolation": isolation, "attacks": attacks, "bills": bills}))
}

/// The last scene: what each tenant has used, which must be what it was seen to do.
fn bills(stage: &Stage, claims: &mut Claims<'_>) -> anyhow::Result<Value> {
    claims.section("The bills", "Every call is counted for the tenant whose key made it, also when it was stopped.");
    let mut shown = serde_json::Map::new();
    let mut seen = Vec::new();
    for player in [&stage.acme, &stage.globex] {
        let answer = player.client.get("/v1/usage")?;
        let used = client::read::<wire::Usage>(&answer)?;
        claims.line(format_args!("  {}", bold(player.name)));
        claims.lines(&usage::table(&used, &usage::names(&player.client)?).lines());
        claims.line("");
        seen.push((player, used.usage.iter().map(|row| row.amounts.calls).sum::<u64>()));
        shown.insert(player.name.to_owned(), answer.get("usage").cloned().unwrap_or_default());
    }
    for (player, billed) in seen {
        let made = player.calls();
        claims.claim(
            billed == made,
            &format!("{} is billed for its own calls, every one of them: {}", player.name, terminal::count(made)),
            &format!("{billed} billed, {made} made"),
        );
    }
    let foreign = rows_of_others(stage)?;
    claims.claim(foreign == 0, "Neither sees a line of the other's bill", &format!("{foreign} foreign lines"));
    Ok(shown.into())
}

/// Lines of usage that are not stamped with the id of the tenant that asked for them (T7).
fn rows_of_others(stage: &Stage) -> anyhow::Result<usize> {
    let count = |player: &Player| -> anyhow::Result<usize> {
        let answer = player.client.get("/v1/usage")?;
        let rows = answer.get("usage").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(rows.iter().filter(|row| row.get("tenant").and_then(Value::as_str) != Some(&player.id)).count())
    };
    Ok(count(&stage.acme)? + count(&stage.globex)?)
}

fn finish(claims: &Claims<'_>, seconds: u64, terminal: &Terminal) {
    let (held, all) = claims.count();
    terminal.say("");
    terminal.say(format_args!(
        "{} {}",
        mark(held == all),
        bold(format_args!("{held} of {all} claims held, in {seconds} s"))
    ));
    terminal.say_all(&terminal::facts([
        ("write an agent", "copy sample-agents/triage, then `insula dev DIR`"),
        ("run a host", "insula serve --data DIR"),
    ]));
    terminal.say(format_args!("  {}", dim("The host of this tour and its data are gone.")));
}

/// A folder of this release's source, which is where the agents of the tour are.
fn source(path: &str) -> anyhow::Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"));
    let folder = root.join(path);
    if folder.is_dir() {
        return Ok(folder);
    }
    Err(Failure::new("the agents of the tour are not here")
        .because(format_args!(
            "this `insula` was built in {}, and there is no {} any more",
            root.display(),
            folder.display()
        ))
        .advise("get the source of Insula, and start the tour from it with `cargo run -- demo`")
        .into())
}
