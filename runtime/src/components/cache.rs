//! What is loaded, by tenant and digest, in the order of its last use: bounded in bytes and in number, shared out so that
//! who holds much makes room for itself, and let go of when nobody calls it any more.
//!
//! It knows nothing of engines and clocks. What leaves is handed out, so that nothing is unmapped under its lock.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use insula_store::Digest;
use insula_tenancy::TenantId;
use lru::LruCache;
use tokio::sync::OnceCell;

pub(super) type Key = (TenantId, Digest);
pub(super) type Cell<T> = Arc<OnceCell<Arc<T>>>;

/// A tenant that holds more than the cache's bytes or number over this makes room from its own components.
const SHARE: u64 = 4;
/// Into so many parts the time is divided after which something is idle: it stays that much longer at most, and as many
/// moments are remembered.
const PARTS: u32 = 8;

/// What the cache may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) bytes: u64,
    /// Each takes descriptors and mappings of the process, whatever its bytes.
    pub(super) count: u64,
}

pub(super) struct Cache<T> {
    bounds: Bounds,
    slots: LruCache<Key, Slot<T>>,
    /// What each tenant has that is loaded, and all of them together.
    held: HashMap<TenantId, Held>,
    total: Weight,
    /// Grows with every use.
    uses: u64,
    /// When the number of uses was what. The oldest first.
    moments: VecDeque<(Instant, u64)>,
}

struct Slot<T> {
    cell: Cell<T>,
    used: u64,
    /// Of what is loaded; nothing until then.
    bytes: Option<u64>,
}

#[derive(Default)]
struct Held {
    weight: Weight,
    digests: Vec<Digest>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) count: u64,
    pub(super) bytes: u64,
}

impl Weight {
    fn add(&mut self, bytes: u64) {
        *self = Self { count: self.count + 1, bytes: self.bytes + bytes };
    }

    fn remove(&mut self, bytes: u64) {
        *self = Self { count: self.count.saturating_sub(1), bytes: self.bytes.saturating_sub(bytes) };
    }

    fn is_over(self, bounds: Bounds, parts: u64) -> bool {
        self.bytes > bounds.bytes / parts || self.count > bounds.count / parts
    }
}

impl<T> Cache<T> {
    pub(super) fn new(bounds: Bounds) -> Self {
        let (slots, held, total) = (LruCache::unbounded(), HashMap::new(), Weight::default());
        Self { bounds, slots, held, total, uses: 0, moments: VecDeque::new() }
    }

    /// The cell of this key, made if need be. It is used.
    pub(super) fn cell(&mut self, key: Key) -> Cell<T> {
        self.uses += 1;
        let slot = self.slots.get_or_insert_mut(key, || Slot { cell: Cell::default(), used: 0, bytes: None });
        slot.used = self.uses;
        Arc::clone(&slot.cell)
    }

    /// What was loaded into a cell counts from now on. Answers what had to make room: not what was just loaded.
    pub(super) fn loaded(&mut self, key: &Key, cell: &Cell<T>, bytes: u64) -> Vec<Cell<T>> {
        // Forgotten while it was loading: this caller still has it, the cache does not.
        let Some(slot) = self.slots.peek_mut(key).filter(|slot| Arc::ptr_eq(&slot.cell, cell)) else {
            return Vec::new();
        };
        if slot.bytes.replace(bytes).is_some() {
            return Vec::new();
        }
        let held = self.held.entry(key.0).or_default();
        held.weight.add(bytes);
        held.digests.push(key.1);
        self.total.add(bytes);
        let mut gone = Vec::new();
        while self.total.is_over(self.bounds, 1) {
            let Some(oldest) = self.to_make_room(key) else { break };
            gone.extend(self.remove(&oldest));
        }
        gone
    }

    /// Whoever holds much makes room for itself: its loads push a neighbour's components out only where it has no other.
    fn to_make_room(&self, newest: &Key) -> Option<Key> {
        let (tenant, _) = *newest;
        let own = self.held.get(&tenant).filter(|held| held.weight.is_over(self.bounds, SHARE));
        let own = own.into_iter().flat_map(|held| &held.digests).map(|digest| (tenant, *digest));
        let oldest = own.filter(|key| key != newest).min_by_key(|key| self.slots.peek(key).map(|slot| slot.used));
        let loaded = |(key, slot): &(&Key, &Slot<T>)| *key != newest && slot.bytes.is_some();
        oldest.or_else(|| self.slots.iter().rev().find(loaded).map(|(key, _)| *key))
    }

    /// Takes something out.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Cell<T>> {
        let slot = self.slots.pop(key)?;
        if let Some(bytes) = slot.bytes {
            self.total.remove(bytes);
            if let Some(held) = self.held.get_mut(&key.0) {
                held.weight.remove(bytes);
                held.digests.retain(|digest| *digest != key.1);
                if held.digests.is_empty() {
                    self.held.remove(&key.0);
                }
            }
        }
        Some(slot.cell)
    }

    /// Takes a cell out that nothing was loaded into.
    pub(super) fn failed(&mut self, key: &Key, cell: &Cell<T>) {
        if cell.get().is_none() && self.slots.peek(key).is_some_and(|slot| Arc::ptr_eq(&slot.cell, cell)) {
            self.slots.pop(key);
        }
    }

    /// Takes all of a tenant's out, also what is only on its way.
    pub(super) fn remove_tenant(&mut self, tenant: TenantId) -> Vec<Cell<T>> {
        let keys: Vec<Key> = self.slots.iter().map(|(key, _)| *key).filter(|(owner, _)| *owner == tenant).collect();
        keys.iter().filter_map(|key| self.remove(key)).collect()
    }

    /// Takes out what nobody used for so long, or a little longer.
    pub(super) fn idle(&mut self, now: Instant, idle: Duration) -> Vec<Cell<T>> {
        if self.moments.back().is_none_or(|(last, _)| now.saturating_duration_since(*last) >= idle / PARTS) {
            self.moments.push_back((now, self.uses));
        }
        let mut before = None;
        while let Some((moment, uses)) = self.moments.front().copied()
            && now.saturating_duration_since(moment) >= idle
        {
            self.moments.pop_front();
            before = Some(uses);
        }
        let Some(before) = before else { return Vec::new() };
        // The least recently used come first. One that is on its way stays with whoever loads it; one that nobody loads any
        // more goes as well.
        let mut idle = Vec::new();
        for (key, slot) in self.slots.iter().rev().take_while(|(_, slot)| slot.used <= before) {
            if slot.bytes.is_some() || Arc::strong_count(&slot.cell) == 1 {
                idle.push(*key);
            }
        }
        idle.iter().filter_map(|key| self.remove(key)).collect()
    }

    /// Takes out what weighs most, the tenant's first whose weigh most together, until that makes up for so much. What weighs
    /// nothing stays.
    pub(super) fn heaviest(&mut self, enough: u64, weigh: impl Fn(&T) -> u64) -> Vec<Cell<T>> {
        let weighed = self.slots.iter().filter_map(|(key, slot)| slot.cell.get().map(|loaded| (*key, weigh(loaded))));
        let mut weighed: Vec<_> = weighed.filter(|(_, weight)| *weight > 0).collect();
        let mut of_tenant: HashMap<TenantId, u64> = HashMap::new();
        for ((tenant, _), weight) in &weighed {
            *of_tenant.entry(*tenant).or_default() += weight;
        }
        weighed.sort_unstable_by_key(|(key, weight)| Reverse((of_tenant.get(&key.0).copied(), key.0, *weight)));
        let mut made_up = 0_u64;
        let gone = weighed.iter().take_while(|(_, weight)| {
            let more = made_up < enough;
            made_up = made_up.saturating_add(*weight);
            more
        });
        gone.filter_map(|(key, _)| self.remove(key)).collect()
    }

    /// Of one tenant, what is loaded or on its way.
    pub(super) fn count_of(&self, tenant: TenantId) -> u64 {
        self.slots.iter().filter(|((owner, _), _)| *owner == tenant).count() as u64
    }

    pub(super) fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// What is loaded.
    pub(super) fn total(&self) -> Weight {
        self.total
    }
}

#[cfg(test)]
mod tests;
