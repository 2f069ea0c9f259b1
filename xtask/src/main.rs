//! `cargo xtask`: a thin door to the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    xtask::main()
}
