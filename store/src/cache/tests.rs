//! The cache as calls of a tenant see it: entries, budgets and eviction here; leases, freshness and a model beside.

mod closing;
mod freshness;
mod inside;
mod leases;
mod model;

use std::num::NonZeroU64;

use insula_host_api::{CacheError, FoundOrLease, Lease, Life, Patience};

use super::shard::OVERHEAD;
use super::*;
use crate::testing::{HOUR_MS, ManualClock, World, key, life, namespace, settings};

/// One tenant's cache, without a host around it, and a version that calls it.
struct Alone {
    tenant: TenantCache,
    cache: Arc<dyn Cache>,
    clock: Arc<ManualClock>,
    ceiling: Arc<Ceiling>,
}

impl Alone {
    fn new(budget: u64, ceiling: u64) -> Self {
        Self::under(&Arc::new(Ceiling::new(NonZeroU64::new(ceiling).unwrap())), budget)
    }

    fn under(ceiling: &Arc<Ceiling>, budget: u64) -> Self {
        let (clock, ceiling) = (Arc::new(ManualClock::default()), Arc::clone(ceiling));
        let quota = Arc::new(LiveQuota::new(quota(budget)));
        let tenant = TenantCache::new(TenantId::generate(), quota, Arc::clone(&ceiling), clock.clone());
        Self { cache: tenant.for_version(VersionId::generate()), tenant, clock, ceiling }
    }

    fn set_budget(&self, budget: u64) {
        self.tenant.inner.quota.set(quota(budget));
        self.tenant.trim();
    }

    /// Flights, and callers that wait.
    fn flights(&self) -> (usize, usize) {
        self.tenant.inner.locked.flights()
    }
}

fn quota(cache_bytes: u64) -> crate::Quota {
    crate::Quota { cache_bytes: NonZeroU64::new(cache_bytes).unwrap(), ..crate::Limits::standard().quota() }
}

fn put(cache: &Arc<dyn Cache>, namespace_name: &str, key_text: &str, value: &[u8]) {
    cache.put(&namespace(namespace_name), &key(key_text), value.to_vec(), life(HOUR_MS)).unwrap();
}

fn get(cache: &Arc<dyn Cache>, namespace_name: &str, key_text: &str) -> Option<Vec<u8>> {
    cache.get(&namespace(namespace_name), &key(key_text))
}

/// Looks up `n/k` as a caller that does not wait.
fn look_up(cache: &Arc<dyn Cache>) -> Result<FoundOrLease, CacheError> {
    match cache.get_or_fill(&namespace("n"), &key("k"), Patience::For(std::time::Duration::ZERO)) {
        insula_host_api::Answer::Ready(answer) => answer,
        insula_host_api::Answer::Later(_) => panic!("a caller that does not wait waits"),
    }
}

fn take_lease(cache: &Arc<dyn Cache>) -> Box<dyn Lease> {
    match look_up(cache) {
        Ok(FoundOrLease::Fill(lease)) => lease,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn equal_names_of_two_tenants_do_not_meet() {
    let world = World::start().await;
    let version = VersionId::generate();
    let [a, b] = [&world.a, &world.b].map(|scope| world.enter(scope).cache().for_version(version));
    put(&a, "n", "k", b"of a");
    assert_eq!(get(&b, "n", "k"), None);
    let lease = take_lease(&b);
    put(&b, "n", "k", b"of b");
    a.clear(&namespace("n"));
    assert_eq!(get(&a, "n", "k"), None);
    assert!(!lease.fill(b"late".to_vec(), life(HOUR_MS)).unwrap());
    assert_eq!(get(&b, "n", "k").unwrap(), b"of b");
    b.delete(&namespace("n"), &key("k"));
    assert_eq!(get(&b, "n", "k"), None);
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn a_flood_evicts_the_flooders_own_entries_and_no_others() {
    let world = World::start_with(settings(4, 64 << 10)).await;
    let [a, b] = [&world.a, &world.b].map(|scope| crate::testing::cache(&world.enter(scope)));
    put(&b, "n", "k", b"of b");
    for number in 0..1_000 {
        put(&a, "n", &number.to_string(), &[0; 500]);
        let (used, limit) = world.stores.maintenance().cache_ceiling();
        assert!(used <= limit, "{used} of {limit}");
    }
    assert!(a.statistics().evicted > 0);
    assert_eq!((b.statistics().evicted, get(&b, "n", "k").unwrap()), (0, b"of b".to_vec()));
    let (of_a, of_b) =
        [&world.a, &world.b].map(|scope| world.stores.maintenance().cache_statistics(scope.tenant())).into();
    assert_eq!((of_a.tally.evicted_for_budget, of_a.tally.evicted_for_ceiling), (0, a.statistics().evicted));
    assert_eq!(of_b.tally.evicted(), 0);
    world.bystander_is_untouched().await;
}

#[test]
fn a_value_over_a_quarter_of_the_budget_is_refused_and_changes_nothing() {
    let alone = Alone::new(4_000, 1 << 20);
    put(&alone.cache, "n", "k", &[1; 1_000]);
    match alone.cache.put(&namespace("n"), &key("k"), vec![2; 1_001], life(HOUR_MS)) {
        Err(CacheError::ValueTooLarge { size, limit }) => assert_eq!((size, limit), (1_001, 1_000)),
        other => panic!("{other:?}"),
    }
    assert_eq!(get(&alone.cache, "n", "k").unwrap(), [1; 1_000]);
}

#[test]
fn clearing_a_namespace_leaves_the_others_and_gives_room_at_once() {
    let Alone { cache, ceiling, tenant, .. } = Alone::new(2_000 * (OVERHEAD + 10), 1 << 30);
    for number in 0..2_000 {
        put(&cache, if number % 2 == 0 { "even" } else { "odd" }, &number.to_string(), b"v");
    }
    let before = cache.statistics();
    assert_eq!((before.entries, before.evicted), (2_000, 0));
    cache.clear(&namespace("even"));
    let after = cache.statistics();
    assert_eq!((after.entries, after.removed), (1_000, 1_000));
    assert!(tenant.holdings().1 > after.bytes, "what was cleared is given back bit by bit");
    cache.clear(&namespace("never-used"));
    for number in 0..2_000 {
        let is_there = get(&cache, if number % 2 == 0 { "even" } else { "odd" }, &number.to_string()).is_some();
        assert_eq!(is_there, number % 2 == 1);
    }
    put(&cache, "even", "0", b"new life");
    assert_eq!(get(&cache, "even", "0").unwrap(), b"new life");
    for number in 2_000..2_950 {
        put(&cache, "more", &number.to_string(), b"v");
    }
    assert_eq!(cache.statistics().evicted, 0, "what was cleared gives way before anything that lives");
    assert!(ceiling.used() <= 2_000 * (OVERHEAD + 10));
}

#[test]
fn a_tenant_that_keeps_nothing_and_waits_for_nothing_holds_no_memory() {
    let alone = Alone::new(1 << 20, 1 << 20);
    let nothing = |when: &str| {
        assert!(alone.tenant.inner.locked.is_idle(), "{when}");
        assert_eq!(alone.ceiling.used(), 0, "{when}");
    };
    nothing("at first");
    let _ = get(&alone.cache, "n", "k");
    alone.cache.clear(&namespace("n"));
    nothing("after a read of nothing");
    drop(take_lease(&alone.cache));
    nothing("after a lease that was dropped");
    put(&alone.cache, "n", "k", b"v");
    assert!(!alone.tenant.inner.locked.is_idle());
    alone.cache.delete(&namespace("n"), &key("k"));
    nothing("after a deletion");
    put(&alone.cache, "n", "k", b"v");
    alone.cache.clear(&namespace("n"));
    nothing("after a namespace was cleared");
    put(&alone.cache, "n", "k", b"v");
    alone.clock.advance(HOUR_MS);
    let _ = get(&alone.cache, "n", "k");
    nothing("after a read of what is over");
    for number in 0..1_000 {
        put(&alone.cache, "n", &number.to_string(), b"v");
    }
    alone.clock.advance(2 * HOUR_MS);
    alone.tenant.sweep();
    nothing("after a sweep");
    put(&alone.cache, "n", "k", b"v");
    alone.set_budget(1);
    nothing("after the budget became too small for anything");
}

#[test]
fn a_shard_that_goes_gives_its_room_back() {
    let Alone { tenant, cache, ceiling, .. } = Alone::new(1 << 20, 1 << 20);
    put(&cache, "n", "k", b"v");
    assert!(ceiling.used() > 0);
    drop((tenant, cache));
    assert_eq!(ceiling.used(), 0);
}

#[test]
fn what_is_read_again_outlives_a_scan() {
    let Alone { tenant, cache, .. } = Alone::new(200 * (OVERHEAD + 20), 1 << 30);
    for number in 0..20 {
        put(&cache, "hot", &number.to_string(), b"v");
        for _ in 0..2 {
            get(&cache, "hot", &number.to_string());
        }
    }
    for number in 0..5_000 {
        put(&cache, "scan", &number.to_string(), b"v");
    }
    let kept = (0..20).filter(|number| get(&cache, "hot", &number.to_string()).is_some()).count();
    assert_eq!(kept, 20);
    tenant.inner.locked.with_shard(|shard| {
        let (ghosts, entries) = (shard.ghost.count(), shard.entries());
        assert!(ghosts <= entries + 1, "the ghost queue is bounded by the entries: {ghosts} and {entries}");
    });
}

#[test]
fn under_a_ceiling_that_others_fill_a_put_is_forgotten_and_the_old_value_too() {
    let Alone { tenant, cache, ceiling, .. } = Alone::new(1 << 20, 2_000);
    put(&cache, "n", "k", b"old");
    assert!(ceiling.try_take(2_000 - ceiling.used()));
    put(&cache, "n", "k", &[0; 100]);
    assert_eq!(get(&cache, "n", "k"), None);
    assert_eq!(cache.statistics().bytes, 0);
    let tally = tenant.figures().tally;
    assert_eq!((tally.evicted_for_budget, tally.evicted_for_ceiling, tally.removed), (0, 1, 1));
}

#[test]
fn every_entry_that_goes_is_counted_once_and_by_its_cause() {
    let alone = Alone::new(10 * (OVERHEAD + 3), 1 << 20);
    for number in 0..12 {
        put(&alone.cache, "n", &format!("{number:02}"), b"");
    }
    put(&alone.cache, "n", "11", b"");
    alone.cache.delete(&namespace("n"), &key("11"));
    alone.cache.delete(&namespace("n"), &key("11"));
    alone.cache.clear(&namespace("n"));
    alone.cache.put(&namespace("n"), &key("k"), Vec::new(), life(1)).unwrap();
    alone.clock.advance(1);
    assert_eq!(get(&alone.cache, "n", "k"), None);
    let statistics = alone.cache.statistics();
    assert_eq!((statistics.evicted, statistics.removed, statistics.expired), (2, 1 + 1 + 9, 1));
    let tally = alone.tenant.figures().tally;
    assert_eq!((tally.evicted_for_budget, tally.evicted_for_ceiling), (2, 0));
}

#[test]
fn a_thousand_times_of_day_make_few_days() {
    let Alone { tenant, cache, clock, .. } = Alone::new(1 << 24, 1 << 30);
    for number in 0..10_000_u64 {
        clock.advance(7);
        cache.put(&namespace("n"), &key(&number.to_string()), Vec::new(), life(HOUR_MS + number)).unwrap();
    }
    let days = tenant.inner.locked.with_shard(|shard| inside::days(shard));
    assert!(days <= 64, "{days}");
}

#[test]
fn what_is_counted_is_no_less_than_what_is_taken() {
    type Shape = fn(&Alone, u64);
    let plain: Shape = |alone, number| put(&alone.cache, "n", &number.to_string(), b"");
    let own_namespace: Shape = |alone, number| put(&alone.cache, &number.to_string(), "k", b"");
    let own_day: Shape = |alone, number| {
        let life = life(1 + number * 370_001 % (24 * HOUR_MS));
        alone.cache.put(&namespace("n"), &key(&number.to_string()), Vec::new(), life).unwrap();
    };
    let large: Shape = |alone, number| put(&alone.cache, "n", &number.to_string(), &[0; 20_000]);
    let shapes = [plain, own_namespace, own_day, large];
    let alone = Alone::new(1 << 19, 1 << 30);
    // Every shape after every other, so that each meets the tables that another left.
    for (after, shape) in [0, 1, 2, 3, 1, 0, 2, 1, 3, 0, 3, 2, 0].into_iter().enumerate() {
        for number in 0..3_000 {
            shapes[shape](&alone, number);
            if number % 100 == 99 {
                let taken = alone.tenant.inner.locked.with_shard(|shard| inside::reckon(shard));
                let counted = alone.tenant.holdings().1;
                // A shard itself takes a few hundred bytes, however little is in it.
                assert!(taken <= counted + 1_024, "{taken} of {counted}: shape {shape}, as number {after}");
            }
        }
    }
}
