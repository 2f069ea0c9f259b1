//! The fair queue: pure, without threads or clocks, so that its behaviour is tested in simulated time.
//!
//! Start-time fair queueing over tenants (Goyal, Vin and Cheng, 1996), with the time that a slice really took charged
//! after it: a tenant's virtual time is the processor time it has had over its weight; the tenant with the least goes
//! next; one that wakes starts no earlier than the present floor, so that idling saves nothing up.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

/// Tenants that may stay known without work before those that owe nothing are forgotten.
const KEPT: usize = 1_024;

/// A queue of items for each tenant, and the order among tenants.
#[derive(Debug)]
pub(crate) struct FairQueue<K, T> {
    tenants: HashMap<K, Tenant<T>>,
    ready: BTreeSet<(u64, K)>,
    floor: u64,
    length: usize,
}

#[derive(Debug)]
struct Tenant<T> {
    /// Nanoseconds of processor time over weight.
    virtual_time: u64,
    items: VecDeque<T>,
    /// Slices that run now and are yet to be charged.
    running: usize,
}

impl<K: Copy + Eq + Hash + Ord, T> FairQueue<K, T> {
    pub(crate) fn new() -> Self {
        Self { tenants: HashMap::new(), ready: BTreeSet::new(), floor: 0, length: 0 }
    }

    /// Items that wait.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Puts an item at the end of its tenant's queue.
    pub(crate) fn push(&mut self, key: K, item: T) {
        let floor = self.floor;
        let tenant = self.tenants.entry(key).or_insert_with(|| Tenant {
            virtual_time: floor,
            items: VecDeque::new(),
            running: 0,
        });
        if tenant.items.is_empty() {
            tenant.virtual_time = tenant.virtual_time.max(floor);
            self.ready.insert((tenant.virtual_time, key));
        }
        tenant.items.push_back(item);
        self.length += 1;
    }

    /// Takes the first item of the tenant that has had the least.
    pub(crate) fn pop(&mut self) -> Option<(K, T)> {
        let (virtual_time, key) = self.ready.pop_first()?;
        self.floor = self.floor.max(virtual_time);
        let tenant = self.tenants.get_mut(&key)?;
        let item = tenant.items.pop_front()?;
        tenant.running += 1;
        if !tenant.items.is_empty() {
            self.ready.insert((virtual_time, key));
        }
        self.length -= 1;
        Some((key, item))
    }

    /// Charges a tenant for a slice that took this long.
    pub(crate) fn charge(&mut self, key: K, took: Duration) {
        let Some(tenant) = self.tenants.get_mut(&key) else {
            return;
        };
        tenant.running = tenant.running.saturating_sub(1);
        let before = tenant.virtual_time;
        tenant.virtual_time = before.saturating_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        if !tenant.items.is_empty() {
            self.ready.remove(&(before, key));
            self.ready.insert((tenant.virtual_time, key));
        } else if self.tenants.len() > KEPT {
            // A tenant at or below the floor would start at the floor again: nothing is forgotten with it.
            let floor = self.floor;
            self.tenants
                .retain(|_, tenant| !tenant.items.is_empty() || tenant.running > 0 || tenant.virtual_time > floor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `slices` slices; each tenant's slices take as long as given. Returns the time each has had, in microseconds.
    fn simulate(queue: &mut FairQueue<char, ()>, takes: &[(char, u64)], slices: usize) -> HashMap<char, u64> {
        let mut had = HashMap::new();
        for _ in 0..slices {
            let (key, ()) = queue.pop().unwrap();
            let took = takes.iter().find(|(tenant, _)| *tenant == key).unwrap().1;
            queue.charge(key, Duration::from_micros(took));
            *had.entry(key).or_default() += took;
            queue.push(key, ());
        }
        had
    }

    #[test]
    fn time_is_shared_and_not_the_number_of_slices() {
        let mut queue = FairQueue::new();
        queue.push('a', ());
        queue.push('b', ());
        let had = simulate(&mut queue, &[('a', 1_000), ('b', 10)], 5_000);
        let (a, b) = (had[&'a'], had[&'b']);
        assert!(a.abs_diff(b) <= 1_000, "a had {a}, b had {b}");
    }

    #[test]
    fn many_calls_of_one_tenant_get_no_more_than_one_call_of_another() {
        let mut queue = FairQueue::new();
        for _ in 0..100 {
            queue.push('a', ());
        }
        queue.push('b', ());
        let had = simulate(&mut queue, &[('a', 500), ('b', 500)], 1_000);
        assert_eq!((had[&'a'], had[&'b']), (250_000, 250_000));
    }

    #[test]
    fn a_tenant_that_wakes_goes_next_and_has_saved_nothing_up() {
        let mut queue = FairQueue::new();
        queue.push('a', ());
        simulate(&mut queue, &[('a', 1_000)], 1_000);
        queue.push('b', ());
        queue.push('b', ());
        let order: Vec<char> = std::iter::from_fn(|| {
            let (key, ()) = queue.pop()?;
            queue.charge(key, Duration::from_millis(1));
            if key == 'a' {
                queue.push('a', ());
            }
            Some(key)
        })
        .take(4)
        .collect();
        assert!(order[..2].contains(&'b'), "{order:?}");
        assert_ne!(order[..3], ['b', 'b', 'b'], "{order:?}");
    }

    #[test]
    fn a_tenant_that_blinks_keeps_its_debt() {
        let mut queue = FairQueue::new();
        queue.push('a', ());
        queue.push('b', ());
        let (first, ()) = queue.pop().unwrap();
        queue.charge(first, Duration::from_secs(1));
        queue.push(first, ());
        for _ in 0..10 {
            let (key, ()) = queue.pop().unwrap();
            assert_ne!(key, first);
            queue.charge(key, Duration::from_millis(1));
            queue.push(key, ());
        }
    }

    #[test]
    fn tenants_that_owe_nothing_are_forgotten() {
        let mut queue = FairQueue::new();
        for key in 0..100_000_u32 {
            queue.push(key, ());
            let (popped, ()) = queue.pop().unwrap();
            queue.charge(popped, Duration::ZERO);
        }
        assert!(queue.tenants.len() <= KEPT + 1);
        assert_eq!(queue.len(), 0);
    }
}
