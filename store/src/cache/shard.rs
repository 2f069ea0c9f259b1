//! One tenant's entries, evicted by S3-FIFO: a small queue for newcomers, a main queue for what was read again, and a
//! ghost queue of fingerprints (Yang, Zhang, Qiu, Yue, Rashmi: "FIFO queues are all you need for cache eviction",
//! SOSP 2023).
//!
//! Bytes are counted before an entry is in, overhead included, and the budget is never exceeded. Clearing a namespace
//! detaches its group of entries in one step, whatever their number; what was detached is never found again, and is the
//! first to give way when room is wanted.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::ceiling::Ceiling;
use super::ghost::Ghost;
use super::nodes::{Link, List, Node, Nodes, Place, Queue};

/// What an entry is counted with beyond its namespace, key and value, in bytes: its node, its part of the index and of
/// the ghost queue, and the allocator's own, with room for growing by doubling.
pub(crate) const OVERHEAD: u64 = 256;
/// The most reads that an entry is credited with.
const READS_LIMIT: u8 = 3;
/// The room for entries that an empty index keeps.
const IDLE_CAPACITY: usize = 1_024;

/// What happened since the shard came into being.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) evicted: u64,
    pub(crate) expired: u64,
}

/// The entries of one namespace, in its present life.
struct Namespace {
    generation: u64,
    group: List,
    bytes: u64,
}

/// A value to be put, with its key encoded.
pub(crate) struct NewEntry {
    pub(crate) key: Arc<[u8]>,
    pub(crate) value: Box<[u8]>,
    pub(crate) expires_ms: u64,
}

/// One tenant's shard.
pub(crate) struct Shard {
    ceiling: Arc<Ceiling>,
    pub(super) hasher: RandomState,
    pub(super) index: HashMap<Arc<[u8]>, Place>,
    pub(super) nodes: Nodes,
    pub(super) small: List,
    pub(super) main: List,
    pub(super) small_bytes: u64,
    /// Namespaces that have entries, and no others: their number is bounded by the entries'.
    namespaces: HashMap<Box<[u8]>, Namespace>,
    last_generation: u64,
    /// Entries of lives that are over.
    pub(super) garbage: List,
    garbage_bytes: u64,
    pub(super) ghost: Ghost,
    pub(super) bytes: u64,
}

/// A key in the index: the length of the namespace (one byte), the namespace, the key.
pub(crate) fn encode(namespace: &str, key: &str) -> Arc<[u8]> {
    let length = u8::try_from(namespace.len()).unwrap_or(u8::MAX);
    let parts = [&[length], namespace.as_bytes(), key.as_bytes()];
    parts.concat().into()
}

fn namespace_of(key: &[u8]) -> &[u8] {
    let parts = key.split_first().and_then(|(length, rest)| rest.split_at_checked(usize::from(*length)));
    parts.map_or(&[], |(namespace, _)| namespace)
}

pub(super) fn cost(key: &[u8], value: &[u8]) -> u64 {
    (key.len() as u64).saturating_sub(1).saturating_add(value.len() as u64).saturating_add(OVERHEAD)
}

impl Shard {
    pub(crate) fn new(ceiling: Arc<Ceiling>) -> Self {
        Self {
            ceiling,
            hasher: RandomState::new(),
            index: HashMap::new(),
            nodes: Nodes::default(),
            small: List::new(Link::Queue),
            main: List::new(Link::Queue),
            small_bytes: 0,
            namespaces: HashMap::new(),
            last_generation: 0,
            garbage: List::new(Link::Group),
            garbage_bytes: 0,
            ghost: Ghost::default(),
            bytes: 0,
        }
    }

    /// Entries that can be found.
    pub(crate) fn entries(&self) -> usize {
        self.index.len().saturating_sub(self.garbage.count())
    }

    /// Bytes of entries that can be found.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.saturating_sub(self.garbage_bytes)
    }

    /// Bytes of all entries, those that wait to give way included: what the budget and the ceiling are held against.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn get(&mut self, key: &[u8], now_ms: u64, tally: &mut Tally) -> Option<Arc<Box<[u8]>>> {
        let found = self.find(key, now_ms, tally);
        let node = found.and_then(|place| self.nodes.get_mut(place));
        if let Some(node) = node {
            tally.hits += 1;
            node.reads = node.reads.saturating_add(1).min(READS_LIMIT);
            Some(Arc::clone(&node.value))
        } else {
            tally.misses += 1;
            None
        }
    }

    /// The place of an entry that is alive; one that is not is removed.
    fn find(&mut self, key: &[u8], now_ms: u64, tally: &mut Tally) -> Option<Place> {
        let place = *self.index.get(key)?;
        let node = self.nodes.get(place)?;
        let expired = node.expires_ms <= now_ms;
        if expired || !self.is_live(node) {
            tally.expired += u64::from(expired && self.is_live(node));
            self.remove(place);
            return None;
        }
        Some(place)
    }

    fn is_live(&self, node: &Node) -> bool {
        let namespace = self.namespaces.get(namespace_of(&node.key));
        namespace.is_some_and(|namespace| namespace.generation == node.generation)
    }

    /// Puts an entry, evicting others for room. One that finds no room under the host's ceiling, even with the shard
    /// empty, is evicted at once; what it replaced is gone either way.
    pub(crate) fn put(&mut self, entry: NewEntry, now_ms: u64, budget: u64, tally: &mut Tally) {
        let replaced = self.find(&entry.key, now_ms, tally).and_then(|place| self.remove(place));
        let cost = cost(&entry.key, &entry.value);
        let fingerprint = self.hasher.hash_one(&entry.key);
        let room = cost <= budget && {
            self.shrink_to(budget - cost, now_ms, budget, tally);
            self.take_room(cost, now_ms, budget, tally)
        };
        if !room {
            tally.evicted += 1;
            return;
        }
        // What was read again, or comes back soon after it was evicted, is no newcomer.
        let returned = self.ghost.take(fingerprint);
        let in_main = returned || replaced.as_ref().is_some_and(|node| node.queue == Queue::Main);
        let reads = replaced.map_or(0, |node| node.reads.saturating_add(1).min(READS_LIMIT));
        self.insert(entry, if in_main { Queue::Main } else { Queue::Small }, reads, cost);
    }

    fn take_room(&mut self, cost: u64, now_ms: u64, budget: u64, tally: &mut Tally) -> bool {
        while !self.ceiling.try_take(cost) {
            if !self.reclaim_one(now_ms, budget, tally) {
                return false;
            }
        }
        true
    }

    fn insert(&mut self, entry: NewEntry, queue: Queue, reads: u8, cost: u64) {
        let namespace = namespace_of(&entry.key);
        if !self.namespaces.contains_key(namespace) {
            self.last_generation += 1;
            let life = Namespace { generation: self.last_generation, group: List::new(Link::Group), bytes: 0 };
            self.namespaces.insert(namespace.into(), life);
        }
        let Some(life) = self.namespaces.get_mut(namespace) else { return };
        let mut node = Node::new(Arc::clone(&entry.key), entry.value, entry.expires_ms, life.generation, queue);
        node.reads = reads;
        let Some(place) = self.nodes.insert(node) else {
            self.ceiling.give_back(cost);
            return;
        };
        life.group.push_front(&mut self.nodes, place);
        life.bytes += cost;
        match queue {
            Queue::Small => {
                self.small.push_front(&mut self.nodes, place);
                self.small_bytes += cost;
            }
            Queue::Main => self.main.push_front(&mut self.nodes, place),
        }
        self.bytes += cost;
        self.index.insert(entry.key, place);
    }

    pub(crate) fn delete(&mut self, key: &[u8]) {
        if let Some(place) = self.index.get(key).copied() {
            self.remove(place);
        }
    }

    /// Ends the present life of a namespace.
    pub(crate) fn clear(&mut self, namespace: &[u8]) {
        if let Some(life) = self.namespaces.remove(namespace) {
            self.garbage_bytes += life.bytes;
            self.garbage.append(&mut self.nodes, life.group);
        }
    }

    /// Takes an entry out of everything, and gives its room back.
    pub(super) fn remove(&mut self, place: Place) -> Option<Node> {
        let node = self.nodes.get(place)?;
        let (queue, live, cost) = (node.queue, self.is_live(node), cost(&node.key, &node.value));
        let namespace = Arc::clone(&node.key);
        let namespace = namespace_of(&namespace);
        match queue {
            Queue::Small => {
                self.small.unlink(&mut self.nodes, place);
                self.small_bytes = self.small_bytes.saturating_sub(cost);
            }
            Queue::Main => self.main.unlink(&mut self.nodes, place),
        }
        match self.namespaces.get_mut(namespace) {
            Some(life) if live => {
                life.group.unlink(&mut self.nodes, place);
                life.bytes = life.bytes.saturating_sub(cost);
                if life.group.count() == 0 {
                    self.namespaces.remove(namespace);
                }
            }
            _ => {
                self.garbage.unlink(&mut self.nodes, place);
                self.garbage_bytes = self.garbage_bytes.saturating_sub(cost);
            }
        }
        let node = self.nodes.remove(place)?;
        self.index.remove(&node.key);
        if self.index.is_empty() && self.index.capacity() > IDLE_CAPACITY {
            self.index = HashMap::new();
        }
        self.bytes = self.bytes.saturating_sub(cost);
        self.ceiling.give_back(cost);
        Some(node)
    }

    #[cfg(test)]
    pub(crate) fn ghosts(&self) -> usize {
        self.ghost.count()
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        self.ceiling.give_back(self.bytes);
    }
}
