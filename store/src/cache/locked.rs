//! The shard and its flights under their one lock: what a key's value is and who is making it change together.
//!
//! Nothing is copied, woken or given back to an executor while the lock is held. There is no timer and no clock here:
//! times come as numbers (see [`wait`](super::wait) for those who wait).

use std::fmt;
use std::hash::RandomState;
use std::task::{Poll, Waker};
use std::time::Duration;

use insula_host_api::{CacheError, Patience, WAITERS_LIMIT};

use super::LiveQuota;
use super::ceiling::Ceiling;
use super::flights::{FLIGHTS_LIMIT, Flights, Number, Settled, Wakers};
use super::name::Name;
use super::nodes::{NewEntry, Version};
use super::record::Record;
use super::shard::{Found, Shard};
use super::sync::{Arc, Mutex};
use super::tally::CacheTally;
use super::wait::{Key, NewValue, Token, Wait, Waited};

/// The most entries whose memory is given back in one hold of the lock, since that takes time: about 100 us.
pub(crate) const SWEPT_AT_ONCE: usize = 256;

/// A tenant's shard, made with the first entry, and its flights.
pub(crate) struct Locked {
    quota: Arc<LiveQuota>,
    ceiling: Arc<Ceiling>,
    /// What names are hashed with: no tenant knows it of its own shard, and no two have the same.
    secret: RandomState,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    shard: Option<Box<Shard>>,
    flights: Flights,
    tally: CacheTally,
    closed: bool,
}

/// What a look-up found.
#[derive(Debug)]
pub(crate) enum LookedUp {
    Hit(Record),
    Stale(Record, Option<Token>),
    Lease(Token),
    /// A wait, and for how long it may go on.
    Wait(Wait, Duration),
}

impl State {
    fn read(&mut self, name: &Name<'_>, version: &Version, now_ms: u64) -> Found {
        let Some(shard) = &mut self.shard else { return Found::Nothing };
        let found = shard.read(name, version, now_ms, &mut self.tally);
        self.drop_empty();
        found
    }

    fn put(&mut self, entry: NewEntry, now_ms: u64, budget: u64, ceiling: &Arc<Ceiling>) {
        let shard = self.shard.get_or_insert_with(|| Box::new(Shard::new(Arc::clone(ceiling))));
        shard.put(entry, now_ms, budget, &mut self.tally);
        self.drop_empty();
    }

    /// An idle shard costs nothing.
    fn drop_empty(&mut self) {
        self.shard.take_if(|shard| shard.is_empty());
    }
}

/// Counts a read that waited, now that it is over.
fn end_wait(tally: &mut CacheTally, settled: Option<&Settled>) {
    match settled {
        Some(Settled::Value(_)) => tally.hits += 1,
        Some(Settled::Lease(_)) => {
            tally.misses += 1;
            tally.leases += 1;
        }
        None => tally.misses += 1,
    }
}

impl Locked {
    pub(crate) fn new(quota: Arc<LiveQuota>, ceiling: Arc<Ceiling>) -> Self {
        Self { quota, ceiling, secret: RandomState::new(), state: Mutex::new(State::default()) }
    }

    pub(crate) fn name<'a>(&self, namespace: &'a str, key: &'a str) -> Name<'a> {
        Name::new(&self.secret, namespace, key)
    }

    /// Changes the state, and then, with the lock let go, wakes whom that concerns.
    fn change<T>(&self, act: impl FnOnce(&mut State, &mut Wakers) -> T) -> T {
        let mut wakers = Wakers::new();
        let done = act(&mut self.state.lock(), &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
        done
    }

    /// Reads a fresh value.
    pub(crate) fn get(&self, name: &Name<'_>, version: &Version, now_ms: u64) -> Option<Record> {
        let mut state = self.state.lock();
        match state.read(name, version, now_ms) {
            Found::Fresh(value) => {
                state.tally.hits += 1;
                Some(value)
            }
            Found::Stale(_) | Found::Nothing => {
                state.tally.misses += 1;
                None
            }
        }
    }

    /// Keeps a value. Leases on its key are void, and those who wait for it have it.
    pub(crate) fn put(&self, name: &Name<'_>, version: Version, value: NewValue, now_ms: u64) {
        let entry = value.named(name, version);
        self.change(|state, wakers| {
            if !state.closed {
                state.flights.publish(entry.record.name(), &entry.record, entry.tied_to, wakers);
                state.put(entry, now_ms, self.quota.cache_bytes(), &self.ceiling);
            }
        });
    }

    /// Keeps the value of a lease that is in force, and gives it to those who wait.
    pub(crate) fn fill(&self, lease: Number, entry: NewEntry, now_ms: u64) -> bool {
        self.change(|state, wakers| {
            let in_force = state.flights.is_led_by(entry.record.name(), lease);
            if in_force {
                state.flights.publish(entry.record.name(), &entry.record, entry.tied_to, wakers);
                state.put(entry, now_ms, self.quota.cache_bytes(), &self.ceiling);
            }
            in_force
        })
    }

    /// Reads a value, or finds out who makes it.
    pub(crate) fn look_up(
        self: &Arc<Self>,
        name: &Name<'_>,
        version: Version,
        patience: Patience,
        now_ms: u64,
    ) -> Result<LookedUp, CacheError> {
        let mut state = self.state.lock();
        match state.read(name, &version, now_ms) {
            Found::Fresh(value) => {
                state.tally.hits += 1;
                Ok(LookedUp::Hit(value))
            }
            Found::Stale(value) => {
                state.tally.stale_hits += 1;
                let key = Key { encoded: name.encode(), hash: name.hash };
                let is_free = !state.flights.has(&key.encoded);
                let lease = is_free.then(|| state.flights.begin(Arc::clone(&key.encoded))).flatten();
                state.tally.leases += u64::from(lease.is_some());
                let token = lease.map(|lease| Token::new(Arc::clone(self), key, lease, version));
                Ok(LookedUp::Stale(value, token))
            }
            Found::Nothing => {
                let key = Key { encoded: name.encode(), hash: name.hash };
                let joined = self.join(&mut state, key, version, patience);
                // One who waits has found nothing yet: that is counted when the wait is over.
                state.tally.misses += u64::from(!matches!(joined, Ok(LookedUp::Wait(..))));
                joined
            }
        }
    }

    /// Takes the lease of a key that is not there, or waits for it.
    fn join(
        self: &Arc<Self>,
        state: &mut State,
        key: Key,
        version: Version,
        patience: Patience,
    ) -> Result<LookedUp, CacheError> {
        if state.closed || !state.flights.has(&key.encoded) {
            // Of a closed shard the lease is not in force: it leads nowhere, and nobody waits for it.
            let begun =
                if state.closed { Some(state.flights.number()) } else { state.flights.begin(Arc::clone(&key.encoded)) };
            let lease = begun.ok_or(CacheError::TooMany { what: "leases of one cache", limit: FLIGHTS_LIMIT })?;
            state.tally.leases += 1;
            return Ok(LookedUp::Lease(Token::new(Arc::clone(self), key, lease, version)));
        }
        let time = match patience {
            Patience::HoldsALease => return Err(CacheError::LeaseHeld),
            Patience::For(time) if time.is_zero() => return Err(CacheError::FillInProgress),
            Patience::For(time) => time,
        };
        let seat = state.flights.sit(&key.encoded, version);
        let seat = seat.ok_or(CacheError::TooMany { what: "callers that wait", limit: WAITERS_LIMIT })?;
        state.tally.waits += 1;
        Ok(LookedUp::Wait(Wait::new(Arc::clone(self), key, seat, version), time))
    }

    /// What a wait has come to.
    pub(crate) fn poll(locked: &Arc<Self>, key: &Key, seat: Number, version: Version, waker: &Waker) -> Poll<Waited> {
        let (polled, _replaced) = {
            let mut state = locked.state.lock();
            let (polled, replaced) = state.flights.poll(&key.encoded, seat, waker);
            if let Poll::Ready(settled) = &polled {
                end_wait(&mut state.tally, Some(settled));
            }
            (polled, replaced)
        };
        polled.map(|settled| Self::waited(locked, key, version, settled))
    }

    /// Ends a wait; answers with what it had come to.
    pub(crate) fn leave(locked: &Arc<Self>, key: &Key, seat: Number, version: Version) -> Option<Waited> {
        let (settled, _waker) = {
            let mut state = locked.state.lock();
            let (settled, waker) = state.flights.leave(&key.encoded, seat);
            end_wait(&mut state.tally, settled.as_ref());
            (settled, waker)
        };
        settled.map(|settled| Self::waited(locked, key, version, settled))
    }

    fn waited(locked: &Arc<Self>, key: &Key, version: Version, settled: Settled) -> Waited {
        match settled {
            Settled::Value(value) => Waited::Value(value),
            Settled::Lease(lease) => Waited::Lease(Token::new(Arc::clone(locked), key.clone(), lease, version)),
        }
    }

    /// Ends a lease without a value.
    pub(crate) fn let_go(&self, key: &[u8], lease: Number) {
        self.change(|state, wakers| {
            if state.flights.is_led_by(key, lease) {
                state.flights.pass_on(key, wakers);
            }
        });
    }

    /// Forgets one entry. A lease on its key is void, and one of those who wait for it has the next.
    pub(crate) fn delete(&self, name: &Name<'_>, now_ms: u64) {
        let encoded = name.encode();
        self.change(|state, wakers| {
            state.flights.pass_on(&encoded, wakers);
            if let Some(shard) = &mut state.shard {
                shard.delete(name, now_ms, &mut state.tally);
            }
            state.drop_empty();
        });
    }

    /// Forgets a namespace. Leases on its keys are void. Of its memory a part is given back at once, and the rest with the
    /// next sweep, or when room is wanted.
    pub(crate) fn clear(&self, namespace: &str, now_ms: u64) {
        self.change(|state, wakers| {
            state.flights.clear(namespace.as_bytes(), wakers);
            if let Some(shard) = &mut state.shard {
                shard.clear(namespace.as_bytes(), &mut state.tally);
                shard.sweep(now_ms, SWEPT_AT_ONCE, &mut state.tally);
            }
            state.drop_empty();
        });
    }

    /// Evicts down to the budget, after it became smaller.
    pub(crate) fn trim(&self, now_ms: u64) {
        let mut state = self.state.lock();
        let State { shard, tally, .. } = &mut *state;
        if let Some(shard) = shard {
            let budget = self.quota.cache_bytes();
            shard.shrink_to(budget, now_ms, budget, tally);
        }
        state.drop_empty();
    }

    /// Removes some entries that nobody is given any more; answers whether there may be others.
    pub(crate) fn sweep(&self, now_ms: u64) -> bool {
        let mut state = self.state.lock();
        let State { shard, tally, .. } = &mut *state;
        let more = shard.as_mut().is_some_and(|shard| shard.sweep(now_ms, SWEPT_AT_ONCE, tally));
        state.drop_empty();
        more
    }

    /// Forgets everything, and keeps nothing more.
    pub(crate) fn close(&self) {
        // The shard is taken out, and dropped with the lock let go: it may be large.
        let _shard = self.change(|state, wakers| {
            state.closed = true;
            state.flights.close(wakers);
            state.shard.take()
        });
    }

    pub(crate) fn tally(&self) -> CacheTally {
        self.state.lock().tally
    }

    /// The tally, entries that can be found, and their bytes.
    pub(crate) fn figures(&self) -> (CacheTally, u64, u64) {
        let state = self.state.lock();
        let (entries, bytes) = state.shard.as_ref().map_or((0, 0), |shard| (shard.entries() as u64, shard.bytes()));
        (state.tally, entries, bytes)
    }

    /// Bytes that are held against the budget and the ceiling.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.state.lock().shard.as_ref().map_or(0, |shard| shard.held_bytes())
    }
}

impl fmt::Debug for Locked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Locked")
    }
}

#[cfg(test)]
impl Locked {
    /// Flights, and callers that wait.
    pub(crate) fn flights(&self) -> (usize, usize) {
        self.state.lock().flights.counts()
    }

    /// Whether nothing is allocated.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.shard.is_none() && state.flights.counts() == (0, 0)
    }

    /// Looks into the shard; the answer for one that is not there is that of an empty one.
    pub(crate) fn with_shard<T>(&self, look: impl FnOnce(&mut Shard) -> T) -> T {
        let mut empty = Shard::new(Arc::clone(&self.ceiling));
        look(self.state.lock().shard.as_deref_mut().unwrap_or(&mut empty))
    }
}
