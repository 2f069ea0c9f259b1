//! What a component's calls may have left resident in the slots of the pool that they had: as many slots as it had calls at
//! once, each with what a call had of memory, as far as the pool keeps that.
//!
//! It is a bound, and never less than what is there: the engine counts the bytes of all slots, and not whose they are.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
pub(super) struct Residue {
    keeps: u64,
    at_once: AtomicU64,
    memory: AtomicU64,
}

impl Residue {
    /// Of a component of which the pool keeps so many bytes for each call, at most.
    pub(super) fn new(keeps: u64) -> Self {
        Self { keeps, at_once: AtomicU64::new(0), memory: AtomicU64::new(0) }
    }

    /// A call ends, of so many at once, which had so many bytes of memory.
    pub(super) fn note(&self, at_once: u64, memory: u64) {
        raise(&self.at_once, at_once);
        raise(&self.memory, memory.min(self.keeps));
    }

    /// The most that may be resident.
    pub(super) fn bytes(&self) -> u64 {
        self.at_once.load(Ordering::Relaxed).saturating_mul(self.memory.load(Ordering::Relaxed))
    }
}

/// Most calls raise nothing, and then write nothing that another processor reads.
fn raise(most: &AtomicU64, to: u64) {
    if most.load(Ordering::Relaxed) < to {
        most.fetch_max(to, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_may_have_left_what_it_had_at_its_busiest_and_never_more_than_the_pool_keeps() {
        let (small, large) = (Residue::new(16), Residue::new(16));
        small.note(3, 2);
        small.note(1, 4);
        large.note(5, 1_000);
        assert_eq!((small.bytes(), large.bytes(), Residue::new(16).bytes()), (12, 80, 0));
    }
}
