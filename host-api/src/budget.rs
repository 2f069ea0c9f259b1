//! The one object that a call is charged to: host calls by kind, host bytes, traffic with storage and cache, log bytes,
//! memory and tables.
//!
//! Fuel and processor time are metered by the engine and the scheduler. Memory is the total over all memories and
//! tables of a call: wasmtime's own `StoreLimits` checks each memory apart, so that a component of many memories would
//! multiply the limit.

use std::sync::Arc;

use crate::{CallLimits, LogMeter};

/// What a table element costs on the host, in bytes: a pointer.
const TABLE_ELEMENT_BYTES: u64 = 8;

/// Whose bytes a host function moves, beside the call's own total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Traffic {
    /// Out of storage: what it answers with.
    Read,
    /// Into storage: what it is asked with.
    Write,
    /// Into the cache and out of it.
    Cache,
    /// Neither.
    Other,
}

macro_rules! host_calls {
    ($($name:ident = $text:literal $traffic:ident,)*) => {
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

            const fn traffic(self) -> Traffic {
                match self { $(Self::$name => Traffic::$traffic,)* }
            }
        }
    };
}

host_calls! {
    StorageGet = "storage.get" Read,
    StorageGetMany = "storage.get-many" Read,
    StorageList = "storage.list" Read,
    StorageBuckets = "storage.buckets" Read,
    StorageCommit = "storage.commit" Write,
    StoragePut = "storage.put" Write,
    StorageDelete = "storage.delete" Write,
    StorageIncrement = "storage.increment" Write,
    CacheGet = "cache.get" Cache,
    CachePut = "cache.put" Cache,
    CacheGetOrFill = "cache.get-or-fill" Cache,
    CacheFill = "cache.fill" Cache,
    CacheDelete = "cache.delete" Cache,
    CacheClear = "cache.clear" Cache,
    CacheStats = "cache.stats" Other,
    LogWrite = "log.write" Other,
    ConfigGet = "config.get" Other,
    ConfigAll = "config.all" Other,
    UsageReport = "usage.report" Other,
    UsageRemaining = "usage.remaining" Other,
}

/// How many kinds of host calls there are.
pub const HOST_CALL_KINDS: usize = HostCall::ALL.len();

/// Host calls of each kind, in the order of [`HostCall::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HostCalls([u64; HOST_CALL_KINDS]);

impl HostCalls {
    /// Each kind that was called, and how often.
    pub fn entries(&self) -> impl Iterator<Item = (HostCall, u64)> + use<> {
        HostCall::ALL.iter().copied().zip(self.0).filter(|(_, count)| *count > 0)
    }

    /// Calls of one kind.
    #[must_use]
    pub fn of(&self, call: HostCall) -> u64 {
        self.0.get(call as usize).copied().unwrap_or_default()
    }

    /// Counts more calls of one kind.
    pub fn add(&mut self, call: HostCall, calls: u64) {
        if let Some(count) = self.0.get_mut(call as usize) {
            *count = count.saturating_add(calls);
        }
    }

    /// Counts the calls of another.
    pub fn add_all(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count = count.saturating_add(more);
        }
    }
}

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
    /// Too many bytes came out of storage.
    #[error("the call read more than its {limit} bytes from storage")]
    StorageRead {
        /// The limit, in bytes.
        limit: u64,
    },
    /// Too many bytes went into storage.
    #[error("the call wrote more than its {limit} bytes to storage")]
    StorageWrite {
        /// The limit, in bytes.
        limit: u64,
    },
    /// Too many bytes went into the cache and came out of it.
    #[error("the call moved more than its {limit} bytes into and out of the cache")]
    CacheTraffic {
        /// The limit, in bytes.
        limit: u64,
    },
}

/// What a growth was refused for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Bytes of all memories and tables together.
    Memory,
    /// Elements of all tables together.
    Elements,
}

/// What one call has used of what the host provides.
#[derive(Debug)]
pub struct Budget {
    limits: CallLimits,
    calls: HostCalls,
    calls_total: u64,
    bytes: u64,
    storage_read: u64,
    storage_written: u64,
    cache_moved: u64,
    memory: u64,
    peak_memory: u64,
    elements: u64,
    refused: Option<Refused>,
    log: Arc<LogMeter>,
}

impl Budget {
    /// A fresh budget under these limits.
    #[must_use]
    pub fn new(limits: CallLimits) -> Self {
        Self {
            limits,
            calls: HostCalls::default(),
            calls_total: 0,
            bytes: 0,
            storage_read: 0,
            storage_written: 0,
            cache_moved: 0,
            memory: 0,
            peak_memory: 0,
            elements: 0,
            refused: None,
            log: Arc::new(LogMeter::new(limits.log_bytes.get())),
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
        self.calls.add(call, 1);
        self.calls_total += 1;
        if self.calls_total > self.limits.host_calls.get() {
            return Err(Exhausted::HostCalls { limit: self.limits.host_calls.get() });
        }
        self.charge_bytes(bytes)?;
        match call.traffic() {
            Traffic::Write => self.charge_written(bytes),
            Traffic::Cache => self.charge_cached(bytes),
            Traffic::Read | Traffic::Other => Ok(()),
        }
    }

    /// Charges bytes that a host call gives back.
    ///
    /// # Errors
    ///
    /// [`Exhausted`], as a trap, before the guest receives them.
    pub(crate) fn charge_answer(&mut self, call: HostCall, bytes: usize) -> Result<(), Exhausted> {
        self.charge_bytes(bytes)?;
        match call.traffic() {
            Traffic::Read => self.charge_read(bytes),
            Traffic::Cache => self.charge_cached(bytes),
            Traffic::Write | Traffic::Other => Ok(()),
        }
    }

    fn charge_bytes(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let limit = self.limits.host_bytes.get();
        if spend(&mut self.bytes, bytes, limit) { Ok(()) } else { Err(Exhausted::HostBytes { limit }) }
    }

    fn charge_read(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let limit = self.limits.storage_read_bytes.get();
        if spend(&mut self.storage_read, bytes, limit) { Ok(()) } else { Err(Exhausted::StorageRead { limit }) }
    }

    fn charge_written(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let limit = self.limits.storage_write_bytes.get();
        if spend(&mut self.storage_written, bytes, limit) { Ok(()) } else { Err(Exhausted::StorageWrite { limit }) }
    }

    fn charge_cached(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let limit = self.limits.cache_traffic_bytes.get();
        if spend(&mut self.cache_moved, bytes, limit) { Ok(()) } else { Err(Exhausted::CacheTraffic { limit }) }
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
            self.refused = Some(Refused::Elements);
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
            self.refused = Some(Refused::Memory);
            return false;
        }
        self.memory = total;
        self.peak_memory = self.peak_memory.max(total);
        true
    }

    /// What the last growth that was refused was refused for: what a later trap is then put down to.
    #[must_use]
    pub fn refused(&self) -> Option<Refused> {
        self.refused
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

    /// Elements of all tables now. Tables never shrink: it is also their most.
    #[must_use]
    pub fn table_elements(&self) -> u64 {
        self.elements
    }

    /// Host calls of all kinds.
    #[must_use]
    pub fn host_calls(&self) -> u64 {
        self.calls_total
    }

    /// Host calls of each kind.
    #[must_use]
    pub fn host_calls_by_kind(&self) -> HostCalls {
        self.calls
    }

    /// Bytes through host functions, both ways.
    #[must_use]
    pub fn host_bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes that storage answered with: keys and values.
    #[must_use]
    pub fn storage_read(&self) -> u64 {
        self.storage_read
    }

    /// Bytes that storage was asked to write: buckets, keys, values and conditions.
    #[must_use]
    pub fn storage_written(&self) -> u64 {
        self.storage_written
    }

    /// Bytes into the cache and out of it: namespaces, keys and values.
    #[must_use]
    pub fn cache_moved(&self) -> u64 {
        self.cache_moved
    }

    /// The meter of the call's log, shared with its standard output and error.
    #[must_use]
    pub fn log(&self) -> &Arc<LogMeter> {
        &self.log
    }
}

/// Adds to what is used; answers whether it is within the limit. What was too much stays counted, so that the bill says
/// why the call ended.
fn spend(used: &mut u64, bytes: usize, limit: u64) -> bool {
    *used = used.saturating_add(bytes as u64);
    *used <= limit
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
            storage_read_bytes: of,
            storage_write_bytes: of,
            cache_traffic_bytes: of,
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
        assert_eq!(budget.refused(), Some(Refused::Memory));
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
    fn every_kind_of_traffic_has_a_number_of_its_own() {
        let wide = NonZeroU64::new(1_000).unwrap();
        let narrow = || CallLimits { host_calls: wide, host_bytes: wide, ..limits(10) };
        let mut budget = Budget::new(narrow());
        for (call, asked, answered) in [
            (HostCall::StorageGet, 100, 10),
            (HostCall::StoragePut, 10, 100),
            (HostCall::CacheGet, 4, 6),
            (HostCall::ConfigGet, 100, 100),
            (HostCall::CacheStats, 0, 0),
        ] {
            budget.charge(call, asked).unwrap();
            budget.charge_answer(call, answered).unwrap();
        }
        assert_eq!((budget.storage_read(), budget.storage_written(), budget.cache_moved()), (10, 10, 10));
        assert_eq!(budget.host_bytes(), 430);
        assert_eq!(budget.charge_answer(HostCall::StorageList, 1), Err(Exhausted::StorageRead { limit: 10 }));
        assert_eq!(budget.charge(HostCall::StorageCommit, 1), Err(Exhausted::StorageWrite { limit: 10 }));
        assert_eq!(budget.charge(HostCall::CacheFill, 1), Err(Exhausted::CacheTraffic { limit: 10 }));
        assert_eq!((budget.storage_read(), budget.storage_written(), budget.cache_moved()), (11, 11, 11));
        assert_eq!(
            Budget::new(narrow()).charge_answer(HostCall::CacheGetOrFill, 11),
            Err(Exhausted::CacheTraffic { limit: 10 })
        );
    }

    #[test]
    fn host_calls_are_counted_by_kind() {
        let mut budget = Budget::new(limits(100));
        for call in [HostCall::StorageGet, HostCall::LogWrite, HostCall::StorageGet] {
            budget.charge(call, 1).unwrap();
        }
        let counts = budget.host_calls_by_kind();
        assert_eq!(counts.entries().collect::<Vec<_>>(), [(HostCall::StorageGet, 2), (HostCall::LogWrite, 1)]);
        assert_eq!(counts.entries().map(|(_, count)| count).sum::<u64>(), budget.host_calls());
        let mut sum = counts;
        sum.add_all(&counts);
        assert_eq!((sum.of(HostCall::StorageGet), sum.of(HostCall::CacheGet)), (4, 0));
    }

    #[test]
    fn a_refused_growth_says_what_it_was_refused_for() {
        let mut budget = Budget::new(CallLimits { memory_bytes: NonZeroU64::new(1_000).unwrap(), ..limits(10) });
        assert!(budget.grow_table(0, 10) && !budget.grow_table(10, 11));
        assert_eq!((budget.refused(), budget.table_elements()), (Some(Refused::Elements), 10));
        assert!(!budget.grow_memory(0, 1_000));
        assert_eq!(budget.refused(), Some(Refused::Memory));
    }
}
