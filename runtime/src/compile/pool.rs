//! The compile workers, seen from the host: few at once, a bounded queue, a deadline, and nothing of theirs trusted that
//! the shelf has not taken in.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, Command};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::worker::Verdict;
use crate::deploy_error::DeployError;
use crate::settings::{HostSettings, WorkerCommand};

/// The most that is kept of what a worker writes to standard error, in bytes.
const STDERR_BYTES: u64 = 64 << 10;
/// The most of a compiler's message that an author gets, in bytes.
const REASON_BYTES: usize = 4 << 10;
/// How a Rust program ends that panicked.
const PANICKED: i32 = 101;

/// The compile workers of a host.
#[derive(Debug)]
pub(crate) struct CompilerPool {
    command: WorkerCommand,
    slots: Semaphore,
    waiting: AtomicUsize,
    queue: usize,
    deadline: Duration,
    memory: u64,
}

impl CompilerPool {
    pub(crate) fn new(command: WorkerCommand, settings: &HostSettings) -> Arc<Self> {
        Arc::new(Self {
            command,
            slots: Semaphore::new(settings.compilers.get()),
            waiting: AtomicUsize::new(0),
            queue: settings.compile_queue.get(),
            deadline: settings.compile_deadline,
            memory: settings.compile_memory_bytes.get(),
        })
    }

    /// Compiles a component into a file. Returns how long the worker took.
    ///
    /// # Errors
    ///
    /// [`DeployError`], as the uploader should see it. The file then holds nothing of use.
    pub(crate) async fn compile(&self, component: Arc<Vec<u8>>, output: File) -> Result<Duration, DeployError> {
        let _slot = self.slot().await?;
        let began = Instant::now();
        let mut child = self.start(output).map_err(|error| internal("start the compile worker", &error))?;
        let run = async {
            let (input, stderr) = (child.stdin.take(), child.stderr.take());
            let (fed, stderr) = tokio::join!(self.feed(input, &component), errors(stderr));
            // A worker that failed early stops reading: what it says of itself is worth more than the broken pipe.
            drop(fed);
            Ok::<_, io::Error>((child.wait().await?, stderr))
        };
        match tokio::time::timeout(self.deadline, run).await {
            Ok(Ok((status, stderr))) => self.judge(status, &stderr).map(|()| began.elapsed()),
            Ok(Err(error)) => Err(internal("wait for the compile worker", &error)),
            // Dropped, the child is killed.
            Err(_) => Err(DeployError::CompileTimeout { limit: self.deadline }),
        }
    }

    async fn slot(&self) -> Result<SemaphorePermit<'_>, DeployError> {
        if let Ok(slot) = self.slots.try_acquire() {
            return Ok(slot);
        }
        let waiting = Waiting::enter(&self.waiting);
        if waiting.position > self.queue {
            return Err(DeployError::CompilersBusy { retry_after: Duration::from_secs(5) });
        }
        self.slots.acquire().await.map_err(|_| DeployError::Internal)
    }

    fn start(&self, output: File) -> io::Result<Child> {
        Command::new(&self.command.program)
            .args(&self.command.arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::from(output))
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }

    /// Owns the pipe, so that it is closed at the end and the worker sees it.
    async fn feed(&self, input: Option<ChildStdin>, component: &[u8]) -> io::Result<()> {
        let Some(mut input) = input else { return Ok(()) };
        input.write_all(&self.memory.to_le_bytes()).await?;
        input.write_all(&self.deadline.as_secs().max(1).to_le_bytes()).await?;
        input.write_all(component).await?;
        input.shutdown().await
    }

    fn judge(&self, status: ExitStatus, stderr: &str) -> Result<(), DeployError> {
        let verdict = stderr.lines().rev().find_map(|line| serde_json::from_str::<Verdict>(line).ok());
        match (verdict, status.signal()) {
            (Some(Verdict::Compiled { .. }), _) if status.success() => Ok(()),
            (Some(Verdict::Refused { mut reason }), _) => {
                reason.truncate(reason.floor_char_boundary(REASON_BYTES));
                Err(DeployError::CompileFailed { reason })
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

/// A place in the queue, given back by drop (B3).
struct Waiting<'a> {
    count: &'a AtomicUsize,
    position: usize,
}

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        Self { count, position: count.fetch_add(1, Ordering::SeqCst) + 1 }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::SeqCst);
    }
}
