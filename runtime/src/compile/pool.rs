//! The compile workers, seen from the host: few at once, a bounded line that is fair between tenants, a deadline, and
//! nothing of theirs trusted that the shelf has not taken in.

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use insula_tenancy::TenantId;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::line::{Joined, Line, Ticket};
use super::probe::Attempt;
use super::sandbox::Sandbox;
use super::starter::Starter;
use super::threads;
use super::worker::{Header, Verdict, Wanted};
use crate::deploy_error::DeployError;
use crate::engine::Check;
use crate::settings::{HostSettings, WorkerCommand};

/// The most that is kept of what a worker writes to standard error, in bytes.
const STDERR_BYTES: u64 = 64 << 10;
/// The most of a compiler's message that an author gets, in bytes.
pub(super) const REASON_BYTES: usize = 4 << 10;
/// How a Rust program ends that panicked.
const PANICKED: i32 = 101;
/// Uploads that are scanned at once. Each is in memory as a whole while it is.
const SCANS: usize = 2;
/// How much of a component is read for a worker at a time, in bytes.
const PIECE: usize = 256 << 10;
/// How many times its time of processors a compilation may take on the clock. A worker has a low priority: where every
/// processor has a guest that spins it gets a quarter of each, and a component of SpiderMonkey takes 14 seconds of one.
const CLOCK: u32 = 2;
/// How long a worker that was killed may take to be gone. The kernel needs microseconds.
const LAST_RITES: Duration = Duration::from_secs(5);
/// How long a worker may take to show that it is shut in.
const PROBE_DEADLINE: Duration = Duration::from_secs(20);
/// The check in the host's readiness. Calls do not depend on it: a host whose compilers fail still serves what it has.
pub(crate) const CHECK: &str = "compile-worker-sandbox";

/// The compile workers of a host.
#[derive(Debug)]
pub(crate) struct CompilerPool {
    command: WorkerCommand,
    starter: Starter,
    queue: Mutex<Queue>,
    scans: Arc<Semaphore>,
    deadline: Duration,
    memory: u64,
    artefact: u64,
    /// Threads of each worker.
    threads: usize,
}

#[derive(Debug)]
struct Queue {
    line: Line<TenantId, oneshot::Sender<Slot>>,
    free: usize,
}

impl CompilerPool {
    /// In a tokio runtime, which then waits for the workers.
    ///
    /// # Errors
    ///
    /// When the thread that starts workers cannot be started.
    pub(crate) fn new(command: WorkerCommand, settings: &HostSettings) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            command,
            starter: Starter::start()?,
            queue: Mutex::new(Queue {
                line: Line::new(settings.compile_queue.get(), settings.compile_queue_per_tenant.get()),
                free: settings.compilers.get(),
            }),
            scans: Arc::new(Semaphore::new(SCANS)),
            deadline: settings.compile_deadline,
            memory: settings.compile_memory_bytes.get(),
            artefact: settings.artefact_bytes.get(),
            threads: threads_of_each(settings.compilers),
        }))
    }

    /// A place to have an upload in memory and scan it. There are few, each tenant asks for one at a time, and a scan is
    /// linear and short.
    ///
    /// # Errors
    ///
    /// None that happens: the places are never closed.
    pub(crate) async fn scan_place(&self) -> Result<OwnedSemaphorePermit, DeployError> {
        Arc::clone(&self.scans).acquire_owned().await.map_err(|_| DeployError::Internal)
    }

    /// Compiles a component, read from where its file stands, into a file. Returns how long the worker took.
    ///
    /// # Errors
    ///
    /// [`DeployError`], as the uploader should see it. The output then holds nothing of use.
    pub(crate) async fn compile(
        self: &Arc<Self>,
        tenant: TenantId,
        component: File,
        output: File,
    ) -> Result<Duration, DeployError> {
        let _slot = self.slot(tenant).await?;
        let began = Instant::now();
        let output = Stdio::from(output);
        let clock = self.deadline.saturating_mul(CLOCK);
        let run = self.run(Wanted::Compile, Some(component), output, clock).await;
        match run.map_err(|error| internal("run the compile worker", &error))? {
            Some((status, stderr)) => self.judge(status, &stderr).map(|()| began.elapsed()),
            None => Err(DeployError::CompileTimeout { limit: clock }),
        }
    }

    /// Has a worker show what its sandbox refuses (B5).
    ///
    /// # Errors
    ///
    /// The check, when what is said to be in force does not bite: such a host must not serve.
    pub(crate) async fn probe(&self) -> Result<Check, Check> {
        let check = |passed, detail: String| Check { name: CHECK, passed, detail };
        let verdict = match self.run(Wanted::Probe, None, Stdio::piped(), PROBE_DEADLINE).await {
            Ok(Some((_, stderr))) => verdict(&stderr).ok_or_else(|| format!("it said {stderr:?}")),
            Ok(None) => Err("it did not answer in time".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        let (sandbox, attempts): (Sandbox, Vec<Attempt>) = match verdict {
            Ok(Verdict::Probed { sandbox, attempts }) => (sandbox, attempts),
            failed => {
                let reason = failed.map_or_else(|reason| reason, |verdict| format!("{verdict:?}"));
                tracing::error!(reason, "the compile worker does not work: every upload will fail");
                return Ok(check(false, format!("the compile worker does not work: {reason}")));
            }
        };
        let open: Vec<_> = attempts.iter().filter(|one| one.expected && !one.refused).map(|one| &*one.act).collect();
        let described = sandbox.describe();
        if !open.is_empty() {
            return Err(check(false, format!("{described}, and yet a worker could {}", open.join(", "))));
        }
        if !sandbox.missing.is_empty() {
            tracing::warn!(sandbox = described, "the compile worker is not shut in as well as it can be");
        }
        Ok(check(true, described))
    }

    /// A place among the workers, in the tenant's turn.
    async fn slot(self: &Arc<Self>, tenant: TenantId) -> Result<Slot, DeployError> {
        let busy = || DeployError::CompilersBusy { retry_after: Duration::from_secs(5) };
        let (ticket, turn) = {
            let mut queue = self.queue.lock();
            if queue.free > 0 {
                queue.free -= 1;
                return Ok(Slot(Some(Arc::clone(self))));
            }
            let (sender, turn) = oneshot::channel();
            match queue.line.join(tenant, sender) {
                // Whoever had to give up its place learns it by the end of the channel.
                Joined::Waiting(ticket) | Joined::InPlaceOf(ticket, _) => (ticket, turn),
                Joined::Full => return Err(busy()),
            }
        };
        let _place = Place { pool: self, tenant, ticket };
        turn.await.map_err(|_| busy())
    }

    /// Runs a worker to its end. `None` when it was killed at the deadline, which is the host's own and asks nothing of
    /// the worker. Dropped, it kills the worker.
    async fn run(
        &self,
        wanted: Wanted,
        component: Option<File>,
        output: Stdio,
        deadline: Duration,
    ) -> io::Result<Option<(ExitStatus, String)>> {
        let mut command = Command::new(&self.command.program);
        command.args(&self.command.arguments).env_clear().kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(output).stderr(Stdio::piped());
        let mut child = self.starter.spawn(command).await?;
        let run = async {
            let (input, stderr) = (child.stdin.take(), child.stderr.take());
            let (fed, stderr) = tokio::join!(self.feed(wanted, input, component), errors(stderr));
            // A worker that failed early stops reading: what it says of itself is worth more than the broken pipe.
            drop(fed);
            Ok::<_, io::Error>((child.wait().await?, stderr))
        };
        match tokio::time::timeout(deadline, run).await {
            Ok(done) => done.map(Some),
            Err(_) => {
                end(&mut child).await;
                Ok(None)
            }
        }
    }

    /// Owns the pipe, so that it is closed at the end and the worker sees it. Never holds more than a piece.
    async fn feed(&self, wanted: Wanted, input: Option<ChildStdin>, component: Option<File>) -> io::Result<()> {
        let Some(mut input) = input else { return Ok(()) };
        let header = Header {
            wanted,
            memory: self.memory,
            seconds: self.deadline.as_secs().max(1),
            artefact: self.artefact,
            threads: self.threads,
            host: std::process::id(),
        };
        input.write_all(&header.to_bytes()).await?;
        if let Some(component) = component {
            let mut component = tokio::fs::File::from_std(component);
            let mut piece = vec![0; PIECE];
            loop {
                let count = component.read(&mut piece).await?;
                let Some(bytes) = piece.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
                input.write_all(bytes).await?;
            }
        }
        input.shutdown().await
    }

    fn judge(&self, status: ExitStatus, stderr: &str) -> Result<(), DeployError> {
        match (verdict(stderr), status.signal()) {
            (Some(Verdict::Compiled { .. }), _) if status.success() => Ok(()),
            (Some(Verdict::Refused { mut reason }), _) => {
                reason.truncate(reason.floor_char_boundary(REASON_BYTES));
                Err(DeployError::CompileFailed { reason })
            }
            (Some(Verdict::TooLarge { bytes }), _) => {
                Err(DeployError::TooComplex { what: "bytes of machine code", found: bytes, limit: self.artefact })
            }
            (Some(Verdict::DiskFull), _) => Err(DeployError::DiskFull),
            // SIGXCPU, and SIGKILL at the hard limit.
            (_, Some(24 | 9)) => Err(DeployError::CompileTimeout { limit: self.deadline }),
            // An allocation that fails aborts; so does a stack that cannot grow.
            (_, Some(6 | 11)) => Err(DeployError::CompileMemory { limit: self.memory }),
            // The compiler panicked over it: what a component can bring about is no fault of the host.
            (None, None) if status.code() == Some(PANICKED) => {
                tracing::error!(stderr, "the compiler panicked over a component");
                Err(DeployError::CompileFailed {
                    reason: "the compiler failed over it, by a fault of its own".to_owned(),
                })
            }
            (verdict, _) => {
                tracing::error!(?verdict, %status, stderr, "the compile worker failed");
                Err(DeployError::Internal)
            }
        }
    }

    /// Passes a place among the workers on, or keeps it for whoever comes.
    fn pass_on(self: Arc<Self>) {
        loop {
            let turn = {
                let mut queue = self.queue.lock();
                match queue.line.next() {
                    Some((_, turn)) => turn,
                    None => {
                        queue.free += 1;
                        return;
                    }
                }
            };
            match turn.send(Slot(Some(Arc::clone(&self)))) {
                Ok(()) => return,
                // It has gone away meanwhile: the next one.
                Err(mut slot) => slot.0 = None,
            }
        }
    }
}

/// How many threads a worker has: its share of the processors, where all workers are at work.
fn threads_of_each(compilers: NonZeroUsize) -> usize {
    let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    (processors.get() / compilers).clamp(1, threads::MOST)
}

/// Kills a worker and waits until it is gone, so that its place is free when it is given on.
async fn end(child: &mut Child) {
    if !matches!(tokio::time::timeout(LAST_RITES, child.kill()).await, Ok(Ok(()))) {
        tracing::error!("a compile worker that was killed is still there");
    }
}

fn verdict(stderr: &str) -> Option<Verdict> {
    stderr.lines().rev().find_map(|line| serde_json::from_str::<Verdict>(line).ok())
}

async fn errors(stderr: Option<ChildStderr>) -> String {
    let mut bytes = Vec::new();
    if let Some(stderr) = stderr {
        let _ = stderr.take(STDERR_BYTES).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn internal(what: &str, error: &io::Error) -> DeployError {
    tracing::error!(error = error as &dyn std::error::Error, "could not {what}");
    DeployError::Internal
}

/// A place among the workers, passed on by drop (B3).
#[derive(Debug)]
struct Slot(Option<Arc<CompilerPool>>);

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(pool) = self.0.take() {
            pool.pass_on();
        }
    }
}

/// A place in the line, given back by drop (B3).
struct Place<'a> {
    pool: &'a CompilerPool,
    tenant: TenantId,
    ticket: Ticket,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.pool.queue.lock().line.leave(self.tenant, self.ticket);
    }
}
