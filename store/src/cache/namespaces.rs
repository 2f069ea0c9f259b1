//! Namespaces, in their present lives: the group of entries of each, so that one step empties it, whatever their number.
//!
//! Only namespaces that have entries are here, so that their number is bounded by the entries'. An entry knows the slot of
//! its namespace and which life of the slot it was put in; when that is not the present one, it was cleared.

use std::collections::HashMap;
use std::sync::Arc;

use super::nodes::{Link, List, Node, Nodes, Place};

#[derive(Debug)]
struct Life {
    name: Arc<[u8]>,
    generation: u64,
    group: List,
    bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Namespaces {
    names: HashMap<Arc<[u8]>, u32>,
    slots: Vec<Option<Life>>,
    free: Vec<u32>,
    last_generation: u64,
    /// Entries of lives that are over: they wait to give way.
    cleared: List,
    cleared_bytes: u64,
}

impl Namespaces {
    pub(crate) fn new() -> Self {
        Self {
            names: HashMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            last_generation: 0,
            cleared: List::new(Link::Group),
            cleared_bytes: 0,
        }
    }

    /// Whether an entry can still be found by its namespace.
    pub(crate) fn has(&self, node: &Node) -> bool {
        let life = self.slots.get(node.slot as usize).and_then(Option::as_ref);
        life.is_some_and(|life| life.generation == node.generation)
    }

    /// Adds an entry to the present life of a namespace, which may begin with it.
    pub(crate) fn enter(&mut self, nodes: &mut Nodes, namespace: &[u8], place: Place, cost: u64) {
        let slot = self.names.get(namespace).copied().or_else(|| self.begin(namespace));
        let Some((slot, life)) = slot.and_then(|slot| Some((slot, self.slots.get_mut(slot as usize)?.as_mut()?)))
        else {
            return;
        };
        let Some(node) = nodes.get_mut(place) else { return };
        (node.slot, node.generation) = (slot, life.generation);
        life.group.push_front(nodes, place);
        life.bytes += cost;
    }

    fn begin(&mut self, namespace: &[u8]) -> Option<u32> {
        self.last_generation += 1;
        let name = Arc::from(namespace);
        let life =
            Life { name: Arc::clone(&name), generation: self.last_generation, group: List::new(Link::Group), bytes: 0 };
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(None);
                u32::try_from(self.slots.len() - 1).ok()?
            }
        };
        *self.slots.get_mut(slot as usize)? = Some(life);
        self.names.insert(name, slot);
        Some(slot)
    }

    /// Takes an entry out of its life, which may end with it, or out of those that were cleared.
    pub(crate) fn leave(&mut self, nodes: &mut Nodes, place: Place, cost: u64) {
        let Some(node) = nodes.get(place) else { return };
        let (slot, generation) = (node.slot, node.generation);
        match self.slots.get_mut(slot as usize).and_then(Option::as_mut) {
            Some(life) if life.generation == generation => {
                life.group.unlink(nodes, place);
                life.bytes = life.bytes.saturating_sub(cost);
                if life.group.count() == 0 {
                    self.end(slot);
                }
            }
            _ => {
                self.cleared.unlink(nodes, place);
                self.cleared_bytes = self.cleared_bytes.saturating_sub(cost);
            }
        }
    }

    fn end(&mut self, slot: u32) -> Option<Life> {
        let life = self.slots.get_mut(slot as usize)?.take()?;
        self.names.remove(&life.name);
        self.free.push(slot);
        Some(life)
    }

    /// Ends the present life of a namespace; answers how many entries it had.
    pub(crate) fn clear(&mut self, nodes: &mut Nodes, namespace: &[u8]) -> usize {
        let life = self.names.get(namespace).copied().and_then(|slot| self.end(slot));
        let Some(life) = life else { return 0 };
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
