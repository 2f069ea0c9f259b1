//! The cache: one shard a tenant, made with its first put, under one lock of its own.
//!
//! A shard never exceeds its tenant's budget, and what other tenants do evicts nothing here: when the host's ceiling over
//! all shards is reached, the shard that wants to grow evicts from itself (R3). Time comes from an injected clock.

mod ceiling;
mod evict;
mod ghost;
mod nodes;
mod shard;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use insula_host_api::{Cache, CacheError, CacheStatistics, EntryKey, NamespaceName};
use insula_tenancy::TenantId;

pub(crate) use ceiling::Ceiling;
use shard::{NewEntry, Shard, Tally, encode};

use crate::clock::Clock;
use crate::quota::LiveQuota;
use crate::sync::{self, Mutex};

/// The part of the budget that one value may have: a quarter.
const VALUE_PART: u64 = 4;

/// One tenant's cache shard.
pub struct TenantCache {
    tenant: TenantId,
    quota: Arc<LiveQuota>,
    ceiling: Arc<Ceiling>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    shard: Option<Box<Shard>>,
    tally: Tally,
}

impl TenantCache {
    pub(crate) fn new(tenant: TenantId, quota: Arc<LiveQuota>, ceiling: Arc<Ceiling>, clock: Arc<dyn Clock>) -> Self {
        Self { tenant, quota, ceiling, clock, state: Mutex::default() }
    }

    /// Evicts down to the budget, after it became smaller.
    pub(crate) fn trim(&self) {
        let (now, budget) = (self.clock.now_ms(), self.quota.cache_bytes());
        let mut state = self.state.lock();
        let State { shard, tally } = &mut *state;
        if let Some(shard) = shard {
            shard.shrink_to(budget, now, budget, tally);
        }
    }

    /// Forgets everything, and gives its room back.
    pub(crate) fn drop_shard(&self) {
        self.state.lock().shard = None;
    }

    /// Entries and bytes that the shard holds.
    pub(crate) fn holdings(&self) -> (u64, u64) {
        let state = self.state.lock();
        state.shard.as_ref().map_or((0, 0), |shard| (shard.entries() as u64, shard.held_bytes()))
    }
}

impl Cache for TenantCache {
    fn get(&self, namespace: &NamespaceName, key: &EntryKey) -> Option<Vec<u8>> {
        let (key, now) = (encode(namespace.as_str(), key.as_str()), self.clock.now_ms());
        let found = {
            let mut state = self.state.lock();
            let State { shard, tally } = &mut *state;
            match shard {
                Some(shard) => shard.get(&key, now, tally),
                None => {
                    tally.misses += 1;
                    None
                }
            }
        };
        // The copy is made after the lock is let go.
        found.map(|value| value.to_vec())
    }

    fn put(&self, namespace: &NamespaceName, key: &EntryKey, value: Vec<u8>, ttl: Duration) -> Result<(), CacheError> {
        let budget = self.quota.cache_bytes();
        let (size, limit) = (value.len() as u64, budget / VALUE_PART);
        if size > limit {
            return Err(CacheError::ValueTooLarge { size, limit });
        }
        let (key, now) = (encode(namespace.as_str(), key.as_str()), self.clock.now_ms());
        let expires_ms = now.saturating_add(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
        let entry = NewEntry { key, value: value.into_boxed_slice(), expires_ms };
        let mut state = self.state.lock();
        let State { shard, tally } = &mut *state;
        let shard = shard.get_or_insert_with(|| Box::new(Shard::new(Arc::clone(&self.ceiling))));
        shard.put(entry, now, budget, tally);
        Ok(())
    }

    fn delete(&self, namespace: &NamespaceName, key: &EntryKey) {
        if let Some(shard) = &mut self.state.lock().shard {
            shard.delete(&encode(namespace.as_str(), key.as_str()));
        }
    }

    fn clear(&self, namespace: &NamespaceName) {
        if let Some(shard) = &mut self.state.lock().shard {
            shard.clear(namespace.as_str().as_bytes());
        }
    }

    fn statistics(&self) -> CacheStatistics {
        let state = self.state.lock();
        let Tally { hits, misses, evicted, expired } = state.tally;
        let (entries, bytes) = state.shard.as_ref().map_or((0, 0), |shard| (shard.entries() as u64, shard.bytes()));
        CacheStatistics { hits, misses, evicted, expired, entries, bytes, limit_bytes: self.quota.cache_bytes() }
    }
}

impl fmt::Debug for TenantCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TenantCache({})", self.tenant)
    }
}
