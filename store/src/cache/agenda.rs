//! When entries' time comes to an end: a list of entries for each day on which some do, so that those whose time is over
//! are found without looking at the others.
//!
//! A day is a time, rounded up to a part of the life that ends then: however many entries there are, there are few days,
//! and an entry may be found late by that part, never early.

use std::collections::BTreeMap;

use super::list::List;
use super::nodes::{Link, Node, Nodes, Place};

/// A time is rounded up by less than a part of the life that ends with it: a sixteenth.
const LIFE_PARTS: u64 = 32;

/// The bits by which the end of a life is rounded.
pub(crate) fn grain(life_ms: u64) -> u8 {
    let bits = u64::BITS - (life_ms / LIFE_PARTS).leading_zeros();
    u8::try_from(bits).unwrap_or(u8::MAX)
}

pub(crate) fn round_up(time_ms: u64, grain: u8) -> u64 {
    let below = 1_u64.checked_shl(u32::from(grain)).map_or(u64::MAX, |one| one - 1);
    time_ms.saturating_add(below) & !below
}

/// The days to come, and those that have come and were not seen to.
#[derive(Debug, Default)]
pub(crate) struct Agenda(BTreeMap<u64, List>);

impl Agenda {
    /// Files an entry under its day.
    pub(crate) fn file(&mut self, nodes: &mut Nodes, place: Place) {
        let Some(due) = nodes.get(place).map(Node::due_ms) else { return };
        self.0.entry(due).or_insert_with(|| List::new(Link::Day)).push_front(nodes, place);
    }

    /// Takes an entry out of its day.
    pub(crate) fn strike(&mut self, nodes: &mut Nodes, place: Place) {
        let Some(due) = nodes.get(place).map(Node::due_ms) else { return };
        let Some(day) = self.0.get_mut(&due) else { return };
        day.unlink(nodes, place);
        if day.count() == 0 {
            self.0.remove(&due);
        }
    }

    /// An entry has another place now.
    pub(crate) fn moved(&mut self, nodes: &mut Nodes, place: Place) {
        let day = nodes.get(place).map(Node::due_ms).and_then(|due| self.0.get_mut(&due));
        if let Some(day) = day {
            day.moved(nodes, place);
        }
    }

    /// An entry of the first day.
    pub(crate) fn first(&self) -> Option<Place> {
        self.0.first_key_value().and_then(|(_, day)| day.back())
    }

    /// An entry of the first day, if that has come.
    pub(crate) fn first_due(&self, now_ms: u64) -> Option<Place> {
        self.0.first_key_value().filter(|(due, _)| **due <= now_ms).and_then(|(_, day)| day.back())
    }

    #[cfg(test)]
    pub(crate) fn days(&self) -> impl Iterator<Item = &List> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_rounded_up_and_by_less_than_a_sixteenth_of_the_life() {
        for life in (0..3_000).chain([3_600_000, 86_400_000, 2_592_000_000, u64::MAX]) {
            for time in [0, 1, life / 3, life, life.saturating_add(12_345)] {
                let rounded = round_up(time, grain(life));
                assert!(rounded >= time.min(u64::MAX - life / 16), "{time} of {life} became {rounded}");
                assert!(rounded - time.min(rounded) <= life / 16, "{time} of {life} became {rounded}");
            }
        }
    }
}
