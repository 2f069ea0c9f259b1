//! A disk that is full, or fails, at every place where it can.

use super::*;
use crate::storage::faults::{self, Fault};

/// A disk with some room, some values, and some that are about to end.
async fn settle(world: &World) -> Arc<TenantStorage> {
    let a = world.enter(&world.a).storage();
    put(&a, "bucket", "key", b"before").await.unwrap();
    for number in 0..3 {
        let change = Change::Put { value: vec![7; 50_000], ttl_ms: Some(10) };
        a.commit(Vec::new(), vec![write("lives", &number.to_string(), change)]).wait().await.unwrap();
    }
    world.clock.advance(10);
    a
}

/// What the tables hold agrees with what they count.
fn recount(storage: &TenantStorage) {
    let volume = storage.inner.slot.open().unwrap().unwrap();
    let view = volume.view();
    assert_eq!(crash::recounted(&view.tables), (view.counters.keys, view.counters.bytes));
}

/// Does something on a disk with each fault at each place, until the fault no longer shows.
async fn with_each_fault<T>(
    act: impl AsyncFn(&World, &Arc<TenantStorage>) -> Result<T, StorageError>,
    check: impl AsyncFn(&World, &Arc<TenantStorage>, bool),
) -> usize {
    let mut shown = 0;
    for fault in [Fault::FullFrom as fn(u64) -> Fault, Fault::BrokenAt] {
        for at in 0.. {
            let world = World::start().await;
            let a = settle(&world).await;
            faults::inject(world.a.tenant(), fault(at));
            let done = act(&world, &a).await;
            // The neighbour's disk is well meanwhile.
            put(&world.enter(&world.b).storage(), "bucket", "key", b"of b").await.unwrap();
            let showed = faults::heal(world.a.tenant());
            if !showed {
                assert!(done.is_ok(), "without a fault it works");
                break;
            }
            shown += 1;
            assert!(done.is_ok() || matches!(done, Err(StorageError::Unavailable)));
            check(&world, &a, done.is_ok()).await;
            recount(&a);
            put(&a, "bucket", "after", b"usable again").await.unwrap();
            recount(&a);
            assert_eq!(get(&a, "bucket", "after").await.unwrap().unwrap().value, b"usable again");
            world.bystander_is_untouched().await;
        }
    }
    shown
}

#[tokio::test]
async fn a_commit_that_fails_anywhere_is_whole_or_nothing_and_the_tenant_goes_on() {
    let act = async |_: &World, a: &Arc<TenantStorage>| {
        let writes = vec![write("bucket", "key", Change::put(vec![7; 300_000])), write("bucket", "two", add(1))];
        a.commit(Vec::new(), writes).wait().await
    };
    let check = async |_: &World, a: &Arc<TenantStorage>, done: bool| {
        let value = get(a, "bucket", "key").await.unwrap().unwrap().value;
        let two = get(a, "bucket", "two").await.unwrap().is_some();
        assert_eq!(value == b"before", !two, "one without the other");
        assert!(two || !done, "what was acknowledged is there");
        for number in 0..3 {
            assert!(get(a, "lives", &number.to_string()).await.unwrap().is_none());
        }
    };
    let shown = with_each_fault(act, check).await;
    assert!(shown >= 10, "only {shown} places");
}

#[tokio::test]
async fn a_file_that_cannot_be_made_leaves_none_and_is_made_later() {
    // The first commit of a tenant makes its file: every place in making it may fail.
    let mut shown = 0;
    for fault in [Fault::FullFrom as fn(u64) -> Fault, Fault::BrokenAt] {
        for at in 0.. {
            let world = World::start().await;
            let a = world.enter(&world.a).storage();
            faults::inject(world.a.tenant(), fault(at));
            let done = put(&a, "bucket", "key", b"first").await;
            put(&world.enter(&world.b).storage(), "bucket", "key", b"of b").await.unwrap();
            if !faults::heal(world.a.tenant()) {
                done.unwrap();
                break;
            }
            shown += 1;
            let found = get(&a, "bucket", "key").await.unwrap();
            assert!(found.is_some() || done.is_err());
            put(&a, "bucket", "key", b"second").await.unwrap();
            recount(&a);
            world.bystander_is_untouched().await;
        }
    }
    assert!(shown >= 10, "only {shown} places");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compaction_that_fails_anywhere_leaves_the_old_file_or_the_new_one() {
    let act = async |_: &World, a: &Arc<TenantStorage>| a.compact().map_err(|_| StorageError::Unavailable);
    let check = async |_: &World, a: &Arc<TenantStorage>, _: bool| {
        assert_eq!(get(a, "bucket", "key").await.unwrap().unwrap().value, b"before");
    };
    let shown = with_each_fault(act, check).await;
    assert!(shown >= 5, "only {shown} places");
}

#[tokio::test]
async fn what_a_guest_is_told_says_nothing_of_the_cause() {
    let failure = Failure::Stamp { found: "ten_of_somebody_else".to_owned() };
    let told = failure.into_answer(insula_tenancy::TenantId::generate(), "get");
    let expected =
        "storage is not available just now; nothing is half done, and what was not acknowledged may be tried again";
    assert_eq!(told.to_string(), expected);
    let io = Failure::file("open the storage file")(std::io::Error::other("/secret/path"));
    assert_eq!(chain(&io), "cannot open the storage file: /secret/path");
    assert!(!io.into_answer(insula_tenancy::TenantId::generate(), "get").to_string().contains("secret"));
}
