//! Doubly linked lists through the slab. Every entry is in three lists at once: a queue, by which it is evicted, a group, by
//! which its namespace is cleared, and a day of the agenda, by which its time comes to an end.

use super::nodes::{ALONE, Link, NONE, Neighbours, Nodes, Place};

/// A list through the slab, by one of its links. New entries come at the front; the back is the oldest.
#[derive(Debug)]
pub(crate) struct List {
    link: Link,
    front: Place,
    back: Place,
    count: u32,
}

impl List {
    pub(crate) fn new(link: Link) -> Self {
        Self { link, front: NONE, back: NONE, count: 0 }
    }

    pub(crate) fn count(&self) -> usize {
        self.count as usize
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

    /// An entry of this list has another place now.
    pub(crate) fn moved(&mut self, nodes: &mut Nodes, place: Place) {
        let Some(Neighbours { towards_front, towards_back }) = nodes.link(place, self.link).copied() else { return };
        match nodes.link(towards_front, self.link) {
            Some(neighbours) => neighbours.towards_back = place,
            None => self.front = place,
        }
        match nodes.link(towards_back, self.link) {
            Some(neighbours) => neighbours.towards_front = place,
            None => self.back = place,
        }
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
impl List {
    /// Its entries, from the back, as the links have them in both directions.
    pub(crate) fn places(&self, nodes: &mut Nodes) -> Vec<Place> {
        let (mut found, mut behind, mut place) = (Vec::new(), NONE, self.back);
        while let Some(neighbours) = nodes.link(place, self.link).copied() {
            assert_eq!(neighbours.towards_back, behind);
            found.push(place);
            (behind, place) = (place, neighbours.towards_front);
        }
        assert_eq!((place, behind, found.len()), (NONE, self.front, self.count()));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::name::Name;
    use super::super::nodes::{NewEntry, Node, Queue};
    use super::super::record::Record;
    use super::*;

    fn node(number: u64) -> Node {
        let record = Record::new(&Name::decode(b"\x01nk", 0), b"");
        let entry = NewEntry { record, hash: number, ttl_ms: 0, stale_ms: 0, tied_to: None };
        Node::new(entry, 0, Queue::Small, 0)
    }

    fn drain(list: &mut List, nodes: &mut Nodes) -> Vec<u64> {
        std::iter::from_fn(|| {
            let place = list.back()?;
            list.unlink(nodes, place);
            nodes.get(place).map(|node| node.hash)
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

    #[test]
    fn a_list_follows_an_entry_that_takes_the_place_of_one_that_went() {
        for gone in 0..5 {
            let (mut nodes, mut list) = (Nodes::default(), List::new(Link::Queue));
            for number in 0..5 {
                let place = nodes.insert(node(number)).unwrap();
                list.push_front(&mut nodes, place);
            }
            list.unlink(&mut nodes, gone);
            if let (_, Some(from)) = nodes.remove(gone).unwrap() {
                assert_eq!(from, 4);
                list.moved(&mut nodes, gone);
            }
            let left: Vec<u64> = (0..5).filter(|number| *number != u64::from(gone)).collect();
            assert_eq!(drain(&mut list, &mut nodes), left, "without {gone}");
        }
    }
}
