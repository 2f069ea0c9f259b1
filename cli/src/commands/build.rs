//! `insula build`: an agent's component, with the flags that its manifest recommends.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use crate::source::Agent;
use crate::terminal::{self, Terminal, bold, dim, mark};

/// Arguments of `build`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The agent's folder
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    // A component's file is not a folder to build: let the manifest's reader say so.
    let manifest = crate::manifest::Manifest::load(&args.folder)?;
    let started = Instant::now();
    let agent = Agent::load(&args.folder, terminal)?;
    let report = agent.report()?;
    if terminal.is_json() {
        terminal.json(&json!({
            "agent": manifest.name,
            "component": agent.path,
            "component-bytes": report.component_bytes,
            "digest": report.digest,
        }));
        return Ok(());
    }
    let took = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    terminal.say(agent.path.display());
    terminal.note(format_args!(
        "{} {} {}",
        mark(true),
        bold(manifest.name),
        dim(format_args!("{} in {}", terminal::bytes(report.component_bytes), terminal::duration_us(took)))
    ));
    Ok(())
}
