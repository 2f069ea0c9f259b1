//! What is known of a customer, and what it changes about a ticket. Touches no host function.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::rules::{Routing, normalised};
use crate::ticket::Ticket;

/// How many of the last tickets are kept.
const KEPT: usize = 20;

/// The window of `recent`, in seconds: seven days.
const WINDOW: u64 = 7 * 86_400;

/// So many tickets within the window escalate.
const MANY: usize = 3;

/// How much of a subject is kept, in bytes.
const SUBJECT_KEPT: usize = 200;

/// A customer's tickets so far.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    tickets: u64,
    queues: BTreeMap<String, u64>,
    last: Vec<Past>,
}

/// One ticket of the past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Past {
    ticket: String,
    /// Normalised, without "Re:" and the like.
    subject: String,
    queue: String,
    received: u64,
}

/// What the answer says about the customer, this ticket included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// All tickets.
    pub tickets: u64,
    /// Those of the seven days before this one; at most 21, since only the last 20 are kept.
    pub recent: usize,
    /// Whether history raised the priority.
    pub escalated: bool,
}

impl History {
    /// Lets the past weigh on a routing, then counts the ticket.
    pub fn add(&mut self, ticket: &Ticket, received: u64, routing: &mut Routing) -> Standing {
        let subject = topic(&ticket.subject);
        let reopened = self.reopen(&subject, routing);
        let recent = 1 + self.recent(received);
        let many = recent >= MANY;
        if many {
            routing.priority = routing.priority.raised();
            routing.reasons.push(format!("escalated: {recent} tickets within 7 days"));
        }
        self.tickets = self.tickets.saturating_add(1);
        *self.queues.entry(routing.queue.clone()).or_default() += 1;
        self.keep(Past { ticket: ticket.id.clone(), subject, queue: routing.queue.clone(), received });
        Standing { tickets: self.tickets, recent, escalated: reopened || many }
    }

    /// The same subject again: more urgent, and in the queue of the time before where the rules know none.
    fn reopen(&self, subject: &str, routing: &mut Routing) -> bool {
        let Some(before) = self.last.iter().rev().find(|past| !subject.is_empty() && past.subject == subject) else {
            return false;
        };
        if routing.score == 0 {
            routing.queue.clone_from(&before.queue);
        }
        routing.priority = routing.priority.raised();
        routing.reasons.push(format!("reopened: the subject of {} ({}) again", before.ticket, before.queue));
        true
    }

    /// Tickets may come out of order: those after this one do not count for it.
    fn recent(&self, received: u64) -> usize {
        let window = received.saturating_sub(WINDOW)..=received;
        self.last.iter().filter(|past| window.contains(&past.received)).count()
    }

    fn keep(&mut self, past: Past) {
        let surplus = (self.last.len() + 1).saturating_sub(KEPT);
        self.last.drain(..surplus);
        self.last.push(past);
    }
}

/// What a subject is about: its words, without the marks that mail programs put before them.
fn topic(subject: &str) -> String {
    let words = normalised(subject);
    let mut rest = words.trim();
    while let Some(shorter) = ["re ", "fwd ", "fw ", "aw ", "wg "].iter().find_map(|mark| rest.strip_prefix(mark)) {
        rest = shorter;
    }
    rest.get(..rest.floor_char_boundary(SUBJECT_KEPT)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Priority;
    use crate::ticket::tests::ticket;

    const DAY: u64 = 86_400;

    fn routing() -> Routing {
        Routing { queue: "general".to_owned(), priority: Priority::Normal, score: 0, reasons: Vec::new() }
    }

    fn add(history: &mut History, id: &str, subject: &str, received: u64) -> (Standing, Routing) {
        let mut routing = routing();
        let standing = history.add(&ticket(id, "c", subject, "", received), received, &mut routing);
        (standing, routing)
    }

    #[test]
    fn the_third_ticket_within_seven_days_escalates() {
        let mut history = History::default();
        assert!(!add(&mut history, "1", "one", DAY).0.escalated);
        assert!(!add(&mut history, "2", "two", 2 * DAY).0.escalated);
        let (standing, routing) = add(&mut history, "3", "three", 8 * DAY);
        assert_eq!(standing, Standing { tickets: 3, recent: 3, escalated: true });
        assert_eq!(routing.priority, Priority::High);
        let (standing, _) = add(&mut history, "4", "four", 30 * DAY);
        assert_eq!(standing, Standing { tickets: 4, recent: 1, escalated: false });
    }

    #[test]
    fn a_ticket_that_comes_late_does_not_count_later_ones() {
        let mut history = History::default();
        add(&mut history, "1", "one", 5 * DAY);
        add(&mut history, "2", "two", 6 * DAY);
        assert_eq!(add(&mut history, "3", "three", 4 * DAY).0.recent, 1);
    }

    #[test]
    fn the_same_subject_again_is_reopened_in_its_queue() {
        let mut history = History::default();
        let mut first = Routing { queue: "billing".to_owned(), score: 10, ..routing() };
        history.add(&ticket("1", "c", "My order, late", "", 0), 0, &mut first);
        let (standing, routing) = add(&mut history, "2", "RE: Fwd: my order late!", 90 * DAY);
        assert!(standing.escalated);
        assert_eq!((routing.queue.as_str(), routing.priority), ("billing", Priority::High));
        assert_eq!(routing.reasons, ["reopened: the subject of 1 (billing) again"]);
    }

    #[test]
    fn an_empty_subject_is_never_the_same() {
        let mut history = History::default();
        add(&mut history, "1", "!!", 0);
        assert!(!add(&mut history, "2", "", 90 * DAY).0.escalated);
    }

    #[test]
    fn the_past_is_bounded_and_the_count_is_not() {
        let mut history = History::default();
        for number in 0..50 {
            add(&mut history, &number.to_string(), &"é".repeat(500), number * DAY);
        }
        assert_eq!((history.last.len(), history.tickets), (KEPT, 50));
        assert!(history.last.iter().all(|past| past.subject.len() <= SUBJECT_KEPT));
        assert_eq!(history.queues.values().sum::<u64>(), 50);
    }
}
