//! `insula build`: an agent's component, with the flags that its manifest recommends.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;

use crate::build::{self, Gap};
use crate::manifest::Manifest;
use crate::source::Agent;
use crate::terminal::{self, Terminal, bold, dim, mark};

/// Arguments of `build`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "JavaScript, TypeScript and Python need no build command in insula.toml: their tools come from the agent's \
                  own package.json or requirements.txt. Where nothing has changed since the last build, nothing is done."
)]
pub(crate) struct Args {
    /// The agent's folder
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// First install what the build needs: the folder's npm or Python packages
    #[arg(long)]
    install: bool,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    // A component's file is not a folder to build: let the manifest's reader say so.
    let manifest = Manifest::load(&args.folder)?;
    if args.install || offer(&args.folder, &manifest, terminal)? {
        install(&args.folder, &manifest, terminal)?;
    }
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

fn install(folder: &Path, manifest: &Manifest, terminal: &Terminal) -> anyhow::Result<()> {
    let progress = terminal.progress(&format!("installing what {} is built with", manifest.name));
    let installed = build::install_for(folder, manifest);
    drop(progress);
    installed.map_err(|broken| broken.show(terminal))
}

/// On a terminal, offers to install what is missing. Elsewhere the build says the command.
fn offer(folder: &Path, manifest: &Manifest, terminal: &Terminal) -> anyhow::Result<bool> {
    let Some(Gap { failure, installable: true }) = build::gap(folder, manifest)? else { return Ok(false) };
    if terminal.is_json() {
        return Ok(false);
    }
    let reasons = failure.reasons().join("; ");
    terminal.ask(&format!("{}: {reasons}. Install them now?", failure.what()))
}
