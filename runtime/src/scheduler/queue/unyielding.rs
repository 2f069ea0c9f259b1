//! Tenants whose slices no tick ends, and who else is about: what is not lent, since it could not be taken back.
//!
//! One instruction may fill all of a guest's memory, and the epoch does not interrupt it. While somebody else is about, a
//! tenant that does such things begins no more of them at once than its weight is worth in threads. So there is a thread
//! for whoever wakes; what is lent to everybody else comes back at a tick. Nothing is held back from a tenant that is
//! within its share: it is held back only from threads that nobody else asks for just now.

use std::collections::HashMap;
use std::hash::Hash;

use super::Tenant;

/// Ticks of processor time without a sign of life that make a slice one which no tick ends.
pub(super) const OVERRUN: u32 = 4;
/// Ticks for which its tenant is held to be one that does such things.
const REMEMBERED: u64 = 1_024;
/// Ticks of a window. Who has queued a call in this one or in the one before is about.
const WINDOW: u64 = 64;
/// The number of the first window. A tenant that never queued a call was about in window 0.
const FIRST: u64 = 2;

#[derive(Debug)]
pub(super) struct Unyielding<K> {
    threads: u64,
    now: u64,
    /// Until when they are held to be. Empty, as it mostly is, it costs a comparison.
    until: HashMap<K, u64>,
    /// The number of the window, the weight of all who were about in it or in the one before, and in it alone.
    window: u64,
    about: u64,
    newly: u64,
}

impl<K: Copy + Eq + Hash> Unyielding<K> {
    pub(super) fn new(threads: usize) -> Self {
        let threads = threads as u64;
        Self { threads, now: 0, until: HashMap::new(), window: FIRST, about: 0, newly: 0 }
    }

    /// It is this many ticks since the start.
    pub(super) fn at(&mut self, now: u64) {
        if now == self.now {
            return;
        }
        self.now = now;
        let window = now / WINDOW + FIRST;
        if window != self.window {
            self.about = if window == self.window + 1 { self.newly } else { 0 };
            self.newly = 0;
            self.window = window;
            self.until.retain(|_, until| *until > now);
        }
    }

    /// A tenant has queued a call.
    pub(super) fn see<T>(&mut self, tenant: &mut Tenant<T>) {
        if tenant.seen == self.window {
            return;
        }
        let weight = tenant.weight.get();
        if tenant.seen + 1 < self.window {
            self.about += weight;
        }
        self.newly += weight;
        tenant.seen = self.window;
    }

    /// A slice of this tenant went on beyond its ticks.
    pub(super) fn overran(&mut self, key: K) {
        self.until.insert(key, self.now + REMEMBERED);
    }

    fn has(&self, key: &K) -> bool {
        self.until.get(key).is_some_and(|until| *until > self.now)
    }

    /// Whether the next in line waits though a thread is free: it and all that wait behind it are such tenants, others are
    /// about, and as many threads as they are worth together are within their slices.
    pub(super) fn holds_back<'a, T>(
        &self,
        mut ready: impl Iterator<Item = &'a K>,
        tenants: &HashMap<K, Tenant<T>>,
    ) -> bool
    where
        K: 'a,
    {
        if self.until.is_empty() || !ready.all(|key| self.has(key)) {
            return false;
        }
        let (mut running, mut weights, mut about) = (0, 0, 0);
        for tenant in self.until.keys().filter(|key| self.has(key)).filter_map(|key| tenants.get(key)) {
            let weight = tenant.weight.get();
            running += tenant.running as u64;
            if tenant.running > 0 || !tenant.items.is_empty() {
                weights += weight;
            }
            if tenant.seen + 1 >= self.window {
                about += weight;
            }
        }
        let others = self.about.saturating_sub(about);
        others > 0 && running >= (self.threads * weights).div_ceil(weights + others)
    }
}
