//! Lives: fresh, then stale, then over; and entries that one version keeps to itself.

use super::*;

fn stale(ttl_ms: u64, stale_ms: u64) -> Life {
    Life { ttl_ms, stale_ms, this_version_only: false }
}

fn put_for(cache: &Arc<dyn Cache>, value: &[u8], life: Life) {
    cache.put(&namespace("n"), &key("k"), value.to_vec(), life).unwrap();
}

#[test]
fn an_entry_is_gone_when_its_time_is_over_and_not_before() {
    let alone = Alone::new(1 << 20, 1 << 20);
    put_for(&alone.cache, b"v", life(100));
    alone.clock.advance(99);
    assert!(get(&alone.cache, "n", "k").is_some());
    alone.clock.advance(1);
    assert!(get(&alone.cache, "n", "k").is_none());
    let statistics = alone.cache.statistics();
    assert_eq!((statistics.hits, statistics.misses, statistics.expired, statistics.entries), (1, 1, 1, 0));
}

#[test]
fn past_its_freshness_a_value_is_for_those_who_take_it_stale_and_for_no_others() {
    let alone = Alone::new(1 << 20, 1 << 20);
    put_for(&alone.cache, b"v", stale(100, 50));
    assert!(matches!(look_up(&alone.cache), Ok(FoundOrLease::Hit(value)) if value == b"v"));
    alone.clock.advance(100);
    assert_eq!(get(&alone.cache, "n", "k"), None);
    alone.clock.advance(49);
    assert!(matches!(look_up(&alone.cache), Ok(FoundOrLease::Stale(value, Some(_))) if value == b"v"));
    alone.clock.advance(1);
    assert!(matches!(look_up(&alone.cache), Ok(FoundOrLease::Fill(_))));
    let statistics = alone.cache.statistics();
    assert_eq!((statistics.hits, statistics.stale_hits, statistics.misses), (1, 1, 2));
    assert_eq!((statistics.leases, statistics.expired, statistics.waits), (2, 1, 0));
}

#[test]
fn the_first_who_is_given_a_stale_value_may_renew_it_and_the_others_never_wait() {
    let alone = Alone::new(1 << 20, 1 << 20);
    put_for(&alone.cache, b"old", stale(100, 50));
    alone.clock.advance(100);
    let Ok(FoundOrLease::Stale(_, Some(lease))) = look_up(&alone.cache) else { panic!("no lease") };
    for _ in 0..3 {
        assert!(matches!(look_up(&alone.cache), Ok(FoundOrLease::Stale(value, None)) if value == b"old"));
    }
    assert!(lease.fill(b"new".to_vec(), life(100)).unwrap());
    assert!(matches!(look_up(&alone.cache), Ok(FoundOrLease::Hit(value)) if value == b"new"));
    assert_eq!(alone.flights(), (0, 0));
}

#[test]
fn a_renewal_that_is_given_up_goes_to_the_next_who_is_given_the_stale_value() {
    let alone = Alone::new(1 << 20, 1 << 20);
    put_for(&alone.cache, b"old", stale(100, 50));
    alone.clock.advance(100);
    let Ok(FoundOrLease::Stale(_, Some(lease))) = look_up(&alone.cache) else { panic!("no lease") };
    drop(lease);
    assert!(matches!(look_up(&alone.cache), Ok(FoundOrLease::Stale(_, Some(_)))));
}

#[test]
fn a_value_that_ends_while_it_is_renewed_makes_the_others_wait_for_the_new_one() {
    let alone = Alone::new(1 << 20, 1 << 20);
    put_for(&alone.cache, b"old", stale(100, 50));
    alone.clock.advance(100);
    let Ok(FoundOrLease::Stale(_, Some(_lease))) = look_up(&alone.cache) else { panic!("no lease") };
    alone.clock.advance(50);
    assert!(matches!(look_up(&alone.cache), Err(CacheError::FillInProgress)));
}

#[test]
fn what_is_past_its_freshness_gives_way_before_anything_fresh() {
    let Alone { tenant, cache, clock, .. } = Alone::new(100 * (OVERHEAD + 4), 1 << 20);
    let put = |name: String, life| cache.put(&namespace("n"), &key(&name), Vec::new(), life).unwrap();
    for number in 0..50 {
        put(format!("s{number:02}"), stale(100, HOUR_MS));
        put(format!("f{number:02}"), life(HOUR_MS));
    }
    clock.advance(107);
    for number in 0..50 {
        put(format!("n{number:02}"), life(HOUR_MS));
    }
    let there = |letter| (0..50).filter(|number| get(&cache, "n", &format!("{letter}{number:02}")).is_some()).count();
    assert_eq!((there("f"), there("n")), (50, 50), "every fresh one is there");
    assert_eq!((tenant.holdings().0, cache.statistics().evicted, cache.statistics().expired), (100, 50, 0));
}

#[test]
fn what_is_over_is_counted_as_expired_however_it_goes() {
    let Alone { cache, clock, .. } = Alone::new(10 * (OVERHEAD + 3), 1 << 20);
    let put = |number: u64, life| cache.put(&namespace("n"), &key(&format!("{number}")), Vec::new(), life).unwrap();
    (10..20).for_each(|number| put(number, life(100)));
    clock.advance(100);
    put(10, life(100));
    cache.delete(&namespace("n"), &key("11"));
    (20..23).for_each(|number| put(number, life(HOUR_MS)));
    let statistics = cache.statistics();
    assert_eq!((statistics.expired, statistics.removed, statistics.evicted, statistics.entries), (4, 0, 0, 10));
}

#[test]
fn a_sweep_takes_what_is_over_and_leaves_what_is_stale() {
    let Alone { tenant, cache, clock, ceiling, .. } = Alone::new(1 << 20, 1 << 20);
    for number in 0..600 {
        let life = if number % 2 == 0 { life(100) } else { stale(100, 1_000) };
        cache.put(&namespace("n"), &key(&number.to_string()), Vec::new(), life).unwrap();
    }
    tenant.sweep();
    assert_eq!(tenant.holdings().0, 600);
    clock.advance(200);
    tenant.sweep();
    let statistics = cache.statistics();
    assert_eq!((statistics.entries, statistics.expired), (300, 300));
    assert_eq!(ceiling.used(), tenant.holdings().1);
    clock.advance(1_200);
    tenant.sweep();
    assert_eq!((cache.statistics().expired, ceiling.used()), (600, 0));
}

#[test]
fn a_value_of_one_version_is_not_there_for_another() {
    let alone = Alone::new(1 << 20, 1 << 20);
    let (one, two) = (&alone.cache, alone.tenant.for_version(VersionId::generate()));
    let tied = Life { ttl_ms: 100, stale_ms: 50, this_version_only: true };
    put_for(one, b"of one", tied);
    assert_eq!(get(one, "n", "k").unwrap(), b"of one");
    assert_eq!(get(&two, "n", "k"), None);
    let lease = take_lease(&two);
    assert!(matches!(look_up(one), Ok(FoundOrLease::Hit(_))), "a version that has its value does not wait");
    assert!(lease.fill(b"of two".to_vec(), tied).unwrap());
    assert_eq!((get(one, "n", "k"), get(&two, "n", "k").unwrap()), (None, b"of two".to_vec()));

    alone.clock.advance(100);
    assert!(matches!(look_up(one), Ok(FoundOrLease::Fill(_))), "nor is it there as stale");
    assert!(matches!(look_up(&two), Ok(FoundOrLease::Stale(..))));
    put_for(one, b"of all", life(100));
    assert_eq!(get(&two, "n", "k").unwrap(), b"of all");
    two.delete(&namespace("n"), &key("k"));
    assert_eq!(get(one, "n", "k"), None, "any version deletes");
}
