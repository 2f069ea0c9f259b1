//! What happened in a shard, counted.

use serde::Serialize;

/// What happened in one tenant's shard, or in all of them, since the host started. For operators: an agent is not told
/// which of its entries the ceiling cost, since the ceiling says something of others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CacheTally {
    /// Reads that found a fresh value.
    pub hits: u64,
    /// Reads that were given a value past its freshness.
    pub stale_hits: u64,
    /// Reads that found nothing.
    pub misses: u64,
    /// Leases given out.
    pub leases: u64,
    /// Reads that waited for another caller's fill.
    pub waits: u64,
    /// Entries that gave way because the tenant's `cache-bytes` were used.
    pub evicted_for_budget: u64,
    /// Entries that gave way because all shards together had come to the host's ceiling.
    pub evicted_for_ceiling: u64,
    /// Entries that outlived their time.
    pub expired: u64,
    /// Entries that were deleted, cleared or written over.
    pub removed: u64,
}

/// Why an entry has to give way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Budget,
    Ceiling,
}

impl CacheTally {
    /// Entries that gave way to others, for either cause.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted_for_budget + self.evicted_for_ceiling
    }

    pub(crate) fn evict(&mut self, cause: Cause) {
        match cause {
            Cause::Budget => self.evicted_for_budget += 1,
            Cause::Ceiling => self.evicted_for_ceiling += 1,
        }
    }

    /// Adds what happened in another shard.
    pub(crate) fn add(&mut self, other: &Self) {
        self.hits += other.hits;
        self.stale_hits += other.stale_hits;
        self.misses += other.misses;
        self.leases += other.leases;
        self.waits += other.waits;
        self.evicted_for_budget += other.evicted_for_budget;
        self.evicted_for_ceiling += other.evicted_for_ceiling;
        self.expired += other.expired;
        self.removed += other.removed;
    }
}
