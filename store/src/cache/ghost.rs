//! The ghost queue: fingerprints of keys that were evicted young. One that comes back soon was evicted too soon.

use std::collections::{HashMap, VecDeque};

use super::SPARSE;

/// Fingerprints in the order in which they came, up to a bound that is given from outside. Half a hash is enough: one
/// that is taken for another's costs an entry its place in a queue, and no more.
#[derive(Debug, Default)]
pub(crate) struct Ghost {
    /// Fingerprint and the turn in which it came. A turn that the map does not confirm is void.
    queue: VecDeque<(u32, u32)>,
    turns: HashMap<u32, u32>,
    next_turn: u32,
}

fn fingerprint(hash: u64) -> u32 {
    u32::try_from(hash >> u32::BITS).unwrap_or_default()
}

impl Ghost {
    /// Remembers a key by its hash.
    pub(crate) fn remember(&mut self, hash: u64) {
        let fingerprint = fingerprint(hash);
        self.next_turn = self.next_turn.wrapping_add(1);
        self.turns.insert(fingerprint, self.next_turn);
        self.queue.push_back((fingerprint, self.next_turn));
    }

    /// Forgets the oldest beyond `limit`, and gives back room that is far more than that.
    pub(crate) fn limit_to(&mut self, limit: usize) {
        while self.queue.len() > limit {
            let Some((oldest, turn)) = self.queue.pop_front() else { break };
            if self.turns.get(&oldest) == Some(&turn) {
                self.turns.remove(&oldest);
            }
        }
        let count = self.queue.len();
        if self.queue.capacity() > SPARSE * count.max(SPARSE) {
            self.queue.shrink_to(count + count / SPARSE);
            self.turns.shrink_to(count + count / SPARSE);
        }
    }

    /// Whether the key was there. It is not there afterwards.
    pub(crate) fn take(&mut self, hash: u64) -> bool {
        self.turns.remove(&fingerprint(hash)).is_some()
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.queue.len()
    }

    #[cfg(test)]
    pub(crate) fn allocation_size(&self) -> usize {
        // A table has up to twice the places that it has room for, and a byte for each.
        self.queue.capacity() * size_of::<(u32, u32)>() + self.turns.capacity() * 2 * (size_of::<(u32, u32)>() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hash with a fingerprint of its own.
    fn hash(number: u64) -> u64 {
        number << u32::BITS
    }

    #[test]
    fn the_oldest_fingerprints_are_forgotten_beyond_the_bound() {
        let mut ghost = Ghost::default();
        (0..10).for_each(|number| ghost.remember(hash(number)));
        ghost.limit_to(4);
        assert_eq!(ghost.count(), 4);
        assert!(!ghost.take(hash(5)));
        assert!(ghost.take(hash(6)));
        assert!(!ghost.take(hash(6)), "a fingerprint is taken once");
    }

    #[test]
    fn a_fingerprint_that_comes_again_counts_from_then() {
        let mut ghost = Ghost::default();
        for number in [1, 2, 1, 3] {
            ghost.remember(hash(number));
            ghost.limit_to(3);
        }
        assert!(ghost.take(hash(1)), "its first turn is void, and its second stands");
    }
}
