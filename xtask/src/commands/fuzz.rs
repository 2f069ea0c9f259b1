//! `cargo xtask fuzz`: builds the fuzz targets with what libFuzzer watches, and runs them for a while. See docs/fuzzing.md.
//!
//! It stops by itself. What was found before a stop is kept in target/fuzz: inputs that reach something new, and inputs
//! that fail.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use super::finish;
use crate::terminal;

const PACKAGE: &str = "insula-fuzz";
/// What stands before rustc for the crates of the workspace.
const INSTRUMENT: &str = "fuzz/instrument";
/// Where seeds, corpora and findings are.
const KEPT: &str = "target/fuzz";
/// Where this folder is, targets show what they make of an input.
const SHOW: &str = "show";
/// The beginning of what the targets are called in fuzz/Cargo.toml.
const PREFIX: &str = "fuzz_";
/// A target: its name, the longest input that is tried, in bytes, and the inputs of a smoke run.
const TARGETS: [(&str, u32, u64); 3] =
    [("key_codec", 600, 1_000_000), ("archive_import", 4_096, 200_000), ("host_calls", 2_000, 4_000)];
/// The most seconds of one target in a smoke run, on a machine that is too busy for its number of inputs.
const SMOKE_SECONDS: u64 = 60;

/// Which targets, and for how long.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The target: key_codec, archive_import or host_calls. All of them where none is named
    target: Option<String>,
    /// Seconds for each target
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// A fixed number of inputs for each target, the same in every run: what CI does
    #[arg(long, conflicts_with = "seconds")]
    smoke: bool,
    /// Give a target this input and no other: to reproduce a finding
    #[arg(long, value_name = "FILE", requires = "target", conflicts_with_all = ["seconds", "smoke"])]
    input: Option<PathBuf>,
}

pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<()> {
    let chosen = |name: &str| arguments.target.as_deref().is_none_or(|target| target == name);
    let targets: Vec<_> = TARGETS.into_iter().filter(|(name, ..)| chosen(name)).collect();
    let all = TARGETS.map(|(name, ..)| name).join(", ");
    ensure!(!targets.is_empty(), "there is no such target: use one of {all}");
    let programs = build(root)?;
    let program = |name: &str| programs.get(name).with_context(|| format!("the build made no `{name}`"));
    if let (Some(input), [(name, ..)]) = (&arguments.input, targets.as_slice()) {
        return again(root, name, program(name)?, input);
    }
    let mut failed = Vec::new();
    for (name, longest, smoke_runs) in targets {
        let bounds = if arguments.smoke {
            vec![format!("-runs={smoke_runs}"), "-seed=1".to_owned(), format!("-max_total_time={SMOKE_SECONDS}")]
        } else {
            vec![format!("-max_total_time={}", arguments.seconds)]
        };
        if !fuzz(root, name, program(name)?, longest, &bounds, arguments.smoke)? {
            failed.push(name);
        }
    }
    if !failed.is_empty() {
        bail!("found something in {}", failed.join(", "));
    }
    Ok(())
}

/// Builds the targets; answers with their programs.
fn build(root: &Path) -> Result<BTreeMap<&'static str, PathBuf>> {
    let mut command = Command::new("cargo");
    // The whole workspace and its tests, so that every library is the one that `cargo test --workspace` built.
    command.args(["test", "--locked", "--workspace", "--no-run", "--message-format=json-render-diagnostics"]);
    command.arg(format!("--features={PACKAGE}/libfuzzer"));
    for (name, ..) in TARGETS {
        command.args(["--test", &format!("{PREFIX}{name}")]);
    }
    command.env("RUSTC_WORKSPACE_WRAPPER", root.join(INSTRUMENT)).current_dir(root);
    terminal::note(format_args!("building the fuzz targets (this needs a C++ compiler)"));
    let output = command.stderr(std::process::Stdio::inherit()).output().context("`cargo` did not start")?;
    ensure!(output.status.success(), "the fuzz targets were not built");
    let messages = String::from_utf8(output.stdout).context("cargo's messages are not UTF-8")?;
    Ok(programs(&messages))
}

/// The programs that cargo's messages, one a line, name for the targets.
fn programs(messages: &str) -> BTreeMap<&'static str, PathBuf> {
    let mut programs = BTreeMap::new();
    for line in messages.lines() {
        let Some((_, rest)) = line.split_once("\"executable\":\"") else { continue };
        let Some((path, _)) = rest.split_once('"') else { continue };
        for (name, ..) in TARGETS {
            if line.contains(&format!("\"name\":\"{PREFIX}{name}\"")) {
                programs.insert(name, PathBuf::from(path));
            }
        }
    }
    programs
}

/// Runs one target; answers whether nothing was found.
fn fuzz(root: &Path, name: &str, program: &Path, longest: u32, bounds: &[String], smoke: bool) -> Result<bool> {
    let kept = root.join(KEPT).join(name);
    let (corpus, seeds, findings) = (kept.join("corpus"), kept.join("seeds"), kept.join("findings"));
    // The target writes them anew, and a smoke run adds to them: each begins from the same.
    if seeds.is_dir() {
        std::fs::remove_dir_all(&seeds).with_context(|| format!("cannot remove {}", seeds.display()))?;
    }
    for folder in [&corpus, &seeds, &findings] {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let begun = Instant::now();
    let mut command = Command::new(program);
    // Plans are long from the beginning: short ones hold nothing against each other.
    command.args(bounds).args(["-len_control=0", "-timeout=30", "-rss_limit_mb=2048"]);
    command.arg(format!("-max_len={longest}"));
    command.arg(format!("-artifact_prefix={}/", findings.display())).current_dir(&kept);
    if !smoke {
        // What earlier runs came upon. A smoke run begins from the seeds alone, so that each is like the one before.
        command.arg(&corpus);
    }
    command.arg(&seeds);
    let output = with_temporary(root, |temporary| {
        command.env("TMPDIR", temporary).output().with_context(|| format!("`{}` did not start", program.display()))
    })?;
    let said = String::from_utf8_lossy(&output.stderr);
    let seconds = begun.elapsed().as_secs();
    if output.status.success() {
        let done = said.lines().rev().find(|line| line.starts_with("Done ")).unwrap_or("Done");
        let edges = said.lines().rev().find_map(|line| line.split_once(" cov: ")?.1.split(' ').next()).unwrap_or("no");
        terminal::say(format_args!("{name}: nothing found. {done}; it covered {edges} edges"));
        return Ok(true);
    }
    terminal::note(format_args!("{said}"));
    let found = said.lines().find_map(|line| line.split_once("Test unit written to ")).map(|(_, path)| path.trim());
    match found {
        Some(input) => {
            terminal::say(format_args!("{name}: found something after {seconds} s: {input}"));
            terminal::say(format_args!("  to see it again: cargo xtask fuzz {name} --input {input}"));
        }
        None => terminal::say(format_args!("{name}: it ended with {} after {seconds} s, see above", output.status)),
    }
    Ok(false)
}

/// Gives a target one input; what it does with it is shown.
fn again(root: &Path, name: &str, program: &Path, input: &Path) -> Result<()> {
    let input = input.canonicalize().with_context(|| format!("cannot find {}", input.display()))?;
    let folder = root.join(KEPT).join("again");
    std::fs::create_dir_all(folder.join(SHOW)).with_context(|| format!("cannot make {}", folder.display()))?;
    with_temporary(root, |temporary| {
        finish(Command::new(program).env("TMPDIR", temporary).current_dir(&folder).arg(&input))
            .with_context(|| format!("{name} fails with this input"))
    })
}

/// Gives `work` a folder for what a target keeps while it runs, in memory where there is such a place.
fn with_temporary<T>(root: &Path, work: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { root.join(KEPT) };
    let folder = place.join(format!("insula-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let done = work(&folder);
    let removed = std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()));
    let done = done?;
    removed?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_in_the_manifest_and_has_its_file() {
        let root = crate::root();
        let manifest = super::super::read_toml(&root.join("fuzz/Cargo.toml")).unwrap();
        let tests = manifest.get("test").and_then(toml::Value::as_array).unwrap();
        let listed: Vec<_> = tests.iter().filter_map(|test| test.get("name")?.as_str()).collect();
        assert_eq!(listed, TARGETS.map(|(name, ..)| format!("{PREFIX}{name}")));
        for (name, ..) in TARGETS {
            assert!(root.join(format!("fuzz/targets/{name}.rs")).is_file(), "{name}");
        }
    }

    #[test]
    fn programs_are_found_in_what_cargo_says() {
        let line = |name: &str| {
            format!(
                "{{\"reason\":\"compiler-artifact\",\"target\":{{\"name\":\"{name}\"}},\"executable\":\"/a/{name}-1\"}}"
            )
        };
        let other = "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"redb\"},\"executable\":null}";
        let said = [line("fuzz_key_codec"), other.to_owned(), line("insula-under-test")].join("\n");
        let found: Vec<_> = programs(&said).into_iter().collect();
        assert_eq!(found, [("key_codec", PathBuf::from("/a/fuzz_key_codec-1"))]);
    }
}
