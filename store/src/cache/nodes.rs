//! Entries in a slab without holes: whatever goes, the last takes its place, so that memory is always in proportion to
//! the entries. They are linked into [lists](super::list), three at a time.

use super::agenda::{grain, round_up};
use super::namespaces::LifeId;
use super::record::Record;

/// The place of an entry in the slab.
pub(crate) type Place = u32;

/// The version of an agent, as its id's bytes.
pub(crate) type Version = [u8; 16];

/// No place: the end of a list.
pub(super) const NONE: Place = Place::MAX;
/// The slab grows by this part of itself, so that little of it is ever empty.
const GROWTH_PART: usize = 4;
/// And this much at least.
const GROWTH_LEAST: usize = 16;

/// Which of an entry's links a list uses.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Link {
    /// By which it is evicted.
    Queue,
    /// By which its namespace is cleared.
    Group,
    /// By which its time comes to an end.
    Day,
}

/// The queue that an entry is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queue {
    Small,
    Main,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Neighbours {
    pub(super) towards_front: Place,
    pub(super) towards_back: Place,
}

pub(super) const ALONE: Neighbours = Neighbours { towards_front: NONE, towards_back: NONE };

/// What is put: a name and its value, and their life.
#[derive(Debug, Clone)]
pub(crate) struct NewEntry {
    pub(crate) record: Record,
    /// The name's hash.
    pub(crate) hash: u64,
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
    pub(crate) record: Record,
    pub(crate) hash: u64,
    fresh_until_ms: u64,
    stale_ms: u32,
    /// The one version that finds it; without, all do.
    pub(crate) tied_to: Option<Version>,
    /// The life of its namespace that it was put in.
    pub(crate) life: LifeId,
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
            record: entry.record,
            hash: entry.hash,
            fresh_until_ms: now_ms.saturating_add(entry.ttl_ms),
            stale_ms: u32::try_from(entry.stale_ms).unwrap_or(u32::MAX),
            tied_to: entry.tied_to,
            life: LifeId::default(),
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
pub(crate) struct Nodes(Vec<Node>);

impl Nodes {
    /// Adds an entry; `None` when the slab has as many as there are numbers for.
    pub(crate) fn insert(&mut self, node: Node) -> Option<Place> {
        let count = self.0.len();
        let place = Place::try_from(count).ok().filter(|place| *place != NONE)?;
        if count == self.0.capacity() {
            self.0.reserve_exact((count / GROWTH_PART).max(GROWTH_LEAST));
        }
        self.0.push(node);
        Some(place)
    }

    /// Takes an entry out that is in no list any more. The last takes its place: where that came from is told, and whoever
    /// knows it by its place has to be told in turn.
    pub(crate) fn remove(&mut self, place: Place) -> Option<(Node, Option<Place>)> {
        let last = Place::try_from(self.0.len().checked_sub(1)?).ok()?;
        if place > last {
            return None;
        }
        let node = self.0.swap_remove(place as usize);
        let count = self.0.len();
        if count < self.0.capacity() / GROWTH_PART * (GROWTH_PART - 1) {
            self.0.shrink_to(count + (count / (2 * GROWTH_PART)).max(GROWTH_LEAST));
        }
        Some((node, (place != last).then_some(last)))
    }

    pub(crate) fn get(&self, place: Place) -> Option<&Node> {
        self.0.get(place as usize)
    }

    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut Node> {
        self.0.get_mut(place as usize)
    }

    pub(super) fn link(&mut self, place: Place, link: Link) -> Option<&mut Neighbours> {
        self.get_mut(place).map(|node| node.link(link))
    }

    /// Entries that there is memory for.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity()
    }
}
