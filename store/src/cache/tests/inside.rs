//! A shard from the inside: every list whole, every byte accounted for, and what all of it takes of the host's memory.

use super::super::list::List;
use super::super::nodes::{Node, Place};
use super::super::shard::{OVERHEAD, Shard, cost};

/// The head of a shared allocation, and what the allocator adds to any.
const HEAD: usize = 16 + 16;
/// A day's part of the agenda.
const DAY: usize = 64;

/// Every entry is in one queue, one group and one day, in the index under its own place, and nothing else is anywhere.
pub(super) fn check(shard: &mut Shard) {
    let mut all: Vec<Place> = shard.index.iter().copied().collect();
    all.sort_unstable();
    assert!(
        all.iter().enumerate().all(|(place, found)| place == *found as usize),
        "a hole in the slab, or a stray place"
    );
    let Shard { nodes, small, main, namespaces, fresh, faded, .. } = shard;
    let mut are_all = |lists: &mut dyn Iterator<Item = &List>| {
        let mut places: Vec<Place> = lists.flat_map(|list| list.places(nodes)).collect();
        places.sort_unstable();
        assert_eq!(places, all);
    };
    are_all(&mut [&*small, main].into_iter());
    are_all(&mut namespaces.lists());
    are_all(&mut fresh.days().chain(faded.days()));
    let costs = |places: &[Place]| places.iter().map(|place| cost(&nodes.get(*place).unwrap().record)).sum::<u64>();
    assert_eq!(costs(&all), shard.bytes);
    let (small, cleared) = (small.places(nodes), namespaces.lists().last().unwrap().places(nodes));
    let costs = |places: &[Place]| places.iter().map(|place| cost(&nodes.get(*place).unwrap().record)).sum::<u64>();
    assert_eq!((costs(&small), costs(&cleared)), (shard.small_bytes, namespaces.cleared().1));
}

pub(super) fn days(shard: &Shard) -> usize {
    shard.fresh.days().chain(shard.faded.days()).count()
}

/// What a shard takes of the host's memory, the allocator's own included, as far as that can be reckoned.
pub(super) fn reckon(shard: &Shard) -> u64 {
    let entries = shard.index.len();
    let records = shard.bytes - entries as u64 * OVERHEAD + (entries * (HEAD + 1)) as u64;
    let tables = shard.nodes.capacity() * size_of::<Node>() + shard.index.allocation_size();
    let beside = shard.namespaces.allocation_size() + shard.ghost.allocation_size() + days(shard) * DAY;
    records + (size_of::<Shard>() + tables + beside) as u64
}
