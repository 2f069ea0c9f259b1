//! The `insula` command line: arguments, configuration files, terminal output, watching files.
//!
//! It is a library with a thin binary, so that another package can have the same binary for its tests. It holds nothing
//! that an embedder would miss: hosts are opened through `insula-runtime` and `insula-server`.
//!
//! - **A1** only this crate reads the environment (`environment.rs`, and the argument parser) or prints (`terminal.rs`).
//! - **A4** only `client.rs` dials out.
//! - **T1** `run`, `dev` and `demo` make keys and log in with them like anyone else.
#![forbid(unsafe_code)]

mod args;
mod build;
mod client;
mod commands;
mod connection;
mod environment;
mod failure;
mod host;
mod input;
mod limits;
mod log_lines;
mod logging;
mod manifest;
mod outcome;
mod profile;
mod signals;
mod source;
mod source_lines;
mod terminal;
mod toml_text;
mod trouble;
mod vendored;
mod wire;

use std::process::ExitCode;

pub use build::{build, install};
pub use host::control_threads;

use args::{Cli, Command};
use failure::Failure;
use terminal::Terminal;

/// The operation failed.
const FAILED: u8 = 1;
/// The command was put together wrongly. The argument parser uses the same number.
const WRONG_USAGE: u8 = 2;

/// Runs the command line of this process: 0 done, 1 the operation failed, 2 wrong usage.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::of_process() {
        Ok(cli) => cli,
        Err(stop) => {
            let shown = stop.print().is_ok();
            let code = if shown { u8::try_from(stop.exit_code()).unwrap_or(WRONG_USAGE) } else { FAILED };
            return ExitCode::from(code);
        }
    };
    // The compile worker writes a component's artefact to its standard output: nothing else may.
    if matches!(cli.command, Command::CompileWorker) {
        return insula_runtime::worker::main();
    }
    let terminal = Terminal::new(cli.json);
    let mut result = commands::run(cli.command, &terminal);
    if result.is_ok() && !terminal.is_whole() {
        result = Err(Failure::new("the result could not be written to standard output").into());
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal.fail(&error);
            ExitCode::from(if Failure::read(&error).is_usage() { WRONG_USAGE } else { FAILED })
        }
    }
}
