//! The `insula` binary as the suites start it.

use std::process::ExitCode;

fn main() -> ExitCode {
    insula_cli::main()
}
