//! The host's ceiling over all shards: a number of bytes, and nothing that leads to any shard (T4).

use std::num::NonZeroU64;

use super::sync::{AtomicU64, Ordering};

/// Bytes that all shards hold together, and the most that they may.
#[derive(Debug)]
pub(crate) struct Ceiling {
    limit: u64,
    used: AtomicU64,
}

impl Ceiling {
    pub(crate) fn new(limit: NonZeroU64) -> Self {
        Self { limit: limit.get(), used: AtomicU64::new(0) }
    }

    /// Takes room, if there is so much.
    pub(crate) fn try_take(&self, bytes: u64) -> bool {
        let grow = |used: u64| used.checked_add(bytes).filter(|total| *total <= self.limit);
        self.used.try_update(Ordering::Relaxed, Ordering::Relaxed, grow).is_ok()
    }

    pub(crate) fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }
}
