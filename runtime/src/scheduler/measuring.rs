//! The fair queue alone, for a benchmark of it: what guest threads do to it under their one lock, and nothing else. Not in
//! an ordinary build.

use std::hint::black_box;
use std::num::{NonZeroU64, NonZeroUsize};
use std::time::{Duration, Instant};

use insula_tenancy::TenantId;
use parking_lot::Mutex;

use super::queue::FairQueue;

/// What one turn takes: a call is taken from the queue, its slice ends and is charged, and a call of the same tenant is put
/// in its place.
#[derive(Debug, Clone, Copy)]
pub struct QueueTurn {
    /// With the lock, taken twice as a guest thread and whoever brings a call do.
    pub whole: Duration,
    /// The lock alone, taken twice and given back, with nobody else there.
    pub lock: Duration,
}

/// Measures the queue with so many tenants that wait, over so many turns, each slice as long as it says.
#[must_use]
pub fn queue_turn(tenants: NonZeroUsize, turns: u32, slice: Duration) -> QueueTurn {
    let queue = Mutex::new(FairQueue::new(Duration::from_micros(500), 2));
    // The weight of the standard tier.
    let weight = NonZeroU64::MIN.saturating_add(99);
    for _ in 0..tenants.get() {
        let tenant = TenantId::generate();
        queue.lock().push(tenant, weight, tenant);
    }
    let mut running = queue.lock().pop();
    // The first of two rounds warms.
    let mut whole = Duration::MAX;
    for _ in 0..2 {
        let began = Instant::now();
        for _ in 0..turns {
            if let Some((_, tenant)) = &running {
                let mut queue = queue.lock();
                queue.push(*tenant, weight, *tenant);
                black_box(queue.least());
            }
            let mut queue = queue.lock();
            if let Some((ended, _)) = running.take() {
                queue.charge(ended, slice);
            }
            running = queue.pop();
            black_box(queue.least());
        }
        whole = began.elapsed();
    }
    let began = Instant::now();
    for _ in 0..turns {
        black_box(queue.lock().is_empty());
        black_box(queue.lock().is_empty());
    }
    QueueTurn { whole: whole / turns, lock: began.elapsed() / turns }
}
