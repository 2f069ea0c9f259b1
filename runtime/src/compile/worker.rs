//! The compile worker: a process that reads one component and writes one artefact.
//!
//! It opens no file, no socket and no data directory: the component comes on standard input, behind a header of
//! little-endian 64-bit numbers (what is wanted, address space in bytes, processor time in seconds, the most bytes of
//! the artefact, threads, the host's process id); the artefact goes to standard output, which is a file that the host opened; one
//! line of JSON on standard error says how it went. It limits itself, starts its threads, and shuts all of them in before
//! it parses the first byte of the component, and ends when its host does.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, Signal, getppid, set_parent_process_death_signal};
use rustix::process::{setpriority_process, setrlimit};
use serde::{Deserialize, Serialize};

use super::probe::{self, Attempt};
use super::sandbox::{self, Sandbox};
use super::threads::Threads;
use crate::engine::config;

/// Uploads are compiled when there is nothing better to do: behind guests, which have 8. Not the lowest priority of all:
/// where every processor has a guest that spins, this leaves a compiling thread a quarter of each, so that an upload still
/// ends within its deadline on the clock; 19 would leave it a twelfth. One thread of 10 weighs as much as two of 13.
const NICENESS: i32 = 13;
/// Files that the worker may have open. It opens none.
const FILES: u64 = 16;
/// A component to show with that compiling works within the sandbox.
const SMALL: &str = r#"(component (core module (memory 1) (func (export "f") (param i32) (result i32)
    (loop (br_if 0 (i32.const 0))) (i32.load (local.get 0)))))"#;

/// What the host wants of a worker, as it comes in the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// To compile what follows.
    Compile = 0,
    /// To show that the sandbox bites. Nothing follows.
    Probe = 1,
}

/// What a worker is told before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) wanted: Wanted,
    /// Address space, in bytes.
    pub(crate) memory: u64,
    /// Processor time, in seconds.
    pub(crate) seconds: u64,
    /// The most bytes of the artefact.
    pub(crate) artefact: u64,
    /// Threads to compile on.
    pub(crate) threads: usize,
    /// The process that started the worker.
    pub(crate) host: u32,
}

impl Header {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let (threads, host) = (self.threads as u64, u64::from(self.host));
        let numbers = [self.wanted as u64, self.memory, self.seconds, self.artefact, threads, host];
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    fn read(input: &mut impl Read) -> io::Result<Self> {
        let mut number = || {
            let mut bytes = [0; 8];
            input.read_exact(&mut bytes).map(|()| u64::from_le_bytes(bytes))
        };
        let wanted = if number()? == Wanted::Probe as u64 { Wanted::Probe } else { Wanted::Compile };
        let (memory, seconds, artefact) = (number()?, number()?, number()?);
        let threads = usize::try_from(number()?).map_err(io::Error::other)?;
        let host = u32::try_from(number()?).map_err(io::Error::other)?;
        Ok(Self { wanted, memory, seconds, artefact, threads, host })
    }
}

/// How it went: one line of JSON on standard error.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// The artefact is on standard output.
    Compiled { bytes: u64, sandbox: Sandbox },
    /// The compiler refused the component.
    Refused { reason: String },
    /// The artefact is larger than allowed.
    TooLarge { bytes: u64 },
    /// There was no room for the artefact.
    DiskFull,
    /// What the worker tried, and what became of it.
    Probed { sandbox: Sandbox, attempts: Vec<Attempt> },
    /// The worker itself failed.
    Failed { reason: String },
}

/// What a process that a [`WorkerCommand`](crate::WorkerCommand) names must call, as the one thing that it does.
#[must_use]
pub fn main() -> ExitCode {
    let verdict = work().unwrap_or_else(|error| Verdict::Failed { reason: error.to_string() });
    let line = serde_json::to_string(&verdict).unwrap_or_default();
    let _ = writeln!(io::stderr(), "{line}");
    match verdict {
        Verdict::Compiled { .. } | Verdict::Probed { .. } => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn work() -> io::Result<Verdict> {
    // First: from here on, the end of the host is the end of this process, however the host ends.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut input = io::stdin().lock();
    let header = Header::read(&mut input)?;
    // It may have ended before that. A parent that cannot be seen from here has no id to compare.
    if getppid().is_some_and(|parent| u32::try_from(parent.as_raw_nonzero().get()) != Ok(header.host)) {
        return Err(io::Error::other("the host that started this worker is gone"));
    }
    limit_self(&header)?;
    let threads = Threads::start(header.threads)?;
    no_more_threads()?;
    // Made before the process is shut in: it looks at the machine, and at nothing of the component.
    let engine = config::compiler().map_err(|error| io::Error::other(format!("{error:#}")))?;
    let sandbox = sandbox::enter(&threads)?;
    let component = match header.wanted {
        // Text will do: the engine's own reader of it is compiled in.
        Wanted::Probe => SMALL.as_bytes().to_vec(),
        Wanted::Compile => {
            let mut component = Vec::new();
            input.read_to_end(&mut component)?;
            component
        }
    };
    let artefact = match threads.run(|| engine.precompile_component(&component)) {
        Ok(artefact) => artefact,
        Err(error) => return Ok(Verdict::Refused { reason: format!("{error:#}") }),
    };
    if header.wanted == Wanted::Probe {
        return Ok(Verdict::Probed { attempts: probe::attempts(&threads, &sandbox), sandbox });
    }
    let bytes = artefact.len() as u64;
    if bytes > header.artefact {
        return Ok(Verdict::TooLarge { bytes });
    }
    match write_out(&artefact) {
        Ok(()) => Ok(Verdict::Compiled { bytes, sandbox }),
        Err(error) if is_full(error.kind()) => Ok(Verdict::DiskFull),
        Err(error) => Err(error),
    }
}

/// Straight to the descriptor: no buffer that looks for lines, and no second descriptor.
fn write_out(mut bytes: &[u8]) -> io::Result<()> {
    let output = io::stdout();
    while !bytes.is_empty() {
        match rustix::io::write(&output, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn is_full(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

fn limit_self(header: &Header) -> io::Result<()> {
    let limit = |resource, most| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    limit(Resource::As, header.memory)?;
    limit(Resource::Cpu, header.seconds)?;
    limit(Resource::Fsize, header.artefact)?;
    limit(Resource::Nofile, FILES)?;
    limit(Resource::Core, 0)?;
    // It is this thread's, and of those that this thread starts from here on.
    let _ = setpriority_process(None, NICENESS);
    Ok(())
}

/// For a kernel without filters. Whoever may do everything is not held by it.
fn no_more_threads() -> io::Result<()> {
    Ok(setrlimit(Resource::Nproc, Rlimit { current: Some(0), maximum: Some(0) })?)
}
