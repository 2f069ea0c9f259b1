//! Quotas at their very edge, alone and under contention.

use super::*;

/// `bucket` + a key of 3 bytes + a value of 11 bytes + 16 of overhead.
const ENTRY: u64 = 6 + 3 + 11 + 16;

#[tokio::test]
async fn the_quota_is_exact_and_what_is_deleted_or_shortened_is_given_back() {
    let world = World::start().await;
    let a = world.enter_with(&world.a, |quota| quota.storage_bytes = (2 * ENTRY).try_into().unwrap()).storage();
    put(&a, "bucket", "one", &[1; 11]).await.unwrap();
    match put(&a, "bucket", "two", &[2; 12]).await {
        Err(StorageError::QuotaExceeded { used, limit, needed, unit: "bytes" }) => {
            assert_eq!((used, limit, needed), (ENTRY, 2 * ENTRY, ENTRY + 1));
        }
        other => panic!("{other:?}"),
    }
    put(&a, "bucket", "two", &[2; 11]).await.unwrap();
    assert!(put(&a, "bucket", "two", &[2; 12]).await.is_err(), "an overwrite counts what it adds");
    put(&a, "bucket", "one", &[1; 10]).await.unwrap();
    put(&a, "bucket", "two", &[2; 12]).await.unwrap();
    a.commit(Vec::new(), vec![write("bucket", "one", Change::Delete)]).wait().await.unwrap();
    put(&a, "bucket", "six", &[3; 10]).await.unwrap();
    assert!(put(&a, "bucket", "six", &[3; 11]).await.is_err());
    let holdings = world.stores.maintenance().holdings(world.a.tenant()).await.unwrap();
    assert_eq!((holdings.storage_bytes, holdings.storage_keys), (2 * ENTRY, 2));
    assert!(put(&world.enter(&world.b).storage(), "bucket", "key", &[0; 1_000]).await.is_ok());
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn keys_are_counted_apart_from_bytes_and_a_swap_in_one_commit_fits() {
    let world = World::start().await;
    let a = world.enter_with(&world.a, |quota| quota.storage_keys = 2.try_into().unwrap()).storage();
    put(&a, "bucket", "one", b"").await.unwrap();
    put(&a, "bucket", "two", b"").await.unwrap();
    assert!(matches!(put(&a, "bucket", "three", b"").await, Err(StorageError::QuotaExceeded { unit: "keys", .. })));
    let swap = vec![write("bucket", "three", Change::put(b"")), write("bucket", "one", Change::Delete)];
    a.commit(Vec::new(), swap).wait().await.unwrap();
    put(&a, "bucket", "two", b"longer").await.unwrap();
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn over_a_quota_that_was_lowered_only_shrinking_is_allowed() {
    let world = World::start().await;
    let a = world.enter(&world.a).storage();
    put(&a, "bucket", "one", &[1; 100]).await.unwrap();
    put(&a, "bucket", "two", &[1; 100]).await.unwrap();
    world.enter_with(&world.a, |quota| {
        quota.storage_bytes = 10.try_into().unwrap();
        quota.storage_keys = 1.try_into().unwrap();
    });
    assert!(put(&a, "bucket", "one", &[1; 101]).await.is_err());
    put(&a, "bucket", "one", &[1; 100]).await.unwrap();
    put(&a, "bucket", "one", &[1; 50]).await.unwrap();
    a.commit(Vec::new(), vec![write("bucket", "two", Change::Delete)]).wait().await.unwrap();
    assert!(put(&a, "bucket", "two", b"").await.is_err());
    world.bystander_is_untouched().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn commits_of_many_at_once_never_exceed_the_quota() {
    let world = Arc::new(World::start().await);
    let limit = 20 * ENTRY + ENTRY / 2;
    let a = world.enter_with(&world.a, |quota| quota.storage_bytes = limit.try_into().unwrap()).storage();
    let tasks = (0..8_u32).map(|task| {
        let a = Arc::clone(&a);
        tokio::spawn(async move {
            let mut kept = 0_u64;
            for number in 0..5_u32 {
                let name = format!("{:03}", task * 5 + number);
                match put(&a, "bucket", &name, &[0; 11]).await {
                    Ok(_) => kept += 1,
                    Err(StorageError::QuotaExceeded { .. }) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
            kept
        })
    });
    let mut kept = 0;
    for task in tasks.collect::<Vec<_>>() {
        kept += task.await.unwrap();
    }
    assert_eq!(kept, 20, "not one fewer than fit, and not one more");
    let holdings = world.stores.maintenance().holdings(world.a.tenant()).await.unwrap();
    assert_eq!((holdings.storage_keys, holdings.storage_bytes), (20, 20 * ENTRY));
    world.bystander_is_untouched().await;
}
