//! The compile worker: a process that reads one component and writes one artefact.
//!
//! It opens no file, no socket and no data directory: the component comes on standard input, behind a header of two
//! little-endian 64-bit numbers (address space in bytes, processor time in seconds); the artefact goes to standard
//! output, which is a file that the host opened; one line of JSON on standard error says how it went. It limits itself
//! before it reads the first byte of the component.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, setpriority_process, setrlimit};
use serde::{Deserialize, Serialize};

use crate::engine::config;

/// Uploads are compiled when there is nothing better to do.
const NICENESS: i32 = 10;
/// Files that the worker may have open. It opens none.
const FILES: u64 = 16;

/// How it went: one line of JSON on standard error.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// The artefact is on standard output.
    Compiled { bytes: u64 },
    /// The compiler refused the component.
    Refused { reason: String },
    /// There was no room for the artefact.
    DiskFull,
    /// The worker itself failed.
    Failed { reason: String },
}

/// What a process that a [`WorkerCommand`](crate::WorkerCommand) names must call, as the one thing that it does.
#[must_use]
pub fn main() -> ExitCode {
    let verdict = compile().unwrap_or_else(|error| Verdict::Failed { reason: error.to_string() });
    let line = serde_json::to_string(&verdict).unwrap_or_default();
    let _ = writeln!(io::stderr(), "{line}");
    match verdict {
        Verdict::Compiled { .. } => ExitCode::SUCCESS,
        Verdict::Refused { .. } | Verdict::DiskFull | Verdict::Failed { .. } => ExitCode::FAILURE,
    }
}

fn compile() -> io::Result<Verdict> {
    let mut input = io::stdin().lock();
    let (memory, seconds) = (read_number(&mut input)?, read_number(&mut input)?);
    limit_self(memory, seconds)?;
    let mut component = Vec::new();
    input.read_to_end(&mut component)?;
    let engine = config::compiler().map_err(|error| io::Error::other(format!("{error:#}")))?;
    let artefact = match engine.precompile_component(&component) {
        Ok(artefact) => artefact,
        Err(error) => return Ok(Verdict::Refused { reason: format!("{error:#}") }),
    };
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    match output.write_all(&artefact) {
        Ok(()) => Ok(Verdict::Compiled { bytes: artefact.len() as u64 }),
        Err(error) if is_full(error.kind()) => Ok(Verdict::DiskFull),
        Err(error) => Err(error),
    }
}

fn is_full(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

fn read_number(input: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    input.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

fn limit_self(memory: u64, seconds: u64) -> io::Result<()> {
    let limit = |resource, most| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    limit(Resource::As, memory)?;
    limit(Resource::Cpu, seconds)?;
    limit(Resource::Nofile, FILES)?;
    limit(Resource::Core, 0)?;
    let _ = setpriority_process(None, NICENESS);
    Ok(())
}
