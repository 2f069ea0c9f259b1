//! A tenant at the desk: what it holds, and its calls that wait, the oldest first.

use std::collections::VecDeque;
use std::time::Duration;

use super::bucket::Bucket;
use super::share::Load;
use super::terms::Terms;

/// The number of a call that waits. Later calls have larger ones.
pub(super) type Ticket = u64;

/// A share, and the ticket that decides between equal ones: under it a tenant is filed.
pub(super) type Place = (u64, Ticket);

#[derive(Debug)]
pub(super) struct Tenant<T> {
    pub(super) terms: Terms,
    pub(super) bucket: Bucket,
    pub(super) held: Load,
    /// What the calls that wait would hold.
    wanted: Load,
    waiting: VecDeque<Waiting<T>>,
    /// Under what it is filed as next, and as heaviest.
    pub(super) filed: [Option<Place>; 2],
    /// What of its weight is counted: all while it holds or waits for something, and else nothing.
    pub(super) counted: u64,
}

#[derive(Debug)]
struct Waiting<T> {
    ticket: Ticket,
    memory: u64,
    who: T,
}

impl<T> Tenant<T> {
    pub(super) fn new(terms: Terms, now: Duration) -> Self {
        let bucket = Bucket::full(terms.rate, terms.burst, now);
        let (held, wanted) = (Load::default(), Load::default());
        Self { terms, bucket, held, wanted, waiting: VecDeque::new(), filed: [None; 2], counted: 0 }
    }

    /// Calls that wait.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.len() as u64
    }

    /// What it holds and what waits.
    pub(super) fn all(&self) -> Load {
        self.held.and(self.wanted)
    }

    /// The tickets of the oldest and the newest call that wait.
    pub(super) fn ends(&self) -> Option<(Ticket, Ticket)> {
        Some((self.waiting.front()?.ticket, self.waiting.back()?.ticket))
    }

    /// The memory that the oldest call waits for.
    pub(super) fn wants(&self) -> Option<u64> {
        self.waiting.front().map(|waiting| waiting.memory)
    }

    pub(super) fn push(&mut self, ticket: Ticket, who: T) {
        let memory = self.terms.memory;
        self.wanted.add(memory);
        self.waiting.push_back(Waiting { ticket, memory, who });
    }

    pub(super) fn take_oldest(&mut self) -> Option<T> {
        self.take(0)
    }

    pub(super) fn take_newest(&mut self) -> Option<T> {
        self.take(self.waiting.len().checked_sub(1)?)
    }

    pub(super) fn take_by_ticket(&mut self, ticket: Ticket) -> Option<T> {
        self.take(self.waiting.binary_search_by_key(&ticket, |waiting| waiting.ticket).ok()?)
    }

    pub(super) fn take_all(&mut self) -> Vec<T> {
        self.wanted = Load::default();
        self.waiting.drain(..).map(|waiting| waiting.who).collect()
    }

    fn take(&mut self, at: usize) -> Option<T> {
        let gone = self.waiting.remove(at)?;
        self.wanted.remove(gone.memory);
        Some(gone.who)
    }

    /// Whether nothing of it is held and nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.held.calls == 0 && self.waiting.is_empty()
    }
}
