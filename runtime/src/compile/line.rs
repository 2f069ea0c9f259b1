//! Who is compiled next: a line for each tenant, served in turn. Pure: no clock, no thread, no process.
//!
//! A tenant that has waited least lately goes first: whoever comes waits for the compilations that run, and for at most one
//! of each other tenant (R3). The line is bounded as a whole and for each tenant (B1); when it is full, a tenant with two
//! places or more over the newcomer gives its last one up, so that no tenant can fill it.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// The line.
#[derive(Debug)]
pub(super) struct Line<K, T> {
    lines: HashMap<K, VecDeque<(Ticket, T)>>,
    /// Every tenant that waits, once, the next in front.
    turns: VecDeque<K>,
    tickets: u64,
    most: usize,
    most_of_one: usize,
}

/// A place in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// What became of joining.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Joined<T> {
    /// A place.
    Waiting(Ticket),
    /// A place that another had to give up: it is told so.
    InPlaceOf(Ticket, T),
    /// No place.
    Full,
}

impl<K: Copy + Eq + Hash, T> Line<K, T> {
    pub(super) fn new(most: usize, most_of_one: usize) -> Self {
        Self { lines: HashMap::new(), turns: VecDeque::new(), tickets: 0, most, most_of_one }
    }

    pub(super) fn len(&self) -> usize {
        self.lines.values().map(VecDeque::len).sum()
    }

    /// Joins at the end of the tenant's own line.
    pub(super) fn join(&mut self, tenant: K, item: T) -> Joined<T> {
        let own = self.lines.get(&tenant).map_or(0, VecDeque::len);
        if own >= self.most_of_one {
            return Joined::Full;
        }
        let gave_up = if self.len() < self.most {
            None
        } else {
            match self.give_up_for(own) {
                Some(item) => Some(item),
                None => return Joined::Full,
            }
        };
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        if own == 0 {
            self.turns.push_back(tenant);
        }
        self.lines.entry(tenant).or_default().push_back((ticket, item));
        match gave_up {
            None => Joined::Waiting(ticket),
            Some(other) => Joined::InPlaceOf(ticket, other),
        }
    }

    /// Takes the last place of the tenant with the most, if that is two or more over `own`.
    fn give_up_for(&mut self, own: usize) -> Option<T> {
        let longest = self.lines.values_mut().max_by_key(|line| line.len())?;
        // A line of two or more keeps at least one: its tenant stays in turn.
        if longest.len() >= own + 2 { longest.pop_back().map(|(_, item)| item) } else { None }
    }

    /// Whose turn it is. Its tenant goes to the end, if more of it waits.
    pub(super) fn next(&mut self) -> Option<(Ticket, T)> {
        let tenant = self.turns.pop_front()?;
        let line = self.lines.get_mut(&tenant)?;
        let first = line.pop_front();
        if line.is_empty() {
            self.lines.remove(&tenant);
        } else {
            self.turns.push_back(tenant);
        }
        first
    }

    /// Gives a place back. No matter if it has been served.
    pub(super) fn leave(&mut self, tenant: K, ticket: Ticket) {
        let Some(line) = self.lines.get_mut(&tenant) else { return };
        line.retain(|(of, _)| *of != ticket);
        if line.is_empty() {
            self.lines.remove(&tenant);
            self.turns.retain(|waits| *waits != tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One compiler in simulated time: uploads are (when, whose, how long), in order of time. Answers (whose, when it
    /// began) for those that were compiled, in order, and how many were refused of each.
    fn simulate(uploads: &[(u64, char, u64)], most: usize, of_one: usize) -> (Vec<(char, u64)>, Vec<char>) {
        let mut line = Line::new(most, of_one);
        let (mut began, mut refused, mut free_at) = (Vec::new(), Vec::new(), 0);
        let mut coming = uploads.iter().copied().peekable();
        loop {
            // Everyone who comes before the compiler is free joins first.
            while let Some((when, tenant, takes)) = coming.next_if(|(when, ..)| *when <= free_at || line.len() == 0) {
                free_at = free_at.max(if line.len() == 0 { when } else { 0 });
                match line.join(tenant, (tenant, when, takes)) {
                    Joined::Waiting(_) => {}
                    Joined::InPlaceOf(_, (other, ..)) => refused.push(other),
                    Joined::Full => refused.push(tenant),
                }
            }
            let Some((_, (tenant, when, takes))) = line.next() else { return (began, refused) };
            let at = free_at.max(when);
            began.push((tenant, at));
            free_at = at + takes;
        }
    }

    #[test]
    fn a_tenant_that_uploads_thirty_keeps_a_neighbour_waiting_for_one_and_a_bystander_for_two() {
        let mut uploads: Vec<_> = (0..30).map(|_| (0, 'a', 60)).collect();
        uploads.push((1, 'b', 5));
        uploads.push((2, 'c', 5));
        let (began, refused) = simulate(&uploads, 64, 64);
        assert!(refused.is_empty(), "{refused:?}");
        // The one that ran when they came, and one more of the flood, whose turn was before theirs.
        let when = |tenant| began.iter().find(|(whose, _)| *whose == tenant).unwrap().1;
        assert!(when('b') <= 60 + 60, "{began:?}");
        assert!(when('c') <= 60 + 60 + 5, "{began:?}");
        assert_eq!(began.iter().filter(|(whose, _)| *whose == 'a').count(), 30);
    }

    #[test]
    fn whoever_comes_waits_for_what_runs_and_for_at_most_one_of_each_other_tenant() {
        for flood in 1..6_u64 {
            let mut uploads = Vec::new();
            for (index, tenant) in "abcde".chars().enumerate() {
                for _ in 0..flood {
                    uploads.push((index as u64, tenant, 10));
                }
            }
            uploads.push((5, 'z', 10));
            let (began, _) = simulate(&uploads, 100, 100);
            let at = began.iter().position(|(whose, _)| *whose == 'z').unwrap();
            let before: Vec<_> = began[1..at].iter().map(|(whose, _)| *whose).collect();
            for tenant in "abcde".chars() {
                assert!(before.iter().filter(|whose| **whose == tenant).count() <= 1, "{flood}: {began:?}");
            }
        }
    }

    #[test]
    fn a_tenants_own_are_served_in_order() {
        let mut line = Line::new(9, 9);
        for number in 0..3 {
            line.join('a', number);
            line.join('b', 10 + number);
        }
        let order: Vec<_> = std::iter::from_fn(|| line.next().map(|(_, item)| item)).collect();
        assert_eq!(order, [0, 10, 1, 11, 2, 12]);
        assert_eq!(line.len(), 0);
    }

    #[test]
    fn a_full_line_has_a_place_for_whoever_has_the_least() {
        let mut line = Line::new(4, 3);
        for number in 0..3 {
            assert!(matches!(line.join('a', number), Joined::Waiting(_)));
        }
        // Its own bound, though there is room.
        assert_eq!(line.join('a', 3), Joined::Full);
        assert!(matches!(line.join('b', 10), Joined::Waiting(_)));
        // Full: the newest of the greediest gives way to a newcomer, until they are even.
        assert!(matches!(line.join('c', 20), Joined::InPlaceOf(_, 2)));
        assert_eq!(line.join('b', 11), Joined::Full);
        assert_eq!(line.join('c', 21), Joined::Full);
        assert!(matches!(line.join('d', 30), Joined::InPlaceOf(_, 1)));
        assert_eq!(line.join('e', 40), Joined::Full);
        assert_eq!(line.len(), 4);
    }

    #[test]
    fn a_place_that_is_given_back_is_no_ones_turn() {
        let mut line = Line::new(4, 4);
        let Joined::Waiting(first) = line.join('a', 0) else { panic!() };
        let Joined::Waiting(_) = line.join('b', 1) else { panic!() };
        line.leave('a', first);
        line.leave('a', first);
        assert_eq!((line.len(), line.next().map(|(_, item)| item)), (1, Some(1)));
        assert!(line.next().is_none());
    }
}
