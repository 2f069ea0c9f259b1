//! Entries in a slab, and doubly linked lists through them. Every entry is in three lists at once: a queue, by which it is
//! evicted, a group, by which its namespace is cleared, and a day of the agenda, by which its time comes to an end.

use std::sync::Arc;

use super::agenda::{grain, round_up};

/// The place of an entry in the slab.
pub(crate) type Place = u32;

/// The version of an agent, as its id's bytes.
pub(crate) type Version = [u8; 16];

/// No place: the end of a list.
const NONE: Place = Place::MAX;
/// The slab grows by this part of itself, so that little of it is ever empty.
const GROWTH_PART: usize = 4;
const GROWTH_LEAST: usize = 16;

/// Which of an entry's links a list uses.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Link {
    Queue,
    Group,
    Day,
}

/// The queue that an entry is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queue {
    Small,
    Main,
}

#[derive(Debug, Clone, Copy)]
struct Neighbours {
    towards_front: Place,
    towards_back: Place,
}

const ALONE: Neighbours = Neighbours { towards_front: NONE, towards_back: NONE };

/// What is put: a value, its name as it is kept, and its life.
#[derive(Debug, Clone)]
pub(crate) struct NewEntry {
    /// The encoded name.
    pub(crate) key: Arc<[u8]>,
    /// The name's hash.
    pub(crate) hash: u64,
    pub(crate) value: Arc<[u8]>,
    /// Fresh for so long from now.
    pub(crate) ttl_ms: u64,
    /// And stale for so long after that.
    pub(crate) stale_ms: u64,
    /// The one version that finds it; without, all do.
    pub(crate) tied_to: Option<Version>,
}

/// One entry.
#[derive(Debug)]
pub(crate) struct Node {
    /// The encoded name.
    pub(crate) key: Arc<[u8]>,
    pub(crate) value: Arc<[u8]>,
    pub(crate) hash: u64,
    pub(crate) fresh_until_ms: u64,
    stale_ms: u32,
    /// The one version that finds it; without, all do.
    pub(crate) tied_to: Option<Version>,
    /// The life of its namespace that it was put in: a slot, and which life of it.
    pub(crate) slot: u32,
    pub(crate) generation: u64,
    /// Reads since it came or was last passed over, up to a few.
    pub(crate) reads: u8,
    pub(crate) queue: Queue,
    /// Whether the agenda has it by the end of its staleness, since its freshness is known to be over.
    pub(crate) faded: bool,
    grain: u8,
    queue_link: Neighbours,
    group_link: Neighbours,
    day_link: Neighbours,
}

impl Node {
    pub(crate) fn new(entry: NewEntry, now_ms: u64, queue: Queue, reads: u8) -> Self {
        Self {
            key: entry.key,
            value: entry.value,
            hash: entry.hash,
            fresh_until_ms: now_ms.saturating_add(entry.ttl_ms),
            stale_ms: u32::try_from(entry.stale_ms).unwrap_or(u32::MAX),
            tied_to: entry.tied_to,
            slot: 0,
            generation: 0,
            reads,
            queue,
            faded: false,
            grain: grain(entry.ttl_ms),
            queue_link: ALONE,
            group_link: ALONE,
            day_link: ALONE,
        }
    }

    pub(crate) fn is_fresh(&self, now_ms: u64) -> bool {
        now_ms < self.fresh_until_ms
    }

    /// Whether nobody is given it any more, not even as stale.
    pub(crate) fn is_over(&self, now_ms: u64) -> bool {
        self.stale_until_ms() <= now_ms
    }

    fn stale_until_ms(&self) -> u64 {
        self.fresh_until_ms.saturating_add(u64::from(self.stale_ms))
    }

    /// Its day in the agenda.
    pub(crate) fn due_ms(&self) -> u64 {
        round_up(if self.faded { self.stale_until_ms() } else { self.fresh_until_ms }, self.grain)
    }

    /// From now on its day is the end of its staleness.
    pub(crate) fn fade(&mut self) {
        self.faded = true;
        self.grain = grain(u64::from(self.stale_ms));
    }

    fn link(&mut self, link: Link) -> &mut Neighbours {
        match link {
            Link::Queue => &mut self.queue_link,
            Link::Group => &mut self.group_link,
            Link::Day => &mut self.day_link,
        }
    }
}

/// The slab.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    places: Vec<Option<Node>>,
    free: Vec<Place>,
}

impl Nodes {
    /// Puts an entry in a free place; `None` when the slab has as many places as there are numbers for.
    pub(crate) fn insert(&mut self, node: Node) -> Option<Place> {
        if let Some(place) = self.free.pop() {
            *self.places.get_mut(place as usize)? = Some(node);
            return Some(place);
        }
        let place = Place::try_from(self.places.len()).ok().filter(|place| *place != NONE)?;
        if self.places.len() == self.places.capacity() {
            self.places.reserve_exact((self.places.len() / GROWTH_PART).max(GROWTH_LEAST));
        }
        self.places.push(Some(node));
        Some(place)
    }

    pub(crate) fn remove(&mut self, place: Place) -> Option<Node> {
        let node = self.places.get_mut(place as usize)?.take()?;
        self.free.push(place);
        Some(node)
    }

    pub(crate) fn get(&self, place: Place) -> Option<&Node> {
        self.places.get(place as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut Node> {
        self.places.get_mut(place as usize)?.as_mut()
    }

    fn link(&mut self, place: Place, link: Link) -> Option<&mut Neighbours> {
        self.get_mut(place).map(|node| node.link(link))
    }
}

/// A list through the slab, by one of its links. New entries come at the front; the back is the oldest.
#[derive(Debug)]
pub(crate) struct List {
    link: Link,
    front: Place,
    back: Place,
    count: usize,
}

impl List {
    pub(crate) fn new(link: Link) -> Self {
        Self { link, front: NONE, back: NONE, count: 0 }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The oldest entry.
    pub(crate) fn back(&self) -> Option<Place> {
        (self.back != NONE).then_some(self.back)
    }

    pub(crate) fn push_front(&mut self, nodes: &mut Nodes, place: Place) {
        let old_front = self.front;
        if let Some(neighbours) = nodes.link(place, self.link) {
            *neighbours = Neighbours { towards_front: NONE, towards_back: old_front };
        }
        match nodes.link(old_front, self.link) {
            Some(neighbours) => neighbours.towards_front = place,
            None => self.back = place,
        }
        self.front = place;
        self.count += 1;
    }

    /// Takes an entry of this list out of it.
    pub(crate) fn unlink(&mut self, nodes: &mut Nodes, place: Place) {
        let Some(neighbours) = nodes.link(place, self.link) else { return };
        let Neighbours { towards_front, towards_back } = std::mem::replace(neighbours, ALONE);
        match nodes.link(towards_front, self.link) {
            Some(neighbours) => neighbours.towards_back = towards_back,
            None => self.front = towards_back,
        }
        match nodes.link(towards_back, self.link) {
            Some(neighbours) => neighbours.towards_front = towards_front,
            None => self.back = towards_front,
        }
        self.count = self.count.saturating_sub(1);
    }

    /// Takes over all entries of another list at once, whatever their number.
    pub(crate) fn append(&mut self, nodes: &mut Nodes, other: Self) {
        if other.count == 0 {
            return;
        }
        match nodes.link(self.back, self.link) {
            Some(neighbours) => neighbours.towards_back = other.front,
            None => self.front = other.front,
        }
        if let Some(neighbours) = nodes.link(other.front, self.link) {
            neighbours.towards_front = self.back;
        }
        self.back = other.back;
        self.count += other.count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u64) -> Node {
        let (key, value) = (Arc::from(&b"\x01nk"[..]), Arc::default());
        let entry = NewEntry { key, hash: 0, value, ttl_ms: number, stale_ms: 0, tied_to: None };
        Node::new(entry, 0, Queue::Small, 0)
    }

    fn drain(list: &mut List, nodes: &mut Nodes) -> Vec<u64> {
        std::iter::from_fn(|| {
            let place = list.back()?;
            list.unlink(nodes, place);
            nodes.get(place).map(|node| node.fresh_until_ms)
        })
        .collect()
    }

    #[test]
    fn a_list_gives_its_entries_back_in_the_order_in_which_they_came() {
        let (mut nodes, mut list) = (Nodes::default(), List::new(Link::Queue));
        let places: Vec<_> = (0..5).map(|number| nodes.insert(node(number)).unwrap()).collect();
        places.iter().for_each(|place| list.push_front(&mut nodes, *place));
        list.unlink(&mut nodes, places[2]);
        list.unlink(&mut nodes, places[0]);
        list.unlink(&mut nodes, places[4]);
        assert_eq!(list.count(), 2);
        assert_eq!(drain(&mut list, &mut nodes), [1, 3]);
    }

    #[test]
    fn a_list_takes_over_another_whole() {
        let (mut nodes, mut ours, mut theirs) = (Nodes::default(), List::new(Link::Group), List::new(Link::Group));
        for number in 0..6 {
            let place = nodes.insert(node(number)).unwrap();
            if number % 2 == 0 { ours.push_front(&mut nodes, place) } else { theirs.push_front(&mut nodes, place) }
        }
        ours.append(&mut nodes, theirs);
        ours.append(&mut nodes, List::new(Link::Group));
        assert_eq!(ours.count(), 6);
        assert_eq!(drain(&mut ours, &mut nodes), [1, 3, 5, 0, 2, 4]);
    }

    #[test]
    fn an_entry_is_in_a_queue_and_a_group_at_once() {
        let (mut nodes, mut queue, mut group) = (Nodes::default(), List::new(Link::Queue), List::new(Link::Group));
        let places: Vec<_> = (0..3).map(|number| nodes.insert(node(number)).unwrap()).collect();
        for place in places {
            queue.push_front(&mut nodes, place);
            group.push_front(&mut nodes, place);
        }
        let middle = 1;
        group.unlink(&mut nodes, middle);
        assert_eq!((queue.count(), group.count()), (3, 2));
        assert_eq!(drain(&mut queue, &mut nodes), [0, 1, 2]);
        assert_eq!(drain(&mut group, &mut nodes), [0, 2]);
    }
}
