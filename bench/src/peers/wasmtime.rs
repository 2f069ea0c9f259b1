//! `wasmtime serve`, with the echo of `bench/peers/wasmtime`: as it comes, set as well as we know how, and with instances
//! that are used again.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::{Process, free_address};

/// What a call touched stays in memory for the next one, which saves page faults: no less than our own engine keeps. The
/// guest's data is within it (its stack is small, as our guests' are).
const TUNED: &str = "pooling-allocator=y,pooling-memory-keep-resident=524288,pooling-table-keep-resident=65536,\
                     pooling-async-stack-keep-resident=32768";
/// The other way to save them: the kernel is asked which pages were written.
const SCAN: &str = "pooling-pagemap-scan=y";

/// One way to run it.
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    optimisation: &'static [&'static str],
    reuse: &'static str,
}

/// All of them have the same component.
pub(super) const SETTINGS: [Setting; 4] = [
    Setting {
        name: "wasmtime serve",
        what: "as it comes: a fresh instance for each call, no limits",
        optimisation: &[],
        reuse: "1",
    },
    Setting {
        name: "wasmtime, tuned",
        what: "pooling, 512 KiB kept resident, a fresh instance for each call, no limits",
        optimisation: &[TUNED],
        reuse: "1",
    },
    Setting {
        name: "wasmtime, scanning",
        what: "the same with `pagemap_scan`",
        optimisation: &[TUNED, SCAN],
        reuse: "1",
    },
    Setting {
        name: "wasmtime, reusing",
        what: "tuned, each instance used for 1,000 calls: nothing keeps one from the next",
        optimisation: &[TUNED],
        reuse: "1000",
    },
];

/// Builds the component.
pub(super) fn component() -> anyhow::Result<PathBuf> {
    insula_cli::build(&Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/wasmtime"), true)
}

/// Starts it in one way: the program that was given, or the one on the path.
pub(super) fn start(program: Option<&Path>, component: &Path, setting: &Setting) -> anyhow::Result<Process> {
    let address = free_address()?;
    let mut command = Command::new(program.unwrap_or_else(|| Path::new("wasmtime")));
    // Rust's library asks for WASI's command line, which `serve` gives where it is told to.
    command.args(["serve", "-S", "cli=y", "--addr", &address.to_string(), "--max-instance-reuse-count", setting.reuse]);
    for options in setting.optimisation {
        command.args(["-O", options]);
    }
    Process::start(command.arg(component), address)
}
