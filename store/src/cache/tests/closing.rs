//! A cache that an erasure closes: nothing is there, nothing comes back, nobody waits, and no neighbour notices.

use std::time::Duration;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_closed_cache_forgets_keeps_nothing_and_releases_everybody() {
    let ceiling = Arc::new(Ceiling::new(NonZeroU64::new(1 << 20).unwrap()));
    let (alone, bystander) = (Alone::under(&ceiling, 1 << 20), Alone::under(&ceiling, 1 << 20));
    put(&bystander.cache, "n", "k", b"untouched");
    let held = ceiling.used();
    put(&alone.cache, "n", "old", b"v");
    let lease = take_lease(&alone.cache);
    let waiters: Vec<_> = (0..3).map(|_| leases::wait(&alone.cache, Duration::from_mins(1))).collect();
    tokio::task::yield_now().await;
    assert_eq!(alone.flights(), (1, 3));

    alone.tenant.close();
    for waiter in waiters {
        match waiter.await.unwrap() {
            Ok(FoundOrLease::Fill(lease)) => assert!(!lease.fill(b"late".to_vec(), life(HOUR_MS)).unwrap()),
            other => panic!("{other:?}"),
        }
    }
    assert!(!lease.fill(b"late".to_vec(), life(HOUR_MS)).unwrap());
    put(&alone.cache, "n", "k", b"late");
    assert_eq!((get(&alone.cache, "n", "old"), get(&alone.cache, "n", "k")), (None, None));
    let [one, two] = [take_lease(&alone.cache), take_lease(&alone.cache)];
    drop(one);
    assert!(!two.fill(b"late".to_vec(), life(HOUR_MS)).unwrap(), "a lease of a closed cache leads nowhere");
    alone.cache.delete(&namespace("n"), &key("k"));
    alone.cache.clear(&namespace("n"));
    assert!(alone.tenant.inner.locked.is_idle());
    assert_eq!((alone.cache.statistics().entries, ceiling.used()), (0, held));
    assert_eq!(get(&bystander.cache, "n", "k").unwrap(), b"untouched");
    assert_eq!(bystander.cache.statistics().evicted, 0);
}

#[tokio::test]
async fn handles_of_a_tenant_that_is_gone_bring_nothing_back_and_the_totals_stay() {
    let world = World::start().await;
    let maintenance = world.stores.maintenance();
    let cache = crate::testing::cache(&world.enter(&world.a));
    put(&cache, "n", "k", b"v");
    assert_eq!(get(&cache, "n", "k").unwrap(), b"v");
    let before = maintenance.cache_tally();
    let held = maintenance.cache_ceiling().0;
    maintenance.remove_empty(world.a.tenant()).await.unwrap();
    put(&cache, "n", "k", b"v");
    assert_eq!(get(&cache, "n", "k"), None);
    assert!(maintenance.cache_ceiling().0 < held);
    assert_eq!(maintenance.cache_tally(), before);
    assert_eq!(maintenance.cache_statistics(world.a.tenant()), CacheFigures::default());
    assert_eq!(get(&crate::testing::cache(&world.enter(&world.a)), "n", "k"), None);
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn a_chore_gives_back_what_an_idle_tenant_no_longer_needs() {
    let world = World::start().await;
    let maintenance = world.stores.maintenance();
    let held = maintenance.cache_ceiling().0;
    let cache = crate::testing::cache(&world.enter(&world.a));
    put(&cache, "n", "k", b"v");
    cache.clear(&namespace("n"));
    maintenance.sweep_caches().await.unwrap();
    assert_eq!(maintenance.cache_ceiling().0, held);
    world.bystander_is_untouched().await;
}
