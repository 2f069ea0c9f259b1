//! Chores of the workspace: the checks that CI runs, tidy, guests, each crate alone, benchmarks, kills, fuzzing.
//!
//! It depends on no other room and no room depends on it. Tidy is a library and a test, so that `cargo test --workspace`
//! holds the tree to the house's rules without a step of its own.

mod commands;
mod terminal;
pub mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores of the workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Run what CI runs: .ci/run
    Ci,
    /// Hold the tree to the house's rules: pure checks, no build
    Tidy,
    /// Build every guest: the sample agents and the guests of the tests
    Guests,
    /// Check each crate of the workspace alone
    Each,
    /// Kill the real binary under load, again and again, and look at what is left
    Kills {
        /// How often
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
        rounds: u64,
        /// What the load and the moments are made of
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(..=1_000_000_000))]
        seed: u64,
    },
    /// Run every benchmark, and write the page beside its peers
    Bench(commands::bench::Arguments),
    /// Run the fuzz targets for a while, each guided by what it covers
    Fuzz(commands::fuzz::Arguments),
}

/// Runs the chore that the arguments name. Exit codes: 0 done, 1 failed, 2 wrong usage.
#[must_use]
pub fn main() -> ExitCode {
    let done = match Arguments::parse().chore {
        Chore::Ci => commands::ci::run(&root()),
        Chore::Tidy => commands::tidy::run(&root()),
        Chore::Guests => commands::guests::run(&root()),
        Chore::Each => commands::each::run(&root()),
        Chore::Kills { rounds, seed } => commands::kills::run(&root(), rounds, seed),
        Chore::Bench(arguments) => commands::bench::run(&root(), &arguments),
        Chore::Fuzz(arguments) => commands::fuzz::run(&root(), &arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::note(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The workspace's folder: the one that this crate's own stands in.
#[must_use]
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}
