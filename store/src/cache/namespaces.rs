//! Namespaces, in their present lives: the group of entries of each, so that one step empties it, whatever their number.
//!
//! Only namespaces that have entries are here, so that their number is bounded by the entries'; a namespace's name is its
//! entries' own. An entry knows the life that it was put in; when that is not there any more, it was cleared.

use std::hash::{BuildHasher as _, RandomState};

use hashbrown::HashTable;

use super::SPARSE;
use super::list::List;
use super::name::Name;
use super::nodes::{Link, Node, Nodes, Place};

/// Which life of which namespace: half a hash of its name, and a number. Taken for another's, which is most improbable, it
/// would bring a tenant an entry that it cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LifeId {
    tag: u32,
    number: u32,
}

#[derive(Debug)]
struct Life {
    id: LifeId,
    group: List,
    bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Namespaces {
    secret: RandomState,
    /// By their tags.
    lives: HashTable<Life>,
    last_number: u32,
    /// Entries of lives that are over: they wait to give way.
    cleared: List,
    cleared_bytes: u64,
}

/// A tag, spread over all bits again.
fn spread(tag: u32) -> u64 {
    u64::from(tag).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Namespaces {
    pub(crate) fn new() -> Self {
        Self {
            secret: RandomState::new(),
            lives: HashTable::new(),
            last_number: 0,
            cleared: List::new(Link::Group),
            cleared_bytes: 0,
        }
    }

    fn tag(&self, namespace: &[u8]) -> u32 {
        u32::try_from(self.secret.hash_one(namespace) >> u32::BITS).unwrap_or_default()
    }

    fn life(&mut self, id: LifeId) -> Option<&mut Life> {
        self.lives.find_mut(spread(id.tag), |life| life.id == id)
    }

    /// Whether an entry can still be found by its namespace.
    pub(crate) fn has(&self, node: &Node) -> bool {
        self.lives.find(spread(node.life.tag), |life| life.id == node.life).is_some()
    }

    /// The present life of a namespace that has entries.
    fn find(&self, nodes: &Nodes, namespace: &[u8], tag: u32) -> Option<LifeId> {
        let is_it = |life: &Life| {
            let first = life.group.back().and_then(|place| nodes.get(place));
            first.is_some_and(|node| Name::decode(node.record.name(), 0).namespace == namespace)
        };
        self.lives.find(spread(tag), is_it).map(|life| life.id)
    }

    /// Adds an entry to the present life of a namespace, which may begin with it.
    pub(crate) fn enter(&mut self, nodes: &mut Nodes, namespace: &[u8], place: Place, cost: u64) {
        let tag = self.tag(namespace);
        let id = self.find(nodes, namespace, tag).unwrap_or_else(|| self.begin(tag));
        let (Some(life), Some(node)) = (self.life(id), nodes.get_mut(place)) else { return };
        node.life = id;
        life.group.push_front(nodes, place);
        life.bytes += cost;
    }

    fn begin(&mut self, tag: u32) -> LifeId {
        self.last_number = self.last_number.wrapping_add(1);
        let id = LifeId { tag, number: self.last_number };
        let life = Life { id, group: List::new(Link::Group), bytes: 0 };
        self.lives.insert_unique(spread(tag), life, |life| spread(life.id.tag));
        id
    }

    /// Takes an entry out of its life, which may end with it, or out of those that were cleared.
    pub(crate) fn leave(&mut self, nodes: &mut Nodes, place: Place, cost: u64) {
        let Some(id) = nodes.get(place).map(|node| node.life) else { return };
        match self.life(id) {
            Some(life) => {
                life.group.unlink(nodes, place);
                life.bytes = life.bytes.saturating_sub(cost);
                if life.group.count() == 0 {
                    self.end(id);
                }
            }
            None => {
                self.cleared.unlink(nodes, place);
                self.cleared_bytes = self.cleared_bytes.saturating_sub(cost);
            }
        }
    }

    /// An entry has another place now.
    pub(crate) fn moved(&mut self, nodes: &mut Nodes, place: Place) {
        let Some(id) = nodes.get(place).map(|node| node.life) else { return };
        match self.life(id) {
            Some(life) => life.group.moved(nodes, place),
            None => self.cleared.moved(nodes, place),
        }
    }

    fn end(&mut self, id: LifeId) -> Option<Life> {
        let (life, _) = self.lives.find_entry(spread(id.tag), |life| life.id == id).ok()?.remove();
        let count = self.lives.len();
        if count < self.lives.capacity() / SPARSE {
            self.lives.shrink_to(count + count / SPARSE, |life| spread(life.id.tag));
        }
        Some(life)
    }

    /// Ends the present life of a namespace; answers how many entries it had.
    pub(crate) fn clear(&mut self, nodes: &mut Nodes, namespace: &[u8]) -> usize {
        let id = self.find(nodes, namespace, self.tag(namespace));
        let Some(life) = id.and_then(|id| self.end(id)) else { return 0 };
        let count = life.group.count();
        self.cleared_bytes += life.bytes;
        self.cleared.append(nodes, life.group);
        count
    }

    /// An entry that was cleared and is still held.
    pub(crate) fn first_cleared(&self) -> Option<Place> {
        self.cleared.back()
    }

    /// Entries that were cleared and are still held, and their bytes.
    pub(crate) fn cleared(&self) -> (usize, u64) {
        (self.cleared.count(), self.cleared_bytes)
    }
}

#[cfg(test)]
impl Namespaces {
    /// The groups of all lives, and what was cleared.
    pub(crate) fn lists(&self) -> impl Iterator<Item = &List> {
        self.lives.iter().map(|life| &life.group).chain([&self.cleared])
    }

    pub(crate) fn allocation_size(&self) -> usize {
        self.lives.allocation_size()
    }
}
