//! What one tenant may keep: the numbers that its storage and its cache check, and the cell through which an operator's
//! change reaches handles that are already out.

use std::num::NonZeroU64;

use super::sync::{AtomicU64, Ordering};

/// What one tenant may keep at most. Part of [`Limits`](crate::Limits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Durable storage: buckets, keys, values and their overhead, in bytes.
    pub storage_bytes: NonZeroU64,
    /// Keys in durable storage.
    pub storage_keys: NonZeroU64,
    /// The cache shard: namespaces, keys, values and their overhead, in bytes.
    pub cache_bytes: NonZeroU64,
    /// One value in durable storage, in bytes.
    pub value_bytes: NonZeroU64,
}

/// The quota as it stands now. Each number is read apart, so a change of two may be seen one by one; each is a limit in
/// its own right, so no reader minds.
#[derive(Debug)]
pub(crate) struct LiveQuota {
    storage_bytes: AtomicU64,
    storage_keys: AtomicU64,
    cache_bytes: AtomicU64,
    value_bytes: AtomicU64,
}

impl LiveQuota {
    pub(crate) fn new(quota: Quota) -> Self {
        Self {
            storage_bytes: AtomicU64::new(quota.storage_bytes.get()),
            storage_keys: AtomicU64::new(quota.storage_keys.get()),
            cache_bytes: AtomicU64::new(quota.cache_bytes.get()),
            value_bytes: AtomicU64::new(quota.value_bytes.get()),
        }
    }

    /// Takes over another quota; answers whether the cache's part became smaller.
    pub(crate) fn set(&self, quota: Quota) -> bool {
        self.storage_bytes.store(quota.storage_bytes.get(), Ordering::Relaxed);
        self.storage_keys.store(quota.storage_keys.get(), Ordering::Relaxed);
        self.value_bytes.store(quota.value_bytes.get(), Ordering::Relaxed);
        self.cache_bytes.swap(quota.cache_bytes.get(), Ordering::Relaxed) > quota.cache_bytes.get()
    }

    pub(crate) fn storage_bytes(&self) -> u64 {
        self.storage_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn storage_keys(&self) -> u64 {
        self.storage_keys.load(Ordering::Relaxed)
    }

    pub(crate) fn cache_bytes(&self) -> u64 {
        self.cache_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn value_bytes(&self) -> u64 {
        self.value_bytes.load(Ordering::Relaxed)
    }
}
