//! `cargo xtask bench`: every benchmark, one after another, on the machine as it is: peers are installed, what was measured is
//! kept in target/bench, and the page beside its peers is written anew. It takes half an hour, what it builds the first time
//! not counted, and wants a machine that does nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::finish;
use crate::terminal;

/// Where peers are installed, and where raw figures go.
const PEERS: &str = "target/peers";
const RAW: &str = "target/bench";
/// The version of the engine that we use ourselves.
const WASMTIME: &str = "48.0.8";
/// What `wasmtime serve` needs to build and to be as fast as its own release.
const WASMTIME_FEATURES: [&str; 12] = [
    "run",
    "serve",
    "cranelift",
    "pooling-allocator",
    "parallel-compilation",
    "component-model",
    "component-model-async",
    "threads",
    "gc",
    "gc-drc",
    "gc-null",
    "wat",
];
/// The page that the README shows.
const PAGE: &str = "docs/peers";
/// What short rounds are.
const SHORT: &[&str] = &["--rounds", "1", "--seconds", "0.3"];
/// The benchmarks, with what they are told, and what makes them short; `peers` comes first.
const BENCHMARKS: [(&[&str], &[&str]); 11] = [
    (&["echo", "--json"], SHORT),
    (&["cores", "--json"], SHORT),
    (&["queue", "--json"], &["--rounds", "1"]),
    (&["bodies", "--json"], SHORT),
    (&["languages", "--json"], SHORT),
    (&["guests", "--json"], &["--rounds", "1", "--idle-seconds", "0.3"]),
    (&["dense", "--json"], &["--smoke"]),
    (&["storage"], &["--rounds", "1"]),
    (&["cache"], &["--rounds", "1"]),
    (&["neighbours", "--json"], SHORT),
    (&["timing", "--json"], &["--smoke"]),
];

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Short rounds: to see that all of it works, and for no figure
    #[arg(long)]
    smoke: bool,
    /// The page beside its peers alone
    #[arg(long)]
    peers_only: bool,
}

pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<()> {
    finish(Command::new("cargo").current_dir(root).args([
        "build",
        "--release",
        "--locked",
        "--package",
        "insula-bench",
        // What `dense` starts is the real program.
        "--package",
        "insula",
    ]))?;
    let bench = root.join("target/release/insula-bench");
    let mut peers = Command::new(&bench);
    peers.current_dir(root).arg("peers");
    // The benchmark itself says what is not there.
    match install_workerd(root) {
        Ok(program) => drop(peers.arg("--workerd").arg(program)),
        Err(error) => terminal::note(format_args!("workerd could not be installed: {error:#}")),
    }
    match install_wasmtime(root) {
        Ok(program) => drop(peers.arg("--wasmtime").arg(program)),
        Err(error) => terminal::note(format_args!("wasmtime could not be installed: {error:#}")),
    }
    if arguments.smoke {
        peers.args(["--rounds", "1", "--seconds", "0.5", "--page"]).arg(Path::new(RAW).join("smoke"));
    } else {
        peers.args(["--page", PAGE]);
    }
    finish(&mut peers)?;
    if arguments.peers_only {
        return Ok(());
    }
    fs::create_dir_all(root.join(RAW))?;
    for (benchmark, short) in BENCHMARKS {
        let arguments = if arguments.smoke { [benchmark, short].concat() } else { benchmark.to_vec() };
        keep(root, &bench, &arguments)?;
    }
    terminal::say(format_args!("raw figures: {RAW}; the page: {PAGE}/README.md"));
    Ok(())
}

/// Installs workerd, which npm has.
fn install_workerd(root: &Path) -> Result<PathBuf> {
    let folder = root.join(PEERS);
    fs::create_dir_all(&folder)?;
    fs::copy(root.join("bench/peers/workerd/package.json"), folder.join("package.json"))?;
    finish(Command::new("npm").current_dir(&folder).args(["install", "--no-audit", "--no-fund", "--no-package-lock"]))?;
    // As the page will show it: on every machine the same.
    Ok(Path::new(PEERS).join("node_modules/.bin/workerd"))
}

/// Builds `wasmtime serve`, which takes ten minutes and more the first time, and nothing where it is there already.
fn install_wasmtime(root: &Path) -> Result<PathBuf> {
    let folder = root.join(PEERS);
    let features = WASMTIME_FEATURES.join(",");
    let mut command = Command::new("cargo");
    command.args(["install", "wasmtime-cli", "--version", WASMTIME, "--locked", "--no-default-features"]);
    // Elsewhere than in the workspace, whose own settings are not its.
    command.args(["--features", &features, "--root"]).arg(&folder).current_dir(&folder);
    finish(command.env_remove("CARGO_TARGET_DIR"))?;
    Ok(Path::new(PEERS).join("bin/wasmtime"))
}

/// Runs one benchmark and keeps what it printed.
fn keep(root: &Path, bench: &Path, arguments: &[&str]) -> Result<()> {
    let name = arguments.first().copied().unwrap_or_default();
    terminal::note(format_args!("$ insula-bench {}", arguments.join(" ")));
    let output = Command::new(bench).current_dir(root).args(arguments).stderr(std::process::Stdio::inherit()).output();
    let output = output.with_context(|| format!("`{}` did not start", bench.display()))?;
    ensure!(output.status.success(), "`insula-bench {name}` ended with {}", output.status);
    let form = if arguments.contains(&"--json") { "json" } else { "txt" };
    fs::write(root.join(RAW).join(format!("{name}.{form}")), output.stdout)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peers_that_are_installed_are_pinned() {
        let manifest = fs::read_to_string(crate::root().join("bench/peers/workerd/package.json")).unwrap();
        assert!(!manifest.contains(['^', '~', '*']), "{manifest}");
        let lock = fs::read_to_string(crate::root().join("Cargo.lock")).unwrap();
        assert!(lock.contains(&format!("name = \"wasmtime\"\nversion = \"{WASMTIME}\"")), "not the engine of ours");
    }
}
