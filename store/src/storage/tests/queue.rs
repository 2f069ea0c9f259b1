//! The line of commits by itself.

use crate::storage::queue::{Duty, Queue};

#[test]
fn groups_keep_the_order_and_their_bounds() {
    let queue = Queue::new();
    let duties: Vec<_> = [5, 5, 5, 50, 1].into_iter().map(|weight| queue.push(weight).1).collect();
    assert_eq!(duties, [Duty::Lead, Duty::Wait, Duty::Wait, Duty::Wait, Duty::Wait]);
    let next = || queue.next_group(2, 12, |weight| *weight);
    assert_eq!(next(), [5, 5]);
    assert_eq!(next(), [5], "the next one is too heavy to go along");
    assert_eq!(next(), [50], "one goes in any case");
    assert_eq!(next(), [1]);
    assert_eq!(queue.push(1).1, Duty::Wait, "whoever took the last group comes by once more");
    assert_eq!(next(), [1]);
    assert!(next().is_empty());
    assert_eq!(queue.push(1).1, Duty::Lead);
}

#[test]
fn who_goes_away_is_not_served() {
    let queue = Queue::new();
    let tickets: Vec<_> = (0..4).map(|job| queue.push(job).0).collect();
    assert_eq!(queue.withdraw(tickets[1]), Some(1));
    assert_eq!(queue.withdraw(tickets[1]), None);
    assert_eq!(queue.next_group(1, 0, |_| 0), [0]);
    assert_eq!(queue.withdraw(tickets[0]), None, "it has begun");
    assert_eq!(queue.abandon(), [2, 3]);
    assert_eq!((queue.len(), queue.push(9).1), (0, Duty::Lead));
}
