//! Which entry gives way: S3-FIFO's two queues and its ghost (see [`shard`](super::shard)).
//!
//! It never decides how much room there is, and never counts: it removes one entry after the other until asked no more.

use std::hash::BuildHasher;

use super::nodes::{Place, Queue};
use super::shard::{Shard, Tally, cost};

/// The small queue's share of the budget: a tenth.
const SMALL_PART: u64 = 10;

impl Shard {
    /// Evicts until no more than `target` bytes are held.
    pub(crate) fn shrink_to(&mut self, target: u64, now_ms: u64, budget: u64, tally: &mut Tally) {
        while self.bytes > target && self.reclaim_one(now_ms, budget, tally) {}
    }

    /// Removes one entry: one that can no longer be found, if there is any, else the one whose turn it is.
    pub(super) fn reclaim_one(&mut self, now_ms: u64, budget: u64, tally: &mut Tally) -> bool {
        match self.garbage.back() {
            Some(place) => self.remove(place).is_some(),
            None => self.evict_one(now_ms, budget, tally),
        }
    }

    /// S3-FIFO's eviction. Every turn removes an entry, moves one from small to main, or takes a read from one in main,
    /// so it ends, and what it walks over was paid for by puts and gets.
    fn evict_one(&mut self, now_ms: u64, budget: u64, tally: &mut Tally) -> bool {
        loop {
            let from_small = self.main.count() == 0 || self.small_bytes > budget / SMALL_PART;
            let queue = if from_small && self.small.count() > 0 { &self.small } else { &self.main };
            let Some(place) = queue.back() else { return false };
            let Some(node) = self.nodes.get_mut(place) else { return false };
            let expired = node.expires_ms <= now_ms;
            let stays = match node.queue {
                Queue::Small => node.reads > 1,
                Queue::Main => node.reads > 0,
            };
            if stays && !expired {
                self.pass_over(place);
                continue;
            }
            if expired {
                tally.expired += 1;
            } else {
                tally.evicted += 1;
                if node.queue == Queue::Small {
                    let fingerprint = self.hasher.hash_one(&node.key);
                    self.ghost.remember(fingerprint, self.index.len());
                }
            }
            return self.remove(place).is_some();
        }
    }

    /// Moves the oldest entry of a queue to the front of main: from small it starts anew, from main it loses a read.
    fn pass_over(&mut self, place: Place) {
        let Some(node) = self.nodes.get_mut(place) else { return };
        let cost = cost(&node.key, &node.value);
        match std::mem::replace(&mut node.queue, Queue::Main) {
            Queue::Small => {
                node.reads = 0;
                self.small.unlink(&mut self.nodes, place);
                self.small_bytes = self.small_bytes.saturating_sub(cost);
            }
            Queue::Main => {
                node.reads = node.reads.saturating_sub(1);
                self.main.unlink(&mut self.nodes, place);
            }
        }
        self.main.push_front(&mut self.nodes, place);
    }
}
