//! The bounded set of open volumes (B1): the least recently used one that nobody uses gives way.
//!
//! It takes slots in and tells them to close; it never hands one out, so no tenant's storage can reach another's
//! through it (T4).

use std::collections::HashMap;
use std::num::NonZeroUsize;

use super::slot::{Slot, Source};
use super::sync::{Arc, AtomicU64, Mutex, Ordering};

/// Every slot whose volume is open, or was a moment ago, by where it lies in memory.
pub(crate) struct OpenFiles<S: Source> {
    slots: Mutex<HashMap<usize, Arc<Slot<S>>>>,
    capacity: NonZeroUsize,
    clock: AtomicU64,
}

fn key<S: Source>(slot: &Arc<Slot<S>>) -> usize {
    Arc::as_ptr(slot).addr()
}

impl<S: Source> OpenFiles<S> {
    pub(crate) fn new(capacity: NonZeroUsize) -> Self {
        Self { slots: Mutex::new(HashMap::new()), capacity, clock: AtomicU64::new(1) }
    }

    /// Notes that a slot's open volume was used.
    pub(crate) fn touch(&self, slot: &Slot<S>) {
        slot.touch(self.clock.fetch_add(1, Ordering::Relaxed));
    }

    /// Takes a slot in whose volume was just opened, and closes others for room. Blocks on the disk.
    ///
    /// Volumes in use are never closed, so the set can exceed its bound by as many as are in use at once; those are
    /// bounded by the host's permits for disk work and its guest threads.
    pub(crate) fn admit(&self, slot: &Arc<Slot<S>>) {
        self.touch(slot);
        let mut excess = {
            let mut slots = self.slots.lock();
            slots.insert(key(slot), Arc::clone(slot));
            slots.len().saturating_sub(self.capacity.get())
        };
        let mut busy = Vec::new();
        while excess > 0 {
            let Some(victim) = self.take_oldest_but(slot) else { break };
            // The set's lock is not held here: closing writes to the disk.
            if victim.close_if_idle() {
                excess -= 1;
            } else {
                busy.push(victim);
            }
        }
        if !busy.is_empty() {
            let mut slots = self.slots.lock();
            for slot in busy {
                slots.insert(key(&slot), slot);
            }
        }
    }

    fn take_oldest_but(&self, kept: &Arc<Slot<S>>) -> Option<Arc<Slot<S>>> {
        let mut slots = self.slots.lock();
        let others = slots.iter().filter(|(_, slot)| !Arc::ptr_eq(slot, kept));
        let oldest = others.min_by_key(|(_, slot)| slot.last_used()).map(|(key, _)| *key)?;
        slots.remove(&oldest)
    }

    /// Forgets a slot whose volume is closed for other reasons.
    pub(crate) fn forget(&self, slot: &Arc<Slot<S>>) {
        self.slots.lock().remove(&key(slot));
    }

    /// How many volumes are open.
    pub(crate) fn count(&self) -> usize {
        self.slots.lock().values().filter(|slot| slot.is_open()).count()
    }
}
