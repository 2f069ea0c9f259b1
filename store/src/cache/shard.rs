//! One tenant's entries, evicted by S3-FIFO: a small queue for newcomers, a main queue for what was read again, and a
//! ghost queue of fingerprints (Yang, Zhang, Qiu, Yue, Rashmi: "FIFO queues are all you need for cache eviction",
//! SOSP 2023).
//!
//! Bytes are counted before an entry is in, overhead included, and the budget is never exceeded. What was cleared is never
//! found again, and gives way first; then what is past its freshness, in the order in which its time comes to an end; and
//! only then what is fresh.

use std::sync::Arc;

use hashbrown::HashTable;

use super::SPARSE;
use super::agenda::Agenda;
use super::ceiling::Ceiling;
use super::ghost::Ghost;
use super::list::List;
use super::name::Name;
use super::namespaces::Namespaces;
use super::nodes::{Link, NewEntry, Node, Nodes, Place, Queue, Version};
use super::record::Record;
use super::tally::{CacheTally, Cause};

/// What an entry is counted with beyond its namespace, key and value, in bytes: its node, its part of the index and of
/// the ghost queue, and the allocator's own, with room for growing.
pub(crate) const OVERHEAD: u64 = 320;
/// The most reads that an entry is credited with.
const READS_LIMIT: u8 = 3;

/// One tenant's shard.
#[derive(Debug)]
pub(crate) struct Shard {
    ceiling: Arc<Ceiling>,
    pub(super) index: HashTable<Place>,
    pub(super) nodes: Nodes,
    pub(super) small: List,
    pub(super) main: List,
    pub(super) small_bytes: u64,
    pub(super) namespaces: Namespaces,
    /// Entries by the end of their freshness, as far as that is not known to be over.
    pub(super) fresh: Agenda,
    /// Entries by the end of their staleness.
    pub(super) faded: Agenda,
    pub(super) ghost: Ghost,
    pub(super) bytes: u64,
}

/// What a read finds.
#[derive(Debug)]
pub(crate) enum Found {
    Fresh(Record),
    Stale(Record),
    Nothing,
}

pub(super) fn cost(record: &Record) -> u64 {
    record.size().saturating_add(OVERHEAD)
}

impl Shard {
    pub(crate) fn new(ceiling: Arc<Ceiling>) -> Self {
        Self {
            ceiling,
            index: HashTable::new(),
            nodes: Nodes::default(),
            small: List::new(Link::Queue),
            main: List::new(Link::Queue),
            small_bytes: 0,
            namespaces: Namespaces::new(),
            fresh: Agenda::default(),
            faded: Agenda::default(),
            ghost: Ghost::default(),
            bytes: 0,
        }
    }

    /// Entries that can be found.
    pub(crate) fn entries(&self) -> usize {
        self.held_entries().saturating_sub(self.namespaces.cleared().0)
    }

    /// Bytes of entries that can be found.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.saturating_sub(self.namespaces.cleared().1)
    }

    pub(super) fn held_entries(&self) -> usize {
        self.index.len()
    }

    /// Bytes of all entries, those that wait to give way included: what the budget and the ceiling are held against.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Reads an entry, as one version sees it. One whose time is over is removed.
    pub(crate) fn read(&mut self, name: &Name<'_>, version: &Version, now_ms: u64, tally: &mut CacheTally) -> Found {
        let Some(place) = self.place(name) else { return Found::Nothing };
        let Some(node) = self.nodes.get_mut(place) else { return Found::Nothing };
        let is_live = self.namespaces.has(node);
        if !is_live || node.is_over(now_ms) {
            tally.expired += u64::from(is_live);
            self.remove(place);
            return Found::Nothing;
        }
        if node.tied_to.is_some_and(|only| only != *version) {
            return Found::Nothing;
        }
        if !node.is_fresh(now_ms) {
            return Found::Stale(node.record.clone());
        }
        node.reads = node.reads.saturating_add(1).min(READS_LIMIT);
        Found::Fresh(node.record.clone())
    }

    fn place(&self, name: &Name<'_>) -> Option<Place> {
        let is_it = |place: &Place| self.nodes.get(*place).is_some_and(|node| name.is(node.record.name()));
        self.index.find(name.hash, is_it).copied()
    }

    /// Puts an entry, evicting others for room. One that finds no room under the host's ceiling, even with the shard
    /// empty, is evicted at once; what it replaced is gone either way.
    pub(crate) fn put(&mut self, entry: NewEntry, now_ms: u64, budget: u64, tally: &mut CacheTally) {
        let replaced = self.take(&Name::decode(entry.record.name(), entry.hash), now_ms, tally);
        let cost = cost(&entry.record);
        if cost > budget {
            tally.evict(Cause::Budget);
            return;
        }
        self.shrink_to(budget - cost, now_ms, budget, tally);
        if !self.take_room(cost, now_ms, budget, tally) {
            tally.evict(Cause::Ceiling);
            return;
        }
        // What was read again, or comes back soon after it was evicted, is no newcomer.
        let returned = self.ghost.take(entry.hash);
        let in_main = returned || replaced.as_ref().is_some_and(|node| node.queue == Queue::Main);
        let reads = replaced.map_or(0, |node| node.reads.saturating_add(1).min(READS_LIMIT));
        let queue = if in_main { Queue::Main } else { Queue::Small };
        self.insert(Node::new(entry, now_ms, queue, reads), cost);
    }

    fn take_room(&mut self, cost: u64, now_ms: u64, budget: u64, tally: &mut CacheTally) -> bool {
        while !self.ceiling.try_take(cost) {
            if !self.reclaim_one(now_ms, budget, Cause::Ceiling, tally) {
                return false;
            }
        }
        true
    }

    /// Puts an entry, for which room was taken, into everything.
    fn insert(&mut self, node: Node, cost: u64) {
        let (record, hash, queue) = (node.record.clone(), node.hash, node.queue);
        let Some(place) = self.nodes.insert(node) else {
            self.ceiling.give_back(cost);
            return;
        };
        let namespace = Name::decode(record.name(), hash).namespace;
        self.namespaces.enter(&mut self.nodes, namespace, place, cost);
        match queue {
            Queue::Small => {
                self.small.push_front(&mut self.nodes, place);
                self.small_bytes += cost;
            }
            Queue::Main => self.main.push_front(&mut self.nodes, place),
        }
        self.fresh.file(&mut self.nodes, place);
        self.bytes += cost;
        let nodes = &self.nodes;
        self.index.insert_unique(hash, place, |place| nodes.get(*place).map_or(0, |node| node.hash));
    }

    /// Forgets one entry.
    pub(crate) fn delete(&mut self, name: &Name<'_>, now_ms: u64, tally: &mut CacheTally) {
        self.take(name, now_ms, tally);
    }

    /// Removes the entry of a name, and counts why it went; `None` when it was not there or was cleared.
    fn take(&mut self, name: &Name<'_>, now_ms: u64, tally: &mut CacheTally) -> Option<Node> {
        let node = self.place(name).and_then(|place| self.nodes.get(place).map(|node| (place, node)));
        let (place, node) = node?;
        let (is_live, is_over) = (self.namespaces.has(node), node.is_over(now_ms));
        let node = self.remove(place);
        if !is_live {
            return None;
        }
        if is_over {
            tally.expired += 1;
        } else {
            tally.removed += 1;
        }
        node
    }

    /// Ends the present life of a namespace.
    pub(crate) fn clear(&mut self, namespace: &[u8], tally: &mut CacheTally) {
        tally.removed += self.namespaces.clear(&mut self.nodes, namespace) as u64;
    }

    /// Takes an entry out of everything, and gives its room back. Another entry may have another place after it.
    pub(super) fn remove(&mut self, place: Place) -> Option<Node> {
        let node = self.nodes.get(place)?;
        let (queue, faded, hash, cost) = (node.queue, node.faded, node.hash, cost(&node.record));
        match queue {
            Queue::Small => {
                self.small.unlink(&mut self.nodes, place);
                self.small_bytes = self.small_bytes.saturating_sub(cost);
            }
            Queue::Main => self.main.unlink(&mut self.nodes, place),
        }
        self.namespaces.leave(&mut self.nodes, place, cost);
        let agenda = if faded { &mut self.faded } else { &mut self.fresh };
        agenda.strike(&mut self.nodes, place);
        if let Ok(entry) = self.index.find_entry(hash, |found| *found == place) {
            entry.remove();
        }
        self.bytes = self.bytes.saturating_sub(cost);
        self.ceiling.give_back(cost);
        let (node, moved) = self.nodes.remove(place)?;
        if let Some(from) = moved {
            self.moved(from, place);
        }
        self.shrink_index();
        Some(node)
    }

    /// Tells everyone who knows an entry by its place of another one.
    fn moved(&mut self, from: Place, place: Place) {
        let Some(node) = self.nodes.get(place) else { return };
        let (queue, faded, hash) = (node.queue, node.faded, node.hash);
        let list = if queue == Queue::Small { &mut self.small } else { &mut self.main };
        list.moved(&mut self.nodes, place);
        self.namespaces.moved(&mut self.nodes, place);
        let agenda = if faded { &mut self.faded } else { &mut self.fresh };
        agenda.moved(&mut self.nodes, place);
        if let Some(found) = self.index.find_mut(hash, |found| *found == from) {
            *found = place;
        }
    }

    fn shrink_index(&mut self) {
        let count = self.index.len();
        if count < self.index.capacity() / SPARSE {
            let nodes = &self.nodes;
            self.index.shrink_to(count + count / SPARSE, |place| nodes.get(*place).map_or(0, |node| node.hash));
        }
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        self.ceiling.give_back(self.bytes);
    }
}
