//! Flights: keys whose value somebody is making, with the callers that wait for it.
//!
//! A flight is here while its lease is out, and no longer. A lease is a number: it is in force while its flight says so,
//! and whatever makes its value older than the key's last change ends the flight or gives it another number. So an old
//! lease needs no list of what happened since: its number is nowhere.
//!
//! There is no lock here and nothing is woken: wakers come out with the answers, and whoever holds the lock wakes and
//! drops them after letting it go, since either may come back here.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::task::{Poll, Waker};

use insula_host_api::WAITERS_LIMIT;

use super::name::prefix;
use super::nodes::Version;
use super::record::Record;

/// The most keys of one shard whose values are being made at once: as many as 64 calls have with 64 leases each.
pub(crate) const FLIGHTS_LIMIT: usize = 4_096;

/// A lease, or a seat of someone who waits: never used twice in one shard.
pub(crate) type Number = u64;

/// Who is to be woken, once the lock is let go.
pub(crate) type Wakers = Vec<Waker>;

/// What a wait has come to.
#[derive(Debug)]
pub(crate) enum Settled {
    /// The value was made.
    Value(Record),
    /// The lease is yours.
    Lease(Number),
}

#[derive(Debug)]
struct Seat {
    version: Version,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Flight {
    /// The lease in force.
    lease: Number,
    /// Those who wait, in the order in which they came.
    seats: BTreeMap<Number, Seat>,
}

/// The flights of one shard. Both maps give their memory back as they empty.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    flights: BTreeMap<Arc<[u8]>, Flight>,
    /// What became of waits whose callers have not come for it yet.
    settled: BTreeMap<Number, Settled>,
    waiting: usize,
    last_number: Number,
}

impl Flights {
    /// A number that no lease and no seat has.
    pub(crate) fn number(&mut self) -> Number {
        self.last_number += 1;
        self.last_number
    }

    pub(crate) fn has(&self, key: &[u8]) -> bool {
        self.flights.contains_key(key)
    }

    /// Whether a lease is in force.
    pub(crate) fn is_led_by(&self, key: &[u8], lease: Number) -> bool {
        self.flights.get(key).is_some_and(|flight| flight.lease == lease)
    }

    /// Begins a flight of a key that has none; `None` when there are too many.
    pub(crate) fn begin(&mut self, key: Arc<[u8]>) -> Option<Number> {
        if self.flights.len() >= FLIGHTS_LIMIT {
            return None;
        }
        let lease = self.number();
        self.flights.insert(key, Flight { lease, seats: BTreeMap::new() });
        Some(lease)
    }

    /// Waits for a flight that is there; `None` when too many wait.
    pub(crate) fn sit(&mut self, key: &[u8], version: Version) -> Option<Number> {
        if self.waiting >= WAITERS_LIMIT {
            return None;
        }
        let seat = self.number();
        self.flights.get_mut(key)?.seats.insert(seat, Seat { version, waker: None });
        self.waiting += 1;
        Some(seat)
    }

    /// What a wait has come to; while that is nothing, remembers whom to wake. A waker that this replaces comes out.
    pub(crate) fn poll(&mut self, key: &[u8], seat: Number, waker: &Waker) -> (Poll<Settled>, Option<Waker>) {
        if let Some(settled) = self.settled.remove(&seat) {
            self.waiting -= 1;
            return (Poll::Ready(settled), None);
        }
        let seat = self.flights.get_mut(key).and_then(|flight| flight.seats.get_mut(&seat));
        let replaced = seat.and_then(|seat| match &seat.waker {
            Some(old) if old.will_wake(waker) => None,
            _ => seat.waker.replace(waker.clone()),
        });
        (Poll::Pending, replaced)
    }

    /// Ends a wait; what it had come to, and its waker, come out.
    pub(crate) fn leave(&mut self, key: &[u8], seat: Number) -> (Option<Settled>, Option<Waker>) {
        self.waiting -= 1;
        if let Some(settled) = self.settled.remove(&seat) {
            return (Some(settled), None);
        }
        let seat = self.flights.get_mut(key).and_then(|flight| flight.seats.remove(&seat));
        (None, seat.and_then(|seat| seat.waker))
    }

    /// Ends the lease in force, if there is one: the first who waits has the next, and without one the flight is over.
    pub(crate) fn pass_on(&mut self, key: &[u8], wakers: &mut Wakers) {
        let lease = self.number();
        let Some(flight) = self.flights.get_mut(key) else { return };
        match flight.seats.pop_first() {
            None => {
                self.flights.remove(key);
            }
            Some((seat, Seat { waker, .. })) => {
                flight.lease = lease;
                self.settled.insert(seat, Settled::Lease(lease));
                wakers.extend(waker);
            }
        }
    }

    /// Ends the lease in force with a value: it goes to all who wait and may have it. When others wait too, the first of
    /// them has the next lease.
    pub(crate) fn publish(&mut self, key: &[u8], value: &Record, only: Option<Version>, wakers: &mut Wakers) {
        let Some(flight) = self.flights.get_mut(key) else { return };
        let may_have = |seat: &Seat| only.is_none_or(|only| only == seat.version);
        let (given, kept) = std::mem::take(&mut flight.seats).into_iter().partition(|(_, seat)| may_have(seat));
        flight.seats = kept;
        let given: BTreeMap<Number, Seat> = given;
        for (seat, Seat { waker, .. }) in given {
            self.settled.insert(seat, Settled::Value(value.clone()));
            wakers.extend(waker);
        }
        self.pass_on(key, wakers);
    }

    /// Ends the leases of all keys of a namespace, each as [`Self::pass_on`] does.
    pub(crate) fn clear(&mut self, namespace: &[u8], wakers: &mut Wakers) {
        let prefix = prefix(namespace);
        let from = (Bound::Included(prefix.as_slice()), Bound::Unbounded);
        let of_it = self.flights.range::<[u8], _>(from).map(|(key, _)| key).take_while(|key| key.starts_with(&prefix));
        let keys: Vec<Arc<[u8]>> = of_it.cloned().collect();
        for key in keys {
            self.pass_on(&key, wakers);
        }
    }

    /// Ends all flights. Who waits is given a lease that is not in force.
    pub(crate) fn close(&mut self, wakers: &mut Wakers) {
        let void = self.number();
        for (_, flight) in std::mem::take(&mut self.flights) {
            for (seat, Seat { waker, .. }) in flight.seats {
                self.settled.insert(seat, Settled::Lease(void));
                wakers.extend(waker);
            }
        }
    }

    /// Flights, and callers that wait or have not come for what their wait came to.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.flights.len(), self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn who_waits_is_woken_where_it_last_looked() {
        let counts = [0, 1].map(|_| Arc::new(Count(AtomicUsize::new(0))));
        let [first, second] = counts.clone().map(Waker::from);
        let (mut flights, mut wakers, key) = (Flights::default(), Wakers::new(), Arc::from(&b"\x01nk"[..]));
        flights.begin(Arc::clone(&key)).unwrap();
        let seat = flights.sit(&key, [0; 16]).unwrap();
        assert!(matches!(flights.poll(&key, seat, &first), (Poll::Pending, None)));
        assert!(matches!(flights.poll(&key, seat, &first), (Poll::Pending, None)));
        let (Poll::Pending, Some(replaced)) = flights.poll(&key, seat, &second) else { panic!("the old one stays") };
        assert!(replaced.will_wake(&first));
        flights.pass_on(&key, &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
        assert_eq!(counts.map(|count| count.0.load(Ordering::Relaxed)), [0, 1]);
        assert!(matches!(flights.poll(&key, seat, &second), (Poll::Ready(Settled::Lease(_)), None)));
        assert_eq!(flights.counts(), (1, 0));
    }
}
