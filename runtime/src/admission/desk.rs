//! Who may come in, who waits, and who is sent away: pure, without clocks, threads or futures.
//!
//! A place is a slot of the host and the memory that the call may come to use. A free place goes to the waiting tenant that
//! holds the least for its weight, of equals to the one that waits longest, and within a tenant to its oldest call. What a
//! tenant holds is the larger of its parts in the slots and in the memory (dominant resource fairness: Ghodsi and others,
//! 2011). Its place is kept free until it fits, so that large calls are not overtaken for ever.
//!
//! When as many wait as may, the newest waiting call is shed of the tenant that has most for its weight, what it holds and
//! what waits together (R3). Every count here is given back by `release`, `give_up` or `drain` (B3).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::num::NonZeroU64;
use std::time::Duration;

use super::bucket::Bucket;
use super::share::{House, Load};
use crate::shortage::RateQuota;

/// A tenant, by a number that means nothing.
pub(super) type Key = u64;
/// The number of a call that waits. Later calls have larger ones.
pub(super) type Ticket = u64;

/// What a tenant may do, as its limits stand when a call of it arrives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) weight: NonZeroU64,
    /// Calls that hold a place at once.
    pub(super) concurrency: u64,
    /// Calls that wait for one.
    pub(super) queue: u64,
    /// Calls in a second, and at once.
    pub(super) rate: NonZeroU64,
    pub(super) burst: NonZeroU64,
    /// Bytes that a call may come to use.
    pub(super) memory: u64,
}

/// Why a call has no place, and does not wait for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The tenant's rate. There is a token again after so long.
    Rate(Duration),
    /// As many calls of the tenant wait as may.
    Queue,
    /// As many calls wait as may, and this tenant has most for its weight.
    Room,
    /// A call of this tenant can never fit.
    Memory,
}

/// Whose limit keeps a tenant's oldest waiting call waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Short {
    Tenant,
    Host,
}

/// The places of a host, and who waits for them.
#[derive(Debug)]
pub(super) struct Desk<T> {
    house: House,
    tenants: HashMap<Key, Tenant<T>>,
    /// Tenants whose next call waits for the host alone, by what they hold for their weight.
    next: BTreeMap<(u64, Ticket), Key>,
    /// Tenants with calls that wait, by all that they have for their weight.
    heaviest: BTreeMap<(u64, Ticket), Key>,
    held: Load,
    waiting: u64,
    last_key: Key,
    last_ticket: Ticket,
}

#[derive(Debug)]
struct Tenant<T> {
    terms: Terms,
    bucket: Bucket,
    held: Load,
    /// What the calls that wait would hold.
    wanted: Load,
    waiting: VecDeque<Waiting<T>>,
    /// Under what it is filed in `next` and `heaviest`.
    filed: [Option<(u64, Ticket)>; 2],
}

#[derive(Debug)]
struct Waiting<T> {
    ticket: Ticket,
    memory: u64,
    who: T,
}

impl<T> Desk<T> {
    pub(super) fn new(house: House) -> Self {
        Self {
            house,
            tenants: HashMap::new(),
            next: BTreeMap::new(),
            heaviest: BTreeMap::new(),
            held: Load::default(),
            waiting: 0,
            last_key: 0,
            last_ticket: 0,
        }
    }

    pub(super) fn house(&self) -> &House {
        &self.house
    }

    /// A tenant that nothing is known of: its bucket is full.
    pub(super) fn register(&mut self, terms: Terms, now: Duration) -> Key {
        self.last_key += 1;
        let tenant = Tenant {
            bucket: Bucket::full(terms.rate, terms.burst, now),
            terms,
            held: Load::default(),
            wanted: Load::default(),
            waiting: VecDeque::new(),
            filed: [None; 2],
        };
        self.tenants.insert(self.last_key, tenant);
        self.last_key
    }

    /// Forgets a tenant that holds nothing and waits for nothing.
    pub(super) fn forget(&mut self, key: Key) {
        self.tenants.remove(&key);
    }

    /// A call arrives. Whether it has a place; if not, it may [`wait`](Self::wait).
    pub(super) fn arrive(&mut self, key: Key, terms: &Terms, now: Duration) -> Result<bool, Refusal> {
        if terms.memory > self.house.memory {
            return Err(Refusal::Memory);
        }
        let free = self.next.is_empty() && self.house.fits(self.held, terms.memory);
        let Some(tenant) = self.tenants.get_mut(&key) else {
            return Err(Refusal::Room);
        };
        tenant.terms = *terms;
        tenant.bucket.fill(terms.rate, terms.burst, now);
        if tenant.bucket.left() == 0 {
            return Err(Refusal::Rate(tenant.bucket.wait()));
        }
        if !tenant.waiting.is_empty() {
            // Its terms may be new.
            self.file(key);
            return Ok(false);
        }
        if !free || tenant.held.calls >= terms.concurrency {
            return Ok(false);
        }
        tenant.bucket.take();
        tenant.held.add(terms.memory);
        self.held.add(terms.memory);
        Ok(true)
    }

    /// A call that arrived and has no place waits for one; it may have it at once, see [`next`](Self::next). Whoever was
    /// shed for it is told.
    pub(super) fn wait(&mut self, key: Key, who: T) -> Result<(Ticket, Option<T>), Refusal> {
        let Some(tenant) = self.tenants.get(&key) else {
            return Err(Refusal::Room);
        };
        let memory = tenant.terms.memory;
        if tenant.waiting.len() as u64 >= tenant.terms.queue {
            return Err(Refusal::Queue);
        }
        let mut shed = None;
        if self.waiting >= self.house.room {
            let mut all = tenant.held.and(tenant.wanted);
            all.add(memory);
            let ours = self.house.share(all, tenant.terms.weight);
            let (_, heaviest) =
                self.heaviest.last_key_value().filter(|((most, _), _)| *most > ours).ok_or(Refusal::Room)?;
            shed = self.shed(*heaviest);
        }
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        if let Some(tenant) = self.tenants.get_mut(&key) {
            tenant.bucket.take();
            tenant.wanted.add(memory);
            tenant.waiting.push_back(Waiting { ticket, memory, who });
            self.waiting += 1;
            self.file(key);
        }
        Ok((ticket, shed))
    }

    /// Gives a free place to whoever is next. To be asked again until there is none: places are never left free while a
    /// call that fits is next.
    pub(super) fn next(&mut self) -> Option<T> {
        let (_, key) = self.next.first_key_value()?;
        let key = *key;
        let tenant = self.tenants.get_mut(&key)?;
        let memory = tenant.waiting.front()?.memory;
        if !self.house.fits(self.held, memory) {
            return None;
        }
        let first = tenant.waiting.pop_front()?;
        tenant.wanted.remove(memory);
        tenant.held.add(memory);
        self.held.add(memory);
        self.waiting -= 1;
        self.file(key);
        Some(first.who)
    }

    /// A call that held a place has ended. What the tenant still holds.
    pub(super) fn release(&mut self, key: Key, memory: u64) -> u64 {
        self.held.remove(memory);
        let Some(tenant) = self.tenants.get_mut(&key) else {
            return 0;
        };
        tenant.held.remove(memory);
        let left = tenant.held.calls;
        if !tenant.waiting.is_empty() {
            self.file(key);
        }
        left
    }

    /// A call waits no longer.
    pub(super) fn give_up(&mut self, key: Key, ticket: Ticket) {
        let Some(tenant) = self.tenants.get_mut(&key) else {
            return;
        };
        let Ok(at) = tenant.waiting.binary_search_by_key(&ticket, |waiting| waiting.ticket) else {
            return;
        };
        if let Some(gone) = tenant.waiting.remove(at) {
            tenant.wanted.remove(gone.memory);
            self.waiting -= 1;
            self.file(key);
        }
    }

    /// Takes away all calls of a tenant that wait.
    pub(super) fn drain(&mut self, key: Key) -> Vec<T> {
        let Some(tenant) = self.tenants.get_mut(&key) else {
            return Vec::new();
        };
        let gone: Vec<T> = tenant.waiting.drain(..).map(|waiting| waiting.who).collect();
        tenant.wanted = Load::default();
        self.waiting -= gone.len() as u64;
        self.file(key);
        gone
    }

    /// Takes away all calls that wait.
    pub(super) fn drain_all(&mut self) -> Vec<T> {
        let keys: Vec<Key> = self.heaviest.values().copied().collect();
        keys.into_iter().flat_map(|key| self.drain(key)).collect()
    }

    /// Whose limit keeps this tenant's calls waiting.
    pub(super) fn short(&self, key: Key) -> Short {
        let at_its_limit = self.tenants.get(&key).is_some_and(|tenant| tenant.held.calls >= tenant.terms.concurrency);
        if at_its_limit { Short::Tenant } else { Short::Host }
    }

    /// What is held by all, and how many calls wait.
    pub(super) fn totals(&self) -> (Load, u64) {
        (self.held, self.waiting)
    }

    /// Calls of a tenant that hold a place.
    pub(super) fn held_by(&self, key: Key) -> u64 {
        self.tenants.get(&key).map_or(0, |tenant| tenant.held.calls)
    }

    /// What a tenant may begin just now, as far as its rate goes.
    pub(super) fn quota(&self, key: Key) -> RateQuota {
        self.tenants.get(&key).map_or_else(RateQuota::default, |tenant| tenant.bucket.quota())
    }

    fn shed(&mut self, key: Key) -> Option<T> {
        let tenant = self.tenants.get_mut(&key)?;
        let newest = tenant.waiting.pop_back()?;
        tenant.wanted.remove(newest.memory);
        self.waiting -= 1;
        self.file(key);
        Some(newest.who)
    }

    /// Files a tenant anew: what it holds, what waits or its terms have changed.
    fn file(&mut self, key: Key) {
        let Some(tenant) = self.tenants.get_mut(&key) else {
            return;
        };
        let [next, heaviest] = &mut tenant.filed;
        if let Some(place) = next.take() {
            self.next.remove(&place);
        }
        if let Some(place) = heaviest.take() {
            self.heaviest.remove(&place);
        }
        let (Some(oldest), Some(newest)) = (tenant.waiting.front(), tenant.waiting.back()) else {
            return;
        };
        if tenant.held.calls < tenant.terms.concurrency {
            let place = (self.house.share(tenant.held, tenant.terms.weight), oldest.ticket);
            *next = Some(place);
            self.next.insert(place, key);
        }
        let place = (self.house.share(tenant.held.and(tenant.wanted), tenant.terms.weight), newest.ticket);
        *heaviest = Some(place);
        self.heaviest.insert(place, key);
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
