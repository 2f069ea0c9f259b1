//! The cache: one shard a tenant, made with its first entry, under one lock of its own; and single flight for each of its
//! keys.
//!
//! A shard never exceeds its tenant's budget, and what other tenants do evicts nothing here: when the host's ceiling over
//! all shards is reached, the shard that wants to grow evicts from itself (R3). Time comes from an injected clock.
//!
//! `locked` is the core: it has the lock, and its files know no executor, no timer and no clock, so that the tests run the
//! same source under every interleaving (see `shuttled`). `version` is what a call holds.

mod agenda;
mod ceiling;
mod evict;
mod flights;
mod ghost;
mod list;
mod locked;
mod name;
mod namespaces;
mod nodes;
mod record;
mod shard;
mod tally;
#[cfg(test)]
mod tests;
mod version;
mod wait;

use std::fmt;
use std::sync::Arc;

use insula_host_api::{Cache, CacheStatistics};
use insula_tenancy::{TenantId, VersionId};
use serde::Serialize;

pub(crate) use ceiling::Ceiling;
use locked::Locked;
pub use tally::CacheTally;
use version::VersionCache;

use crate::clock::Clock;
use crate::quota::LiveQuota;
use crate::sync;

/// A table with fewer entries than this part of its room gives room back.
const SPARSE: usize = 3;

/// One tenant's cache.
pub struct TenantCache {
    tenant: TenantId,
    inner: Arc<Inner>,
}

/// What the handles of all versions share.
struct Inner {
    quota: Arc<LiveQuota>,
    clock: Arc<dyn Clock>,
    locked: Arc<Locked>,
}

/// How one tenant's shard is doing, for operators.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CacheFigures {
    /// What happened in it.
    pub tally: CacheTally,
    /// Entries that can be found.
    pub entries: u64,
    /// Their bytes, as the budget counts them.
    pub bytes: u64,
    /// The budget: the tenant's `cache-bytes`.
    pub limit_bytes: u64,
}

impl TenantCache {
    pub(crate) fn new(tenant: TenantId, quota: Arc<LiveQuota>, ceiling: Arc<Ceiling>, clock: Arc<dyn Clock>) -> Self {
        let locked = Arc::new(Locked::new(Arc::clone(&quota), ceiling));
        Self { tenant, inner: Arc::new(Inner { quota, clock, locked }) }
    }

    /// The shard as one version of an agent sees it: with the entries that were tied to this version, and without those
    /// that were tied to another.
    #[must_use]
    pub fn for_version(&self, version: VersionId) -> Arc<dyn Cache> {
        Arc::new(VersionCache::new(Arc::clone(&self.inner), version))
    }

    /// How the shard is doing, as its owner may know it.
    #[must_use]
    pub fn statistics(&self) -> CacheStatistics {
        self.inner.statistics()
    }

    /// How the shard is doing, as operators may know it.
    pub(crate) fn figures(&self) -> CacheFigures {
        let (tally, entries, bytes) = self.inner.locked.figures();
        CacheFigures { tally, entries, bytes, limit_bytes: self.inner.quota.cache_bytes() }
    }

    pub(crate) fn tally(&self) -> CacheTally {
        self.inner.locked.tally()
    }

    /// Entries that can be found, and bytes that the shard holds.
    pub(crate) fn holdings(&self) -> (u64, u64) {
        (self.inner.locked.figures().1, self.inner.locked.held_bytes())
    }

    /// Evicts down to the budget, after it became smaller.
    pub(crate) fn trim(&self) {
        self.inner.locked.trim(self.inner.clock.now_ms());
    }

    /// Gives back the room of entries that nobody is given any more. The lock is let go again and again meanwhile.
    pub(crate) fn sweep(&self) {
        while self.inner.locked.sweep(self.inner.clock.now_ms()) {}
    }

    /// Forgets everything, gives its room back, and keeps nothing more: what calls that are still in flight put or fill
    /// is dropped, and whoever waits is released with a lease that leads nowhere. There is no way back.
    pub(crate) fn close(&self) {
        self.inner.locked.close();
    }
}

impl Inner {
    fn statistics(&self) -> CacheStatistics {
        let (tally, entries, bytes) = self.locked.figures();
        CacheStatistics {
            hits: tally.hits,
            stale_hits: tally.stale_hits,
            misses: tally.misses,
            leases: tally.leases,
            waits: tally.waits,
            evicted: tally.evicted(),
            expired: tally.expired,
            removed: tally.removed,
            entries,
            bytes,
            limit_bytes: self.quota.cache_bytes(),
        }
    }
}

impl fmt::Debug for TenantCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TenantCache({})", self.tenant)
    }
}
