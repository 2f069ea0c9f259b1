//! workerd, as npm has it, with the echo of `bench/peers/workerd`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::{Process, free_address};

/// What stands in the configuration where the port comes.
const PORT: &str = "PORT";

/// A process of it, and the folder that it reads.
pub(super) struct Workerd {
    pub(super) process: Process,
    _folder: tempfile::TempDir,
}

impl Workerd {
    /// Starts it: the program that was given, or the one on the path.
    pub(super) fn start(program: Option<&Path>) -> anyhow::Result<Self> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/workerd");
        let folder = tempfile::tempdir()?;
        let address = free_address()?;
        std::fs::copy(source.join("worker.js"), folder.path().join("worker.js"))?;
        let config = std::fs::read_to_string(source.join("config.capnp"))?;
        let written = folder.path().join("config.capnp");
        std::fs::write(&written, config.replace(PORT, &address.port().to_string()))?;
        let program = program.map_or_else(|| PathBuf::from("workerd"), Path::to_path_buf);
        let process = Process::start(Command::new(program).arg("serve").arg(written), address)?;
        Ok(Self { process, _folder: folder })
    }
}
