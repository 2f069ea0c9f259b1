//! `cargo xtask kills`: kills the real binary under load, as often as it is told to. The loop itself is a test, of which
//! `cargo test --workspace` runs a few rounds; here it runs in batches, each with a seed of its own.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::terminal;

/// The test, by its path in the binary.
const TEST: &str = "kills::kills_under_load_lose_nothing_that_was_acknowledged_and_leave_nothing_half_done";
/// Kills between two lines of progress.
const BATCH: u64 = 50;

pub(crate) fn run(root: &Path, rounds: u64, seed: u64) -> Result<()> {
    let mut done = 0;
    for batch in 0.. {
        let next = BATCH.min(rounds - done);
        let seed = seed + batch;
        let mut command = Command::new("cargo");
        command.current_dir(root).args(["test", "--quiet", "--locked", "--package", "insula-tests", "--test", "it"]);
        command.args(["--", "--exact", TEST]);
        command.env("INSULA_KILL_ROUNDS", next.to_string()).env("INSULA_KILL_SEED", seed.to_string());
        let output = command.output().context("`cargo` did not start")?;
        let printed = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success() && printed.contains("1 passed"),
            "a batch of {next} kills failed; again: cargo xtask kills --rounds {next} --seed {seed}\n{printed}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        done += next;
        terminal::note(format_args!("{done} of {rounds} kills, seed {seed}: nothing lost, nothing half done"));
        if done == rounds {
            break;
        }
    }
    terminal::say(format_args!("{rounds} kills under load: nothing lost, nothing half done"));
    Ok(())
}
