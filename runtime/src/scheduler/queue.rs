//! The fair queue: pure, without threads or clocks, so that its behaviour is tested in simulated time.
//!
//! Start-time fair queueing over tenants (Goyal, Vin and Cheng, 1996) with weights, on several threads. A tenant's virtual
//! time is the processor time that it has had over its weight; the tenant with the least goes next, and of those that are
//! equal the one that waits longest. Where this departs from the paper:
//!
//! - What a slice costs is not known before it ends: one tick is charged when it begins and corrected when it ends, so that
//!   a tenant is not given every free thread before its first slice is paid for.
//! - A tenant that wakes starts no earlier than the floor, the latest time at which a slice began: idling saves nothing up.
//!   Neither does running all that one has on too few threads: a tenant that cannot use its whole share falls at most
//!   [`LAG`] of its own slices behind the floor (compare Chandra, Adler, Goyal and Shenoy, 2000, on weights that no
//!   schedule can satisfy).
//! - What could not be taken back at a tick is not lent: `unyielding.rs` holds it back while others are about.
//! - A slice that nobody waits for goes on. That counts as a slice that ended and one that began: what was idle anyway is
//!   no debt to whoever comes later.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;
use std::num::NonZeroU64;
use std::time::Duration;

use self::unyielding::{OVERRUN, Unyielding};
use super::virtual_time::cost;

mod unyielding;

/// Slices that a tenant may fall behind while all of its calls run.
const LAG: u64 = 2;
/// Tenants that may stay known without work before those that owe nothing are forgotten.
const KEPT: usize = 1_024;
/// When the floor has risen this far, every time is set back by it.
const REBASE: u64 = 1 << 62;

/// A queue of items for each tenant, and the order among tenants.
#[derive(Debug)]
pub(crate) struct FairQueue<K, T> {
    tick: Duration,
    tenants: HashMap<K, Tenant<T>>,
    /// Tenants with items that wait, by virtual time and then by turn.
    ready: BTreeMap<Place, K>,
    floor: u64,
    /// The latest virtual time of any tenant.
    latest: u64,
    turns: u64,
    /// Items that wait, and slices that run.
    waiting: usize,
    running: usize,
    /// How many tenants there may be before those that owe nothing are looked for.
    crowded: usize,
    unyielding: Unyielding<K>,
}

/// A virtual time, and the turn among equals.
type Place = (u64, u64);

#[derive(Debug)]
struct Tenant<T> {
    weight: NonZeroU64,
    virtual_time: u64,
    turn: u64,
    items: VecDeque<T>,
    /// Slices that run now.
    running: usize,
    /// The window in which it last queued a call.
    seen: u64,
}

impl<T> Tenant<T> {
    fn place(&self) -> Place {
        (self.virtual_time, self.turn)
    }
}

/// A slice that runs: what its end is charged against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice<K> {
    key: K,
    weight: NonZeroU64,
    /// The tenant's virtual time when the slice began, with what its other slices are charged.
    start: u64,
    /// What was charged for it when it began.
    charged: u64,
    /// Of its time, what was paid for when it went on.
    paid: Duration,
}

impl<K> Slice<K> {
    /// The tenant's virtual time when it began.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// The tenant's virtual time once the slice has run for so long.
    pub(crate) fn virtual_time(&self, ran: Duration) -> u64 {
        self.start.saturating_add(cost(ran.saturating_sub(self.paid), self.weight))
    }
}

impl<K: Copy + Eq + Hash, T> FairQueue<K, T> {
    /// A queue for slices of about one tick, on so many threads.
    pub(crate) fn new(tick: Duration, threads: usize) -> Self {
        Self {
            tick,
            tenants: HashMap::new(),
            ready: BTreeMap::new(),
            floor: 0,
            latest: 0,
            turns: 0,
            waiting: 0,
            running: 0,
            crowded: KEPT,
            unyielding: Unyielding::new(threads),
        }
    }

    /// It is this many ticks since the start, whatever happens next.
    pub(crate) fn at(&mut self, ticks: u64) {
        self.unyielding.at(ticks);
    }

    /// The least virtual time of those that wait; the largest number when nobody does.
    pub(crate) fn least(&self) -> u64 {
        self.ready.first_key_value().map_or(u64::MAX, |((virtual_time, _), _)| *virtual_time)
    }

    /// The turn of the tenant that goes next, where none of its slices runs.
    pub(crate) fn next_without_a_slice(&self) -> Option<u64> {
        let ((_, turn), key) = self.ready.first_key_value()?;
        self.tenants.get(key).filter(|tenant| tenant.running == 0).map(|_| *turn)
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// Puts an item at the end of its tenant's queue. The weight holds for the tenant from now on.
    pub(crate) fn push(&mut self, key: K, weight: NonZeroU64, item: T) {
        let floor = self.floor;
        let tenant = self.tenants.entry(key).or_insert_with(|| Tenant {
            weight,
            virtual_time: floor,
            turn: 0,
            items: VecDeque::new(),
            running: 0,
            seen: 0,
        });
        tenant.weight = weight;
        self.unyielding.see(tenant);
        if tenant.items.is_empty() {
            catch_up(tenant, floor, self.tick);
            self.turns += 1;
            tenant.turn = self.turns;
            self.ready.insert(tenant.place(), key);
        }
        tenant.items.push_back(item);
        self.waiting += 1;
    }

    /// Takes the first item of the tenant that has had the least for its weight, unless what waits is held back.
    pub(crate) fn pop(&mut self) -> Option<(Slice<K>, T)> {
        if self.unyielding.holds_back(self.ready.values(), &self.tenants) {
            return None;
        }
        let (_, key) = self.ready.pop_first()?;
        let tenant = self.tenants.get_mut(&key)?;
        let item = tenant.items.pop_front()?;
        tenant.running += 1;
        let slice = begin(tenant, key, Duration::ZERO, &mut self.floor, self.tick);
        if !tenant.items.is_empty() {
            self.turns += 1;
            tenant.turn = self.turns;
            self.ready.insert(tenant.place(), key);
        }
        self.waiting -= 1;
        self.running += 1;
        if self.floor >= REBASE {
            self.rebase();
        }
        Some((slice, item))
    }

    /// Ends a slice that took this long.
    pub(crate) fn charge(&mut self, slice: Slice<K>, took: Duration) {
        let Some(tenant) = self.tenants.get_mut(&slice.key) else {
            return;
        };
        tenant.running -= 1;
        self.running -= 1;
        if took.saturating_sub(slice.paid) > self.tick * OVERRUN {
            self.unyielding.overran(slice.key);
        }
        let waits = !tenant.items.is_empty();
        if waits {
            self.ready.remove(&tenant.place());
        }
        settle(tenant, &slice, took);
        self.latest = self.latest.max(tenant.virtual_time);
        if waits {
            self.ready.insert(tenant.place(), slice.key);
            return;
        }
        if self.waiting == 0 && self.running == 0 {
            // On an idle host nobody has kept anybody waiting.
            self.floor = self.floor.max(self.latest);
        }
        if self.tenants.len() > self.crowded {
            self.forget();
        }
    }

    /// Whether a slice that has run this long goes on: when all who wait have had more by now, and no other call of its own
    /// tenant waits for its turn. What it had until now is charged, as if it had ended and begun again.
    pub(crate) fn goes_on(&mut self, slice: &mut Slice<K>, ran: Duration) -> bool {
        if self.least() <= slice.virtual_time(ran) {
            return false;
        }
        let Some(tenant) = self.tenants.get_mut(&slice.key) else {
            return true;
        };
        if !tenant.items.is_empty() {
            return ran.saturating_sub(slice.paid) < self.tick / 2;
        }
        settle(tenant, slice, ran);
        catch_up(tenant, self.floor, self.tick);
        *slice = begin(tenant, slice.key, ran, &mut self.floor, self.tick);
        true
    }

    /// A tenant at or below the floor would start at the floor again: nothing is forgotten with it.
    fn forget(&mut self) {
        let floor = self.floor;
        self.tenants.retain(|_, tenant| !tenant.items.is_empty() || tenant.running > 0 || tenant.virtual_time > floor);
        self.crowded = KEPT.max(self.tenants.len().saturating_mul(2));
    }

    /// Sets every time back by the floor. Slices that run now are from before: they give way at their next tick.
    fn rebase(&mut self) {
        let floor = std::mem::take(&mut self.floor);
        self.latest = self.latest.saturating_sub(floor);
        self.ready.clear();
        for (key, tenant) in &mut self.tenants {
            tenant.virtual_time = tenant.virtual_time.saturating_sub(floor);
            if !tenant.items.is_empty() {
                self.ready.insert(tenant.place(), *key);
            }
        }
    }
}

/// Nothing is saved up: a tenant that comes back starts at the floor, and one that still runs a few slices below it.
fn catch_up<T>(tenant: &mut Tenant<T>, floor: u64, tick: Duration) {
    let lag = if tenant.running > 0 { cost(tick, tenant.weight).saturating_mul(LAG) } else { 0 };
    tenant.virtual_time = tenant.virtual_time.max(floor.saturating_sub(lag));
}

/// A slice begins: the floor rises to it, and a tick is charged.
fn begin<K, T>(tenant: &mut Tenant<T>, key: K, paid: Duration, floor: &mut u64, tick: Duration) -> Slice<K> {
    let (weight, start) = (tenant.weight, tenant.virtual_time);
    *floor = start.max(*floor);
    let charged = cost(tick, weight);
    tenant.virtual_time = start.saturating_add(charged);
    Slice { key, weight, start, charged, paid }
}

/// Replaces what was charged when a slice began by what it really took.
fn settle<K, T>(tenant: &mut Tenant<T>, slice: &Slice<K>, took: Duration) {
    let before = tenant.virtual_time.saturating_sub(slice.charged);
    tenant.virtual_time = before.saturating_add(cost(took.saturating_sub(slice.paid), slice.weight));
}

#[cfg(test)]
mod simulator;
#[cfg(test)]
mod tests;
