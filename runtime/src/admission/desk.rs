//! Who may come in, who waits, and who is sent away: pure, without clocks, threads or futures.
//!
//! A place is a slot of the host and the memory that the call may come to use. A free place goes to the waiting tenant that
//! holds the least for its weight, of equals to the one that waits longest, and within a tenant to its oldest call. What a
//! tenant holds is the larger of its parts in the slots and in the memory (dominant resource fairness: Ghodsi and others,
//! 2011). Its place is kept free until it fits, so that large calls are not overtaken for ever. The last eighth of the
//! places is for tenants that hold none, or less than half their share: others may hold theirs for long.
//!
//! When as many wait as may, the newest waiting call is shed of the tenant that has most for its weight, what it holds and
//! what waits together (R3). Every count here is given back by `release`, `give_up` or `drain` (B3).

use std::collections::BTreeMap;
use std::time::Duration;

use super::register::{Key, Register};
use super::share::{House, Load};
use super::tenant::{Place, Tenant, Ticket};
use super::terms::{Refusal, Short, Terms};
use crate::shortage::RateQuota;

/// The places of a host, and who waits for them.
#[derive(Debug)]
pub(super) struct Desk<T> {
    house: House,
    tenants: Register<Tenant<T>>,
    /// Tenants whose next call waits for the host alone, by what they hold for their weight.
    next: BTreeMap<Place, Key>,
    /// Tenants with calls that wait, by all that they have for their weight.
    heaviest: BTreeMap<Place, Key>,
    held: Load,
    waiting: u64,
    /// What the tenants that hold or wait for something weigh together.
    weights: u64,
    last_ticket: Ticket,
}

impl<T> Desk<T> {
    pub(super) fn new(house: House) -> Self {
        Self {
            house,
            tenants: Register::new(),
            next: BTreeMap::new(),
            heaviest: BTreeMap::new(),
            held: Load::default(),
            waiting: 0,
            weights: 0,
            last_ticket: 0,
        }
    }

    pub(super) fn house(&self) -> &House {
        &self.house
    }

    /// How many bytes are resident in slots that no call uses.
    pub(super) fn keeps(&mut self, resident: u64) {
        self.house.resident = resident;
    }

    /// Whether what is resident may keep a call of this memory out, or one that waits.
    pub(super) fn is_pressed(&self, memory: u64) -> bool {
        self.waiting > 0 || self.house.is_pressed(self.held, memory)
    }

    /// A tenant that nothing is known of: its bucket is full.
    pub(super) fn register(&mut self, terms: Terms, now: Duration) -> Key {
        self.tenants.add(Tenant::new(terms, now))
    }

    /// Forgets a tenant that holds nothing and waits for nothing.
    pub(super) fn forget(&mut self, key: Key) {
        self.tenants.remove(key);
    }

    /// A call arrives. Whether it has a place; if not, it may [`wait`](Self::wait).
    pub(super) fn arrive(&mut self, key: Key, terms: &Terms, now: Duration) -> Result<bool, Refusal> {
        if terms.memory > self.house.memory {
            return Err(Refusal::Memory);
        }
        let Some(tenant) = self.tenants.get_mut(key) else {
            return Err(Refusal::Room);
        };
        tenant.terms = *terms;
        tenant.bucket.fill(terms.rate, terms.burst, now);
        if tenant.bucket.left() == 0 {
            return Err(Refusal::Rate(tenant.bucket.wait()));
        }
        if tenant.waiting() > 0 {
            // Its terms may be new.
            self.file(key);
            return Ok(false);
        }
        let weights = self.weights - tenant.counted + terms.weight.get();
        let admits = self.house.admits(self.held, tenant.held, terms.memory, terms.weight, weights);
        if !admits || !self.next.is_empty() || tenant.held.calls >= terms.concurrency {
            return Ok(false);
        }
        tenant.bucket.take();
        tenant.held.add(terms.memory);
        self.held.add(terms.memory);
        self.count(key);
        Ok(true)
    }

    /// A call that arrived and has no place waits for one; it may have it at once, see [`next`](Self::next). Whoever was
    /// shed for it is told.
    pub(super) fn wait(&mut self, key: Key, who: T) -> Result<(Ticket, Option<T>), Refusal> {
        let Some(tenant) = self.tenants.get(key) else {
            return Err(Refusal::Room);
        };
        if tenant.waiting() >= tenant.terms.queue {
            return Err(Refusal::Queue);
        }
        let mut shed = None;
        if self.waiting >= self.house.room {
            let mut all = tenant.all();
            all.add(tenant.terms.memory);
            let ours = self.house.share(all, tenant.terms.weight);
            let (_, heaviest) =
                self.heaviest.last_key_value().filter(|((most, _), _)| *most > ours).ok_or(Refusal::Room)?;
            shed = self.shed(*heaviest);
        }
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        if let Some(tenant) = self.tenants.get_mut(key) {
            tenant.bucket.take();
            tenant.push(ticket, who);
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
        let tenant = self.tenants.get_mut(key)?;
        let (held, weight) = (tenant.held, tenant.terms.weight);
        let memory =
            tenant.wants().filter(|memory| self.house.admits(self.held, held, *memory, weight, self.weights))?;
        let oldest = tenant.take_oldest()?;
        tenant.held.add(memory);
        self.held.add(memory);
        self.waiting -= 1;
        self.file(key);
        Some(oldest)
    }

    /// A call that held a place has ended. What the tenant still holds.
    pub(super) fn release(&mut self, key: Key, memory: u64) -> u64 {
        self.held.remove(memory);
        let Some(tenant) = self.tenants.get_mut(key) else {
            return 0;
        };
        tenant.held.remove(memory);
        let left = tenant.held.calls;
        if tenant.waiting() > 0 {
            self.file(key);
        } else {
            self.count(key);
        }
        left
    }

    /// A call waits no longer.
    pub(super) fn give_up(&mut self, key: Key, ticket: Ticket) {
        if self.tenants.get_mut(key).and_then(|tenant| tenant.take_by_ticket(ticket)).is_some() {
            self.waiting -= 1;
            self.file(key);
        }
    }

    /// Takes away all calls of a tenant that wait.
    pub(super) fn drain(&mut self, key: Key) -> Vec<T> {
        let gone = self.tenants.get_mut(key).map(Tenant::take_all).unwrap_or_default();
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
        let at_its_limit = self.tenants.get(key).is_some_and(|tenant| tenant.held.calls >= tenant.terms.concurrency);
        if at_its_limit { Short::Tenant } else { Short::Host }
    }

    /// What is held by all, and how many calls wait.
    pub(super) fn totals(&self) -> (Load, u64) {
        (self.held, self.waiting)
    }

    /// Calls of a tenant that hold a place.
    pub(super) fn held_by(&self, key: Key) -> u64 {
        self.tenants.get(key).map_or(0, |tenant| tenant.held.calls)
    }

    /// What a tenant may begin just now, as far as its rate goes.
    pub(super) fn quota(&self, key: Key) -> RateQuota {
        self.tenants.get(key).map_or_else(RateQuota::default, |tenant| tenant.bucket.quota())
    }

    fn shed(&mut self, key: Key) -> Option<T> {
        let newest = self.tenants.get_mut(key)?.take_newest()?;
        self.waiting -= 1;
        self.file(key);
        Some(newest)
    }

    /// Counts a tenant's weight while it holds or waits for something.
    fn count(&mut self, key: Key) {
        if let Some(tenant) = self.tenants.get_mut(key) {
            let counts = if tenant.is_empty() { 0 } else { tenant.terms.weight.get() };
            self.weights = self.weights - tenant.counted + counts;
            tenant.counted = counts;
        }
    }

    /// Files a tenant anew: what it holds, what waits or its terms have changed.
    fn file(&mut self, key: Key) {
        self.count(key);
        let Some(tenant) = self.tenants.get_mut(key) else {
            return;
        };
        let [next, heaviest] = std::mem::take(&mut tenant.filed);
        next.map(|place| self.next.remove(&place));
        heaviest.map(|place| self.heaviest.remove(&place));
        let Some((oldest, newest)) = tenant.ends() else {
            return;
        };
        let share = |load| self.house.share(load, tenant.terms.weight);
        let waits_for_the_host = tenant.held.calls < tenant.terms.concurrency;
        let next = waits_for_the_host.then(|| (share(tenant.held), oldest));
        let heaviest = Some((share(tenant.all()), newest));
        tenant.filed = [next, heaviest];
        self.next.extend(next.map(|place| (place, key)));
        self.heaviest.extend(heaviest.map(|place| (place, key)));
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
