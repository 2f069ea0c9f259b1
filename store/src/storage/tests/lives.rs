//! Keys with a life: absent from its last moment on, for every reader and every writer, and counted until then.

use super::*;

fn put_for(value: &str, ttl_ms: u64) -> Change {
    Change::Put { value: value.into(), ttl_ms: Some(ttl_ms) }
}

async fn commit(storage: &TenantStorage, bucket: &str, key: &str, change: Change) -> Option<i64> {
    storage.commit(Vec::new(), vec![write(bucket, key, change)]).wait().await.unwrap().sums[0]
}

async fn keys(world: &World) -> (u64, u64) {
    let holdings = world.stores.maintenance().holdings(world.a.tenant()).await.unwrap();
    (holdings.storage_keys, holdings.storage_bytes)
}

#[tokio::test]
async fn a_key_is_gone_when_its_life_is_over_and_not_before() {
    let world = World::start().await;
    let (a, b) = (world.enter(&world.a).storage(), world.enter(&world.b).storage());
    commit(&a, "bucket", "key", put_for("of a", 100)).await;
    commit(&b, "bucket", "key", put_for("of b", 200)).await;
    put(&a, "bucket", "for ever", b"").await.unwrap();
    world.clock.advance(40);
    let entry = get(&a, "bucket", "key").await.unwrap().unwrap();
    assert_eq!((entry.value.as_slice(), entry.ttl_ms), (&b"of a"[..], Some(60)));
    assert_eq!(get(&a, "bucket", "for ever").await.unwrap().unwrap().ttl_ms, None);
    world.clock.advance(60);
    assert!(get(&a, "bucket", "key").await.unwrap().is_none());
    assert!(matches!(a.get_many(in_bucket(&["key"])).wait().await.unwrap().as_slice(), [None]));
    let page = a.list(&bucket("bucket"), insula_host_api::Selection::of_prefix("", 10)).wait().await.unwrap();
    assert_eq!(page.entries.iter().map(|entry| &*entry.key).collect::<Vec<_>>(), ["for ever"]);
    assert_eq!(get(&b, "bucket", "key").await.unwrap().unwrap().ttl_ms, Some(100));
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn to_a_commit_a_key_whose_life_is_over_is_absent() {
    let world = World::start().await;
    let a = world.enter(&world.a).storage();
    let version =
        a.commit(Vec::new(), vec![write("bucket", "key", put_for("old", 10))]).wait().await.unwrap().versions[0];
    world.clock.advance(10);
    for (what, holds) in
        [(Expectation::Present, false), (Expectation::Version(version), false), (Expectation::Absent, true)]
    {
        let done = a.commit(vec![expect("bucket", "key", what)], vec![write("bucket", "seen", add(1))]).wait().await;
        assert_eq!(done.is_ok(), holds, "{what:?}");
    }
    commit(&a, "bucket", "count", Change::Increment { delta: 5, ttl_ms: Some(10) }).await;
    world.clock.advance(10);
    assert_eq!(commit(&a, "bucket", "count", add(1)).await, Some(1), "it counts from nothing");
    assert_eq!(get(&a, "bucket", "count").await.unwrap().unwrap().ttl_ms, None, "with a life of its own");
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn a_counter_keeps_the_life_that_its_first_addition_gave_it() {
    let world = World::start().await;
    let a = world.enter(&world.a).storage();
    let hit = || Change::Increment { delta: 1, ttl_ms: Some(1_000) };
    for expected in 1..=3 {
        assert_eq!(commit(&a, "window", "ip", hit()).await, Some(expected));
        world.clock.advance(300);
    }
    world.clock.advance(99);
    assert_eq!(commit(&a, "window", "ip", hit()).await, Some(4));
    world.clock.advance(1);
    assert_eq!(commit(&a, "window", "ip", hit()).await, Some(1), "a new window");
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn a_life_can_be_given_lengthened_and_taken_and_a_put_takes_its_own() {
    let world = World::start().await;
    let a = world.enter(&world.a).storage();
    let left = async || get(&a, "bucket", "key").await.unwrap().map(|entry| entry.ttl_ms);
    commit(&a, "bucket", "key", Change::Expire { ttl_ms: Some(10) }).await;
    assert_eq!(left().await, None, "an absent key stays absent");
    put(&a, "bucket", "key", b"value").await.unwrap();
    for ttl_ms in [Some(10), Some(1_000), None, Some(20)] {
        commit(&a, "bucket", "key", Change::Expire { ttl_ms }).await;
        assert_eq!(left().await, Some(ttl_ms));
    }
    put(&a, "bucket", "key", b"another").await.unwrap();
    assert_eq!(left().await, Some(None), "the old value took its life with it");
    world.clock.advance(1_000);
    assert_eq!(get(&a, "bucket", "key").await.unwrap().unwrap().value, b"another");
    for ttl_ms in [0, insula_host_api::TTL_LIMIT_MS + 1, u64::MAX] {
        let refused = a.commit(Vec::new(), vec![write("bucket", "key", put_for("", ttl_ms))]).wait().await;
        assert_eq!(refused.unwrap_err().code(), "invalid-ttl");
    }
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn room_comes_back_with_the_next_commit_or_with_the_hosts_own_round() {
    let world = World::start().await;
    let a = world.enter(&world.a).storage();
    for number in 0..5 {
        commit(&a, "bucket", &number.to_string(), put_for("value", 10)).await;
    }
    let each = 6 + 1 + 5 + 16 + (6 + 1) + 16;
    assert_eq!(keys(&world).await, (5, 5 * each), "a key with a life counts its names twice");
    world.clock.advance(10);
    assert_eq!(a.tidy_up().unwrap(), 5);
    assert_eq!(keys(&world).await, (0, 0));
    commit(&a, "bucket", "key", put_for("value", 10)).await;
    world.clock.advance(10);
    put(&a, "bucket", "other", b"").await.unwrap();
    assert_eq!(keys(&world).await.0, 1);
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn what_is_over_takes_no_room_from_what_is_to_come() {
    let world = World::start().await;
    let a = world.enter_with(&world.a, |quota| quota.storage_keys = 1_500.try_into().unwrap()).storage();
    for round in 0..6 {
        let writes = (0..250).map(|key| write("old", &format!("{round}-{key}"), put_for("", 10))).collect();
        a.commit(Vec::new(), writes).wait().await.unwrap();
    }
    assert!(matches!(put(&a, "new", "key", b"").await, Err(StorageError::QuotaExceeded { .. })));
    world.clock.advance(10);
    // More than a commit removes in passing has to go for these.
    for round in 0..6 {
        let writes = (0..250).map(|key| write("new", &format!("{round}-{key}"), Change::put(b""))).collect();
        a.commit(Vec::new(), writes).wait().await.unwrap();
    }
    assert_eq!(keys(&world).await.0, 1_500);
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn a_clock_that_is_set_back_brings_nothing_back() {
    let world = World::start().await;
    let a = world.enter(&world.a).storage();
    world.clock.advance(1_000);
    commit(&a, "bucket", "key", put_for("value", 10)).await;
    world.clock.advance(10);
    put(&a, "bucket", "other", b"").await.unwrap();
    world.clock.set(0);
    assert!(get(&a, "bucket", "key").await.unwrap().is_none());
    commit(&a, "bucket", "late", put_for("value", 10)).await;
    assert_eq!(get(&a, "bucket", "late").await.unwrap().unwrap().ttl_ms, Some(10));
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn a_page_that_meets_many_ends_of_life_gets_on() {
    let world = World::start().await;
    let a = world.enter_with(&world.a, |quota| quota.value_bytes = (8 << 20).try_into().unwrap()).storage();
    for number in 0..5 {
        let value = vec![0; 5 << 20];
        let change = Change::Put { value, ttl_ms: Some(10) };
        a.commit(Vec::new(), vec![write("bucket", &number.to_string(), change)]).wait().await.unwrap();
    }
    put(&a, "bucket", "last", b"").await.unwrap();
    world.clock.advance(10);
    let list = async |after| {
        let selection = insula_host_api::Selection { after, ..insula_host_api::Selection::of_prefix("", 10) };
        a.list(&bucket("bucket"), selection).wait().await.unwrap()
    };
    let page = list(None).await;
    assert_eq!((page.entries.len(), page.next.as_deref()), (0, Some("2")), "it is empty, and says where to go on");
    let page = list(page.next).await;
    assert_eq!((page.entries.len(), page.next), (1, None));
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn buckets_are_named_in_order_a_page_at_a_time() {
    let world = World::start().await;
    let a = world.enter(&world.a).storage();
    assert_eq!(a.buckets(None, 10).wait().await.unwrap(), [""; 0]);
    let names = ["a", "a-", "a.b", "aa", "ab", "b"];
    for name in names {
        for key in ["1", "2", "\u{0}", "\u{10ffff}"] {
            put(&a, name, key, b"").await.unwrap();
        }
    }
    put(&world.enter(&world.b).storage(), "of-b", "1", b"").await.unwrap();
    assert_eq!(a.buckets(None, 10).wait().await.unwrap(), names);
    assert_eq!(a.buckets(None, 2).wait().await.unwrap(), names[..2]);
    assert_eq!(a.buckets(Some("a-".to_owned()), 3).wait().await.unwrap(), names[2..5]);
    assert_eq!(a.buckets(Some("b".to_owned()), 3).wait().await.unwrap(), [""; 0]);
    assert_eq!(a.buckets(Some("A".to_owned()), 3).wait().await.unwrap_err().code(), "invalid-bucket");
    assert_eq!(a.buckets(None, 0).wait().await.unwrap_err().code(), "invalid-limit");
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn a_small_commit_does_not_make_the_host_hold_all_that_a_tenant_has() {
    let world = World::start().await;
    let a = world.enter_with(&world.a, |quota| quota.value_bytes = (8 << 20).try_into().unwrap()).storage();
    put(&a, "bucket", "large", &vec![7; 5 << 20]).await.unwrap();
    for key in ["one", "two", "three"] {
        put(&a, "bucket", key, &vec![7; 2 << 20]).await.unwrap();
    }
    let expire = async |keys: &[&str]| {
        let writes = keys.iter().map(|key| write("bucket", key, Change::Expire { ttl_ms: Some(100) })).collect();
        a.commit(Vec::new(), writes).wait().await
    };
    assert_eq!(expire(&["one", "two", "three"]).await.unwrap_err().code(), "too-many");
    assert_eq!(get(&a, "bucket", "one").await.unwrap().unwrap().ttl_ms, None, "none of it was done");
    assert!(expire(&["large"]).await.is_ok(), "one value goes, whatever its size");
    assert!(expire(&["one", "two"]).await.is_ok(), "and as many as fit to the byte");
    assert_eq!(get(&a, "bucket", "two").await.unwrap().unwrap().ttl_ms, Some(100));
    let number = vec![write("bucket", "large", add(1))];
    assert_eq!(a.commit(Vec::new(), number).wait().await.unwrap_err().code(), "not-a-number");
    world.bystander_is_untouched().await;
}
