//! The cache as a tenant sees it, and shards against a model.

use std::collections::HashMap;
use std::num::NonZeroU64;

use proptest::prelude::*;

use super::shard::OVERHEAD;
use super::*;
use crate::testing::{ManualClock, World, key, namespace, settings};

const HOUR: Duration = Duration::from_hours(1);

fn put(cache: &TenantCache, namespace_name: &str, key_text: &str, value: &[u8]) {
    cache.put(&namespace(namespace_name), &key(key_text), value.to_vec(), HOUR).unwrap();
}

fn get(cache: &TenantCache, namespace_name: &str, key_text: &str) -> Option<Vec<u8>> {
    cache.get(&namespace(namespace_name), &key(key_text))
}

fn alone(budget: u64, ceiling: u64) -> (TenantCache, Arc<ManualClock>, Arc<Ceiling>) {
    let clock = Arc::new(ManualClock::default());
    let ceiling = Arc::new(Ceiling::new(NonZeroU64::new(ceiling).unwrap()));
    let quota = crate::Quota { cache_bytes: NonZeroU64::new(budget).unwrap(), ..crate::Limits::standard().quota() };
    let cache =
        TenantCache::new(TenantId::generate(), Arc::new(LiveQuota::new(quota)), Arc::clone(&ceiling), clock.clone());
    (cache, clock, ceiling)
}

#[tokio::test]
async fn equal_names_of_two_tenants_do_not_meet() {
    let world = World::start().await;
    let (a, b) = (world.enter(&world.a).cache(), world.enter(&world.b).cache());
    put(&a, "n", "k", b"of a");
    assert_eq!(get(&b, "n", "k"), None);
    put(&b, "n", "k", b"of b");
    a.clear(&namespace("n"));
    assert_eq!(get(&a, "n", "k"), None);
    assert_eq!(get(&b, "n", "k").unwrap(), b"of b");
    b.delete(&namespace("n"), &key("k"));
    assert_eq!(get(&b, "n", "k"), None);
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn a_flood_evicts_the_flooders_own_entries_and_no_others() {
    let world = World::start_with(settings(4, 64 << 10)).await;
    let (a, b) = (world.enter(&world.a).cache(), world.enter(&world.b).cache());
    put(&b, "n", "k", b"of b");
    for number in 0..1_000 {
        put(&a, "n", &number.to_string(), &[0; 500]);
        let (used, limit) = world.stores.maintenance().cache_ceiling();
        assert!(used <= limit, "{used} of {limit}");
    }
    assert!(a.statistics().evicted > 0);
    assert_eq!((b.statistics().evicted, get(&b, "n", "k").unwrap()), (0, b"of b".to_vec()));
    world.bystander_is_untouched().await;
}

#[test]
fn an_entry_is_gone_when_its_time_is_over_and_not_before() {
    let (cache, clock, _) = alone(1 << 20, 1 << 20);
    cache.put(&namespace("n"), &key("k"), b"v".to_vec(), Duration::from_millis(100)).unwrap();
    clock.advance(99);
    assert!(get(&cache, "n", "k").is_some());
    clock.advance(1);
    assert!(get(&cache, "n", "k").is_none());
    let statistics = cache.statistics();
    assert_eq!((statistics.hits, statistics.misses, statistics.expired, statistics.entries), (1, 1, 1, 0));
}

#[test]
fn a_value_over_a_quarter_of_the_budget_is_refused_and_changes_nothing() {
    let (cache, _, _) = alone(4_000, 1 << 20);
    put(&cache, "n", "k", &[1; 1_000]);
    match cache.put(&namespace("n"), &key("k"), vec![2; 1_001], HOUR) {
        Err(CacheError::ValueTooLarge { size, limit }) => assert_eq!((size, limit), (1_001, 1_000)),
        other => panic!("{other:?}"),
    }
    assert_eq!(get(&cache, "n", "k").unwrap(), [1; 1_000]);
}

#[test]
fn clearing_a_namespace_leaves_the_others_and_gives_room_at_once() {
    let (cache, _, ceiling) = alone(100 * (OVERHEAD + 10), 1 << 30);
    for number in 0..100 {
        put(&cache, if number % 2 == 0 { "even" } else { "odd" }, &number.to_string(), b"v");
    }
    let before = cache.statistics();
    assert_eq!((before.entries, before.evicted), (100, 0));
    cache.clear(&namespace("even"));
    cache.clear(&namespace("never-used"));
    assert_eq!(cache.statistics().entries, 50);
    assert!(
        (0..100).all(|number| get(&cache, if number % 2 == 0 { "even" } else { "odd" }, &number.to_string()).is_some()
            == (number % 2 == 1))
    );
    put(&cache, "even", "0", b"new life");
    assert_eq!(get(&cache, "even", "0").unwrap(), b"new life");
    for number in 100..140 {
        put(&cache, "more", &number.to_string(), b"v");
    }
    assert_eq!(cache.statistics().evicted, 0, "what was cleared gives way before anything that lives");
    assert!(ceiling.used() <= 100 * (OVERHEAD + 10));
}

#[test]
fn a_shard_that_goes_gives_its_room_back() {
    let (cache, _, ceiling) = alone(1 << 20, 1 << 20);
    for number in 0..50 {
        put(&cache, "n", &number.to_string(), b"v");
    }
    assert!(ceiling.used() > 0);
    cache.drop_shard();
    assert_eq!(ceiling.used(), 0);
    put(&cache, "n", "again", b"v");
    drop(cache);
    assert_eq!(ceiling.used(), 0);
}

#[test]
fn what_is_read_again_outlives_a_scan() {
    let (cache, _, _) = alone(200 * (OVERHEAD + 20), 1 << 30);
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
    let state = cache.state.lock();
    let shard = state.shard.as_ref().unwrap();
    let (ghosts, entries) = (shard.ghosts(), shard.entries());
    assert!(ghosts <= entries + 1, "the ghost queue is bounded by the entries: {ghosts} and {entries}");
}

#[test]
fn under_a_ceiling_that_others_fill_a_put_is_forgotten_and_the_old_value_too() {
    let (cache, _, ceiling) = alone(1 << 20, 2_000);
    put(&cache, "n", "k", b"old");
    assert!(ceiling.try_take(2_000 - ceiling.used()));
    put(&cache, "n", "k", &[0; 100]);
    assert_eq!(get(&cache, "n", "k"), None);
    assert_eq!(cache.statistics().bytes, 0);
}

#[derive(Debug, Clone)]
enum Step {
    Get(u8, u8),
    Put(u8, u8, usize, u64),
    Delete(u8, u8),
    Clear(u8),
    Advance(u64),
    Budget(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_u8, 0..24_u8).prop_map(|(n, k)| Step::Get(n, k)),
        8 => (0..3_u8, 0..24_u8, 0..900_usize, 1..50_u64).prop_map(|(n, k, size, ttl)| Step::Put(n, k, size, ttl)),
        2 => (0..3_u8, 0..24_u8).prop_map(|(n, k)| Step::Delete(n, k)),
        1 => (0..3_u8).prop_map(Step::Clear),
        2 => (1..20_u64).prop_map(Step::Advance),
        1 => (300..12_000_u64).prop_map(Step::Budget),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_hit_is_always_the_last_put_value_and_the_budget_is_never_exceeded(
        steps in proptest::collection::vec(step(), 1..300), ceiling in 1_000..20_000_u64,
    ) {
        let (cache, clock, shared) = alone(8_000, ceiling);
        let mut model = HashMap::new();
        let mut hits = 0;
        for (number, step) in steps.into_iter().enumerate() {
            let names = |n: u8, k: u8| (namespace(&format!("n{n}")), key(&format!("k{k}")));
            match step {
                Step::Get(n, k) => {
                    let (namespace, key) = names(n, k);
                    if let Some(found) = cache.get(&namespace, &key) {
                        let (value, expires) = model.get(&(n, k)).expect("a hit was put");
                        prop_assert_eq!(&found, value);
                        prop_assert!(clock.now_ms() < *expires, "a hit is alive");
                        hits += 1;
                    }
                }
                Step::Put(n, k, size, ttl) => {
                    let (namespace, key) = names(n, k);
                    let mut value = vec![0; size];
                    value.extend_from_slice(&number.to_le_bytes());
                    if cache.put(&namespace, &key, value.clone(), Duration::from_millis(ttl)).is_ok() {
                        model.insert((n, k), (value, clock.now_ms() + ttl));
                    }
                }
                Step::Delete(n, k) => {
                    let (namespace, key) = names(n, k);
                    cache.delete(&namespace, &key);
                    model.remove(&(n, k));
                }
                Step::Clear(n) => {
                    cache.clear(&namespace(&format!("n{n}")));
                    model.retain(|(of, _), _| *of != n);
                }
                Step::Advance(ms) => clock.advance(ms),
                Step::Budget(bytes) => {
                    let quota = crate::Limits::standard().quota();
                    cache.quota.set(crate::Quota { cache_bytes: NonZeroU64::new(bytes).unwrap(), ..quota });
                    cache.trim();
                }
            }
            let (statistics, (entries, held)) = (cache.statistics(), cache.holdings());
            prop_assert!(held <= cache.quota.cache_bytes() && held <= ceiling);
            prop_assert_eq!(shared.used(), held);
            prop_assert!(statistics.bytes <= held && statistics.entries == entries);
            prop_assert!(entries <= model.len() as u64, "nothing is there that was not put");
            prop_assert!(statistics.bytes >= entries * OVERHEAD && statistics.hits == hits);
        }
    }
}
