//! The ghost queue: fingerprints of keys that were evicted young. One that comes back soon was evicted too soon.

use std::collections::{HashMap, VecDeque};

/// Fingerprints in the order in which they came, up to a bound that is given with each new one.
#[derive(Debug, Default)]
pub(crate) struct Ghost {
    /// Fingerprint and the turn in which it came. A turn that the map does not confirm is void.
    queue: VecDeque<(u64, u64)>,
    turns: HashMap<u64, u64>,
    next_turn: u64,
}

impl Ghost {
    /// Remembers a fingerprint, and forgets the oldest beyond `limit`.
    pub(crate) fn remember(&mut self, fingerprint: u64, limit: usize) {
        self.next_turn += 1;
        self.turns.insert(fingerprint, self.next_turn);
        self.queue.push_back((fingerprint, self.next_turn));
        while self.queue.len() > limit {
            let Some((oldest, turn)) = self.queue.pop_front() else { break };
            if self.turns.get(&oldest) == Some(&turn) {
                self.turns.remove(&oldest);
            }
        }
    }

    /// Whether the fingerprint was there. It is not there afterwards.
    pub(crate) fn take(&mut self, fingerprint: u64) -> bool {
        self.turns.remove(&fingerprint).is_some()
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.queue.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_fingerprints_are_forgotten_beyond_the_bound() {
        let mut ghost = Ghost::default();
        (0..10).for_each(|fingerprint| ghost.remember(fingerprint, 4));
        assert_eq!(ghost.count(), 4);
        assert!(!ghost.take(5));
        assert!(ghost.take(6));
        assert!(!ghost.take(6), "a fingerprint is taken once");
    }

    #[test]
    fn a_fingerprint_that_comes_again_counts_from_then() {
        let mut ghost = Ghost::default();
        for fingerprint in [1, 2, 1, 3] {
            ghost.remember(fingerprint, 3);
        }
        assert!(ghost.take(1), "its first turn is void, and its second stands");
    }
}
