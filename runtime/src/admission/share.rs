//! What is held, and how much of the host that is for a tenant's weight. Whole numbers, so that ties are ties.

use std::num::NonZeroU64;

/// The whole host, in the parts that shares are counted in.
const WHOLE: u128 = 1 << 32;
/// Of this many parts of a host, one is kept for tenants that hold little.
const KEPT: u64 = 8;
/// Of this many parts of the memory, one at most counts as resident in slots that nobody uses: the rest of it is always
/// given out, so that what an earlier call left behind keeps nobody out.
const RESIDENT: u64 = 2;
/// While calls hold less than one of this many parts of the memory, what is resident beside them cannot keep one out.
const UNPRESSED: u64 = 4;
/// A tenant holds little below one of this many parts of its share.
const LITTLE: u128 = 2;
/// Larger than any weight, so that no share is rounded to nothing.
const FINER: u128 = 1 << 14;

/// Calls, and the memory that they may come to use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) calls: u64,
    pub(super) memory: u64,
}

impl Load {
    pub(super) fn add(&mut self, memory: u64) {
        self.calls += 1;
        self.memory = self.memory.saturating_add(memory);
    }

    pub(super) fn remove(&mut self, memory: u64) {
        self.calls = self.calls.saturating_sub(1);
        self.memory = self.memory.saturating_sub(memory);
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self { calls: self.calls + other.calls, memory: self.memory.saturating_add(other.memory) }
    }
}

/// What a host has for guests.
#[derive(Debug, Clone, Copy)]
pub(super) struct House {
    /// Calls that hold a place at once.
    pub(super) slots: u64,
    /// Bytes that they may come to use together.
    pub(super) memory: u64,
    /// Calls that wait for a place.
    pub(super) room: u64,
    /// Bytes that stay resident in slots that no call uses, beside what calls hold.
    pub(super) resident: u64,
}

impl House {
    /// Whether another call fits beside what is held.
    pub(super) fn fits(&self, held: Load, memory: u64) -> bool {
        self.has_room(held, memory, self.slots, 0)
    }

    /// Whether another call fits in so many slots, with so much of the memory left over. Where nobody holds anything, what is
    /// resident does not count: a call that may have the whole memory would never come in.
    fn has_room(&self, held: Load, memory: u64, slots: u64, left: u64) -> bool {
        let resident = if held.calls == 0 { 0 } else { self.resident.min(self.memory / RESIDENT) };
        let wanted = held.memory.saturating_add(memory).saturating_add(resident).saturating_add(left);
        held.calls < slots && wanted <= self.memory
    }

    /// Whether it must be known how much is resident, before a call of this memory comes in.
    pub(super) fn is_pressed(&self, held: Load, memory: u64) -> bool {
        held.memory.saturating_add(memory) > self.memory / UNPRESSED
    }

    /// Bytes that are resident in slots that nobody uses, beyond a quarter of the memory: what the host takes back.
    pub(super) fn excess(&self) -> u64 {
        self.resident.saturating_sub(self.memory / UNPRESSED)
    }

    /// Whether another call of a tenant that holds `ours` may come in, where `held` is held by all and the tenants that hold
    /// or wait for something have `weights` together. The last places are for those that hold little: what is lent is not
    /// taken back, so not everything is lent.
    pub(super) fn admits(&self, held: Load, ours: Load, memory: u64, weight: NonZeroU64, weights: u64) -> bool {
        if !self.fits(held, memory) {
            return false;
        }
        let kept_memory = Some(self.memory / KEPT).filter(|kept| *kept >= memory).unwrap_or(0);
        let lent = self.slots - self.slots / KEPT;
        self.has_room(held, memory, lent, kept_memory) || ours.calls == 0 || {
            let mut ours = ours;
            ours.add(memory);
            self.part(ours).saturating_mul(LITTLE * u128::from(weights)) <= WHOLE * u128::from(weight.get())
        }
    }

    /// How much of the host a load is, for a weight: by slots or by memory, whichever is more.
    pub(super) fn share(&self, load: Load, weight: NonZeroU64) -> u64 {
        u64::try_from(self.part(load).saturating_mul(FINER) / u128::from(weight.get())).unwrap_or(u64::MAX)
    }

    fn part(&self, load: Load) -> u128 {
        let part = |of: u64, whole: u64| u128::from(of) * WHOLE / u128::from(whole.max(1));
        part(load.calls, self.slots).max(part(load.memory, self.memory))
    }
}
