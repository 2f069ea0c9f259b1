//! What an embedder decides when it opens a runtime. Plain values: nothing here reads the environment.

use std::ffi::OsString;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

const MIB: u64 = 1 << 20;

/// Everything that [`Runtime::open`](crate::Runtime::open) wants to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data directory. It is made if it is not there, and belongs to one running host at a time.
    pub data: PathBuf,
    /// How to start the compile worker.
    pub worker: WorkerCommand,
    /// The engine and the threads that guests run on.
    pub engine: EngineSettings,
    /// The host around it.
    pub host: HostSettings,
}

/// A command that starts a process which calls [`worker::main`](crate::worker::main) and does nothing else.
///
/// It is started as it stands, and ends when the process that started it is not, or no longer, its parent: no wrapper may
/// come between.
///
/// Most embedders name their own executable and an argument by which their `main` knows that it is the worker.
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// The engine: how many guests, how much of each stays resident, how long a slice is.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// Threads that run guests. They run nothing else, and nothing else runs guests.
    pub guest_threads: NonZeroUsize,
    /// Pooled instances, memories, tables and stacks: how many calls can be in a guest at once.
    pub instances: u32,
    /// Of each pooled memory, the bytes that are cleared by hand and kept, so that the next guest does not fault them in.
    pub keep_resident_bytes: usize,
    /// The most that one linear memory may ever have, in bytes: the ceiling over every tenant's `memory-bytes`.
    pub memory_bytes: NonZeroU64,
    /// How often the epoch advances while a guest runs: the length of a slice when others wait.
    pub tick: Duration,
}

impl EngineSettings {
    /// What a host of its own machine would use.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            guest_threads: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            instances: 512,
            keep_resident_bytes: 4 << 20,
            memory_bytes: NonZeroU64::MIN.saturating_add(1_024 * MIB - 1),
            tick: Duration::from_micros(500),
        }
    }
}

/// The host's own bounds, over all tenants.
#[derive(Debug, Clone)]
pub struct HostSettings {
    /// Calls in flight over all tenants, in guests or waiting for one.
    pub concurrency: NonZeroUsize,
    /// Calls over all tenants that wait for a place. Beyond that, one is shed or refused with `host-busy`.
    pub queue: NonZeroUsize,
    /// What the calls in flight may come to use of memory together, in bytes: each its tenant's `memory-bytes`.
    pub guest_memory_bytes: NonZeroU64,
    /// Bytes of artefacts that stay mapped. The least recently called make room.
    pub component_cache_bytes: NonZeroU64,
    /// Components that stay loaded, whatever their bytes: each takes a file descriptor and four or five mappings.
    pub components: NonZeroUsize,
    /// A component that nobody called for so long is not loaded any more. Its next call loads it again.
    pub component_idle: Duration,
    /// Compile workers at once.
    pub compilers: NonZeroUsize,
    /// Uploads that may wait for a compile worker. Beyond that, an upload is refused with `compilers-busy`.
    pub compile_queue: NonZeroUsize,
    /// Of these, the most of one tenant.
    pub compile_queue_per_tenant: NonZeroUsize,
    /// What a compilation may take of a processor. On the clock it is twice that, and then the worker is killed.
    pub compile_deadline: Duration,
    /// The address space of a compile worker, in bytes.
    pub compile_memory_bytes: NonZeroU64,
    /// The most bytes of one artefact. A component that compiles into more is refused.
    pub artefact_bytes: NonZeroU64,
    /// How often usage is written to the catalog: what a crash loses of it at most.
    pub usage_flush: Duration,
    /// Storage files that are open at once.
    pub open_files: NonZeroUsize,
    /// All cache shards together, in bytes.
    pub cache_ceiling_bytes: NonZeroU64,
}

impl HostSettings {
    /// What suits a machine of a dozen gigabytes. Whoever knows the machine states `guest_memory_bytes`, as `serve` does.
    #[must_use]
    pub fn standard() -> Self {
        let count = |count: usize| NonZeroUsize::MIN.saturating_add(count - 1);
        let bytes = |bytes: u64| NonZeroU64::MIN.saturating_add(bytes - 1);
        Self {
            concurrency: count(2_048),
            queue: count(1_024),
            guest_memory_bytes: bytes(8_192 * MIB),
            component_cache_bytes: bytes(2_048 * MIB),
            components: count(512),
            component_idle: Duration::from_secs(900),
            compilers: count(1),
            compile_queue: count(32),
            compile_queue_per_tenant: count(4),
            compile_deadline: Duration::from_secs(60),
            compile_memory_bytes: bytes(2_048 * MIB),
            artefact_bytes: bytes(512 * MIB),
            usage_flush: Duration::from_secs(1),
            open_files: count(512),
            cache_ceiling_bytes: bytes(1_024 * MIB),
        }
    }
}
