//! The line of one tenant's commits: whoever comes waits here, and one leader at a time takes them in groups.
//!
//! It owns who waits and who leads, and does no work itself: no disk, no timer, no task. A job that nobody waits for any
//! more is withdrawn, and takes its bytes with it (B1). It is run with every interleaving that shuttle finds.

use std::collections::VecDeque;

use super::sync::Mutex;

/// The line.
pub(crate) struct Queue<J> {
    state: Mutex<State<J>>,
}

struct State<J> {
    waiting: VecDeque<(Ticket, J)>,
    next: u64,
    /// Whether someone leads: takes groups until nothing waits.
    led: bool,
}

/// A place in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// What a newcomer has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duty {
    /// Nobody leads: the newcomer must see to it that someone calls [`Queue::next_group`] until it answers with nothing.
    Lead,
    /// Someone leads, and will come by.
    Wait,
}

impl<J> Queue<J> {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State { waiting: VecDeque::new(), next: 0, led: false }) }
    }

    /// Takes the last place in the line.
    pub(crate) fn push(&self, job: J) -> (Ticket, Duty) {
        let mut state = self.state.lock();
        let ticket = Ticket(state.next);
        state.next += 1;
        state.waiting.push_back((ticket, job));
        let duty = if state.led { Duty::Wait } else { Duty::Lead };
        state.led = true;
        (ticket, duty)
    }

    /// Gives a place up. Nothing happens where the leader has taken the job already.
    pub(crate) fn withdraw(&self, ticket: Ticket) -> Option<J> {
        let mut state = self.state.lock();
        let place = state.waiting.binary_search_by_key(&ticket, |(ticket, _)| *ticket).ok()?;
        state.waiting.remove(place).map(|(_, job)| job)
    }

    /// The next jobs in line: `most` of them at the most, and while their weights together are within `weight`; one in
    /// any case. With nothing in line the lead has ended, and the next newcomer has it.
    pub(crate) fn next_group(&self, most: usize, weight: usize, weigh: impl Fn(&J) -> usize) -> Vec<J> {
        let mut state = self.state.lock();
        let mut group = Vec::new();
        let mut total = 0_usize;
        while group.len() < most
            && let Some((_, job)) = state.waiting.front()
        {
            total = total.saturating_add(weigh(job));
            if total > weight && !group.is_empty() {
                break;
            }
            group.extend(state.waiting.pop_front().map(|(_, job)| job));
        }
        state.led = !group.is_empty();
        group
    }

    /// Ends a lead that cannot go on. Who waits is sent away: their jobs are dropped by whoever takes the answer.
    pub(crate) fn abandon(&self) -> Vec<J> {
        let mut state = self.state.lock();
        state.led = false;
        state.waiting.drain(..).map(|(_, job)| job).collect()
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.state.lock().waiting.len()
    }
}
