//! Which entry gives way: what was cleared, what is past its freshness, and then S3-FIFO's two queues and its ghost (see
//! [`shard`](super::shard)).
//!
//! It never decides how much room there is: it removes one entry after the other until asked no more.

use super::nodes::{Place, Queue};
use super::shard::{Shard, cost};
use super::tally::{CacheTally, Cause};

/// The small queue's share of the budget: a tenth.
const SMALL_PART: u64 = 10;

impl Shard {
    /// Evicts until no more than `target` bytes are held.
    pub(crate) fn shrink_to(&mut self, target: u64, now_ms: u64, budget: u64, tally: &mut CacheTally) {
        while self.bytes > target && self.reclaim_one(now_ms, budget, Cause::Budget, tally) {}
    }

    /// Removes one entry: the one whose turn it is.
    pub(super) fn reclaim_one(&mut self, now_ms: u64, budget: u64, cause: Cause, tally: &mut CacheTally) -> bool {
        if let Some(place) = self.namespaces.first_cleared() {
            return self.remove(place).is_some();
        }
        match self.faded.first().or_else(|| self.fresh.first_due(now_ms)) {
            Some(place) => self.give_way(place, now_ms, cause, tally),
            None => self.evict_one(now_ms, budget, cause, tally),
        }
    }

    /// Removes up to `steps` entries that nobody is given any more; answers whether there may be others.
    pub(crate) fn sweep(&mut self, now_ms: u64, steps: usize, tally: &mut CacheTally) -> bool {
        for _ in 0..steps {
            if let Some(place) = self.namespaces.first_cleared().or_else(|| self.faded.first_due(now_ms)) {
                let is_live = self.nodes.get(place).is_some_and(|node| self.namespaces.has(node));
                tally.expired += u64::from(is_live);
                self.remove(place);
            } else if let Some(place) = self.fresh.first_due(now_ms) {
                self.fade(place);
            } else {
                return false;
            }
        }
        true
    }

    /// Files an entry by the end of its staleness.
    fn fade(&mut self, place: Place) {
        self.fresh.strike(&mut self.nodes, place);
        if let Some(node) = self.nodes.get_mut(place) {
            node.fade();
        }
        self.faded.file(&mut self.nodes, place);
    }

    /// S3-FIFO's eviction. Every turn removes an entry, moves one from small to main, or takes a read from one in main,
    /// so it ends, and what it walks over was paid for by puts and gets.
    fn evict_one(&mut self, now_ms: u64, budget: u64, cause: Cause, tally: &mut CacheTally) -> bool {
        loop {
            let from_small = self.main.count() == 0 || self.small_bytes > budget / SMALL_PART;
            let queue = if from_small && self.small.count() > 0 { &self.small } else { &self.main };
            let Some(place) = queue.back() else { return false };
            let Some(node) = self.nodes.get(place) else { return false };
            let stays = match node.queue {
                Queue::Small => node.reads > 1,
                Queue::Main => node.reads > 0,
            };
            if stays && node.is_fresh(now_ms) {
                self.pass_over(place);
                continue;
            }
            if node.queue == Queue::Small && node.is_fresh(now_ms) {
                self.ghost.remember(node.hash);
            }
            return self.give_way(place, now_ms, cause, tally);
        }
    }

    /// Removes an entry, and counts why.
    fn give_way(&mut self, place: Place, now_ms: u64, cause: Cause, tally: &mut CacheTally) -> bool {
        let Some(node) = self.remove(place) else { return false };
        self.ghost.limit_to(self.held_entries());
        if node.is_over(now_ms) {
            tally.expired += 1;
        } else {
            tally.evict(cause);
        }
        true
    }

    /// Moves the oldest entry of a queue to the front of main: from small it starts anew, from main it loses a read.
    fn pass_over(&mut self, place: Place) {
        let Some(node) = self.nodes.get_mut(place) else { return };
        let cost = cost(&node.record);
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
