//! Files that are written anew: smaller, the same inside, and only their own tenant's commits wait.

use super::*;

async fn fill_and_empty(world: &World, scope: &insula_tenancy::TenantScope) {
    let storage = world.enter(scope).storage();
    for number in 0..24 {
        put(&storage, "large", &number.to_string(), &vec![7; 900_000]).await.unwrap();
    }
    let writes = (0..23).map(|number| write("large", &number.to_string(), Change::Delete)).collect();
    storage.commit(Vec::new(), writes).wait().await.unwrap();
    let change = Change::Put { value: b"value".to_vec(), ttl_ms: Some(1_000) };
    storage.commit(Vec::new(), vec![write("lives", "key", change)]).wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_mostly_empty_is_written_anew_and_is_the_same_inside() {
    let world = World::start().await;
    for scope in [&world.a, &world.b] {
        fill_and_empty(&world, scope).await;
    }
    let length = |scope: &insula_tenancy::TenantScope| {
        std::fs::metadata(world.home(scope.tenant()).join("storage.redb")).unwrap().len()
    };
    let (a, of_b) = (world.enter(&world.a).storage(), length(&world.b));
    let (counters, before) = (a.counters().unwrap(), length(&world.a));
    let reader = a.inner.slot.open().unwrap().unwrap();
    let old = reader.view();
    a.tidy_up().unwrap();
    assert!(length(&world.a) < before / 4, "{} of {before}", length(&world.a));
    assert_eq!(a.counters().unwrap(), counters, "versions go on, and the quota is as it was");
    let kept = |entry: Option<insula_host_api::Entry>| entry.map(|entry| (entry.value, entry.version));
    let entry = kept(get(&a, "large", "23").await.unwrap());
    assert_eq!(entry.as_ref().unwrap().0, vec![7; 900_000]);
    let moment = Moment::new(&*world.clock, 0);
    let old_entry = kept(read::get(&old, &place("large", "23"), &moment).unwrap());
    assert_eq!(old_entry, entry, "a reader ends on the old file");
    drop((old, reader));
    let version = put(&a, "large", "after", b"").await.unwrap();
    assert_eq!(version, counters.version + 1);
    world.clock.advance(1_000);
    assert!(get(&a, "lives", "key").await.unwrap().is_none());
    assert_eq!(a.tidy_up().unwrap(), 1, "lives were taken along");
    assert_eq!(length(&world.b), of_b, "only this tenant's file");
    assert!(a.inner.slot.close_if_idle());
    assert_eq!(kept(get(&a, "large", "23").await.unwrap()), entry, "also after it was opened again");
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn a_file_that_is_full_or_absent_is_left_alone() {
    let world = World::start().await;
    let a = world.enter(&world.a).storage();
    assert_eq!(a.compact().unwrap(), Compacted::default(), "there is no file, and none is made");
    assert!(!world.home(world.a.tenant()).exists());
    put(&a, "bucket", "key", &vec![1; 100_000]).await.unwrap();
    let path = world.home(world.a.tenant()).join("storage.redb");
    let before = std::fs::metadata(&path).unwrap().ino();
    a.tidy_up().unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().ino(), before);
    let done = a.compact().unwrap();
    assert!(done.bytes_after <= done.bytes_before, "{done:?}");
    assert_ne!(std::fs::metadata(&path).unwrap().ino(), before, "by order it is written anew in any case");
    assert_eq!(get(&a, "bucket", "key").await.unwrap().unwrap().value, vec![1; 100_000]);
    world.bystander_is_untouched().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_and_readers_notice_nothing_of_compactions() {
    let world = Arc::new(World::start().await);
    let a = world.enter(&world.a).storage();
    let writers = (0..4).map(|task| {
        let a = Arc::clone(&a);
        tokio::spawn(async move {
            for number in 0..20_u8 {
                let key = format!("{task}-{number}");
                put(&a, "bucket", &key, &[number; 1_000]).await.unwrap();
                assert_eq!(get(&a, "bucket", &key).await.unwrap().unwrap().value, [number; 1_000]);
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let compacting = Arc::clone(&a);
    let compactions = tokio::task::spawn_blocking(move || {
        for _ in 0..5 {
            compacting.compact().unwrap();
        }
    });
    for writer in writers {
        writer.await.unwrap();
    }
    compactions.await.unwrap();
    assert_eq!(a.counters().unwrap().keys, 80);
    assert_eq!(a.counters().unwrap().version, 80);
    world.bystander_is_untouched().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_is_given_up_changes_nothing_and_is_not_tried_again_until_there_is_half_of_it() {
    let world = World::start().await;
    fill_and_empty(&world, &world.a).await;
    let a = world.enter(&world.a).storage();
    let writes = |change: Change| (0..256).map(|key| write("many", &key.to_string(), change.clone())).collect();
    a.commit(Vec::new(), writes(Change::put(vec![7; 5_000]))).wait().await.unwrap();
    let path = world.home(world.a.tenant()).join("storage.redb");
    let (before, counters) = (std::fs::metadata(&path).unwrap(), a.counters().unwrap());
    let given_up = a.inner.compact_within(std::time::Duration::ZERO);
    assert!(matches!(given_up, Err(Failure::TooLong(_))), "{given_up:?}");
    a.tidy_up().unwrap();
    let after = std::fs::metadata(&path).unwrap();
    assert_eq!((after.ino(), after.len(), a.counters().unwrap()), (before.ino(), before.len(), counters));
    assert!(!path.with_extension("redb.new").exists(), "the copy is gone");
    a.commit(Vec::new(), writes(Change::Delete)).wait().await.unwrap();
    a.tidy_up().unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() < before.len() / 4);
    assert_eq!(get(&a, "large", "23").await.unwrap().unwrap().value, vec![7; 900_000]);
    world.bystander_is_untouched().await;
}
