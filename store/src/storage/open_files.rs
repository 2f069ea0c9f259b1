//! The bounded set of open storage files (B1): the least recently used one that nobody uses gives way.
//!
//! It takes slots in and tells them to close; it never hands one out, so no tenant's storage can reach another's
//! through it (T4).

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use insula_tenancy::TenantId;
use parking_lot::Mutex;

use super::slot::Slot;

/// Every slot whose file is open, or was a moment ago.
pub(crate) struct OpenFiles {
    slots: Mutex<HashMap<TenantId, Arc<Slot>>>,
    capacity: NonZeroUsize,
    clock: AtomicU64,
}

impl OpenFiles {
    pub(crate) fn new(capacity: NonZeroUsize) -> Self {
        Self { slots: Mutex::new(HashMap::new()), capacity, clock: AtomicU64::new(1) }
    }

    /// Notes that a slot's open file was used.
    pub(crate) fn touch(&self, slot: &Slot) {
        slot.touch(self.clock.fetch_add(1, Ordering::Relaxed));
    }

    /// Takes a slot in whose file was just opened, and closes others for room. Blocks on the disk.
    ///
    /// Files in use are never closed, so the set can exceed its bound by as many as are in use at once; those are
    /// bounded by the host's permits for disk work and its guest threads.
    pub(crate) fn admit(&self, slot: &Arc<Slot>) {
        self.touch(slot);
        let mut excess = {
            let mut slots = self.slots.lock();
            slots.insert(slot.home().tenant(), Arc::clone(slot));
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
                slots.insert(slot.home().tenant(), slot);
            }
        }
    }

    fn take_oldest_but(&self, kept: &Arc<Slot>) -> Option<Arc<Slot>> {
        let mut slots = self.slots.lock();
        let others = slots.iter().filter(|(_, slot)| !Arc::ptr_eq(slot, kept));
        let oldest = others.min_by_key(|(_, slot)| slot.last_used()).map(|(tenant, _)| *tenant)?;
        slots.remove(&oldest)
    }

    /// Forgets a slot whose file is closed for other reasons.
    pub(crate) fn forget(&self, slot: &Slot) {
        self.slots.lock().remove(&slot.home().tenant());
    }

    /// How many files are open.
    pub(crate) fn count(&self) -> usize {
        self.slots.lock().values().filter(|slot| slot.is_open()).count()
    }
}
