//! The one object that a call is charged to: host calls, host bytes, log bytes, memory and tables.
//!
//! Fuel and processor time are metered by the engine and the scheduler. Memory is the total over all memories and
//! tables of a call: wasmtime's own `StoreLimits` checks each memory apart, so that a component of many memories would
//! multiply the limit.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::CallLimits;

/// What a line counts at least, in bytes: an empty one takes its place in the ring too.
const LINE_FLOOR_BYTES: u64 = 16;

/// What a table element costs on the host, in bytes: a pointer.
const TABLE_ELEMENT_BYTES: u64 = 8;

macro_rules! host_calls {
    ($($name:ident = $text:literal,)*) => {
        /// A host function, by its interface and name in `wit/`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each is the function of that name in wit/, where it is documented")]
        pub enum HostCall { $($name,)* }

        impl HostCall {
            /// Every host function there is. A test compares it with `wit/`.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// `interface.function`, as in `wit/`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

host_calls! {
    StorageGet = "storage.get",
    StorageGetMany = "storage.get-many",
    StorageList = "storage.list",
    StorageBuckets = "storage.buckets",
    StorageCommit = "storage.commit",
    StoragePut = "storage.put",
    StorageDelete = "storage.delete",
    StorageIncrement = "storage.increment",
    CacheGet = "cache.get",
    CachePut = "cache.put",
    CacheGetOrFill = "cache.get-or-fill",
    CacheFill = "cache.fill",
    CacheDelete = "cache.delete",
    CacheClear = "cache.clear",
    CacheStats = "cache.stats",
    LogWrite = "log.write",
    ConfigGet = "config.get",
    ConfigAll = "config.all",
    UsageReport = "usage.report",
    UsageRemaining = "usage.remaining",
}

const KINDS: usize = HostCall::ALL.len();

/// A budget ran out: the trap that ends the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Exhausted {
    /// Too many host functions were called.
    #[error("the call made more than its {limit} host calls")]
    HostCalls {
        /// The limit.
        limit: u64,
    },
    /// Too many bytes crossed into host functions and back.
    #[error("the call moved more than its {limit} bytes through host functions")]
    HostBytes {
        /// The limit, in bytes.
        limit: u64,
    },
}

/// What one call has used of what the host provides.
#[derive(Debug)]
pub struct Budget {
    limits: CallLimits,
    calls: [u64; KINDS],
    calls_total: u64,
    bytes: u64,
    memory: u64,
    peak_memory: u64,
    elements: u64,
    memory_refused: bool,
    log: Arc<LogMeter>,
}

impl Budget {
    /// A fresh budget under these limits.
    #[must_use]
    pub fn new(limits: CallLimits) -> Self {
        Self {
            limits,
            calls: [0; KINDS],
            calls_total: 0,
            bytes: 0,
            memory: 0,
            peak_memory: 0,
            elements: 0,
            memory_refused: false,
            log: Arc::new(LogMeter {
                limit: limits.log_bytes.get(),
                used: AtomicU64::new(0),
                dropped: AtomicU64::new(0),
            }),
        }
    }

    /// The limits it counts against.
    #[must_use]
    pub fn limits(&self) -> &CallLimits {
        &self.limits
    }

    /// Charges one host call and the bytes that it brings in.
    ///
    /// # Errors
    ///
    /// [`Exhausted`], as a trap, before anything is done.
    pub(crate) fn charge(&mut self, call: HostCall, bytes: usize) -> Result<(), Exhausted> {
        if let Some(count) = self.calls.get_mut(call as usize) {
            *count += 1;
        }
        self.calls_total += 1;
        if self.calls_total > self.limits.host_calls.get() {
            return Err(Exhausted::HostCalls { limit: self.limits.host_calls.get() });
        }
        self.charge_bytes(bytes)
    }

    /// Charges bytes that a host call gives back.
    ///
    /// # Errors
    ///
    /// [`Exhausted`], as a trap, before the guest receives them.
    pub(crate) fn charge_bytes(&mut self, bytes: usize) -> Result<(), Exhausted> {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.bytes > self.limits.host_bytes.get() {
            return Err(Exhausted::HostBytes { limit: self.limits.host_bytes.get() });
        }
        Ok(())
    }

    /// Whether a memory may grow from `current` to `desired` bytes; counts it if so.
    pub fn grow_memory(&mut self, current: usize, desired: usize) -> bool {
        self.reserve((desired as u64).saturating_sub(current as u64))
    }

    /// Whether a table may grow from `current` to `desired` elements; counts it if so.
    pub fn grow_table(&mut self, current: usize, desired: usize) -> bool {
        let growth = (desired as u64).saturating_sub(current as u64);
        let elements = self.elements.saturating_add(growth);
        if elements > self.limits.table_elements.get() {
            self.memory_refused = true;
            return false;
        }
        if !self.reserve(growth.saturating_mul(TABLE_ELEMENT_BYTES)) {
            return false;
        }
        self.elements = elements;
        true
    }

    /// Gives back a growth that was counted and then failed.
    pub fn refund_memory(&mut self, bytes: u64) {
        self.memory = self.memory.saturating_sub(bytes);
    }

    fn reserve(&mut self, bytes: u64) -> bool {
        let total = self.memory.saturating_add(bytes);
        if total > self.limits.memory_bytes.get() {
            self.memory_refused = true;
            return false;
        }
        self.memory = total;
        self.peak_memory = self.peak_memory.max(total);
        true
    }

    /// Whether a growth was ever refused: what a later trap is then put down to.
    #[must_use]
    pub fn memory_refused(&self) -> bool {
        self.memory_refused
    }

    /// Bytes of all memories and tables now.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// Bytes of all memories and tables at their most.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        self.peak_memory
    }

    /// Host calls of all kinds.
    #[must_use]
    pub fn host_calls(&self) -> u64 {
        self.calls_total
    }

    /// Host calls of each kind that was called.
    pub fn host_calls_by_kind(&self) -> impl Iterator<Item = (HostCall, u64)> + '_ {
        HostCall::ALL.iter().copied().zip(self.calls).filter(|(_, count)| *count > 0)
    }

    /// Bytes through host functions, both ways.
    #[must_use]
    pub fn host_bytes(&self) -> u64 {
        self.bytes
    }

    /// The meter of the call's log, shared with its standard output and error.
    #[must_use]
    pub fn log(&self) -> &Arc<LogMeter> {
        &self.log
    }
}

/// Bytes of log that a call may still write, shared between the `log` interface and standard output and error.
pub struct LogMeter {
    limit: u64,
    used: AtomicU64,
    dropped: AtomicU64,
}

impl LogMeter {
    /// Takes room for a line, or counts it as dropped.
    #[must_use]
    pub fn admit(&self, bytes: usize) -> bool {
        let bytes = (bytes as u64).max(LINE_FLOOR_BYTES);
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= self.limit;
        if !fits {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        fits
    }

    /// Bytes written.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The most that may be written, in bytes.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Lines that did not fit.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for LogMeter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "LogMeter({} of {} bytes, {} lines dropped)", self.used(), self.limit, self.dropped())
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    fn limits(of: u64) -> CallLimits {
        let of = NonZeroU64::new(of).unwrap();
        CallLimits {
            fuel: of,
            cpu_us: of,
            wall_us: of,
            memory_bytes: of,
            table_elements: of,
            host_calls: of,
            host_bytes: of,
            log_bytes: of,
            response_bytes: of,
            value_bytes: of,
        }
    }

    #[test]
    fn memories_add_up_to_one_total() {
        let mut budget = Budget::new(limits(100));
        assert!(budget.grow_memory(0, 60));
        assert!(!budget.grow_memory(0, 60), "a second memory does not get a limit of its own");
        assert!(budget.memory_refused());
        assert!(budget.grow_memory(60, 100));
        assert_eq!(budget.peak_memory(), 100);
    }

    #[test]
    fn tables_count_as_memory_too() {
        let mut budget = Budget::new(limits(100));
        assert!(budget.grow_memory(0, 90));
        assert!(!budget.grow_table(0, 2));
        assert!(budget.grow_table(0, 1));
        assert_eq!(budget.memory(), 98);
    }

    #[test]
    fn a_growth_that_failed_is_given_back() {
        let mut budget = Budget::new(limits(100));
        assert!(budget.grow_memory(0, 100));
        budget.refund_memory(100);
        assert!(budget.grow_memory(0, 100));
    }

    #[test]
    fn the_limit_itself_is_allowed_and_one_more_is_not() {
        let mut budget = Budget::new(limits(3));
        for _ in 0..3 {
            budget.charge(HostCall::StorageGet, 1).unwrap();
        }
        assert_eq!(budget.charge(HostCall::StorageGet, 0), Err(Exhausted::HostCalls { limit: 3 }));
        assert_eq!(Budget::new(limits(3)).charge(HostCall::LogWrite, 4), Err(Exhausted::HostBytes { limit: 3 }));
    }

    #[test]
    fn log_lines_beyond_the_limit_are_counted_and_dropped() {
        let budget = Budget::new(limits(100));
        assert!(budget.log().admit(80));
        assert!(!budget.log().admit(80));
        assert!(budget.log().admit(0), "an empty line fits, and counts");
        assert_eq!((budget.log().used(), budget.log().dropped()), (96, 1));
    }
}
