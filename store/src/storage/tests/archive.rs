//! Storage through an archive: all of it as of one instant, into another tenant, within that tenant's quota.

use super::*;
use crate::archive::EntryBatch;
use crate::{StorageCounters, TenantStorage};

fn put_for(value: &[u8], ttl_ms: u64) -> Change {
    Change::Put { value: value.into(), ttl_ms: Some(ttl_ms) }
}

fn export(storage: &TenantStorage) -> (StorageCounters, Vec<EntryBatch>) {
    let snapshot = storage.snapshot().unwrap();
    let mut batches = Vec::new();
    let sink = &mut |batch| {
        batches.push(batch);
        Ok(())
    };
    snapshot.export_entries(sink).unwrap();
    (snapshot.counters(), batches)
}

fn restore(storage: &TenantStorage, counters: &StorageCounters, batches: &[EntryBatch]) -> Result<(), StorageError> {
    storage.restore(&EntryBatch::default(), counters)?;
    batches.iter().try_for_each(|batch| storage.restore(batch, counters))
}

#[tokio::test]
async fn what_is_exported_is_restored_with_its_versions_lives_and_counters() {
    let world = World::start().await;
    let (a, b) = (world.enter(&world.a).storage(), world.enter(&world.b).storage());
    for number in 0..40 {
        put(&a, "bucket", &format!("key {number:02}"), &vec![number; 20_000]).await.unwrap();
    }
    let lives = vec![write("lives", "long", put_for(b"long", 1_000)), write("lives", "short", put_for(b"short", 10))];
    a.commit(Vec::new(), lives).wait().await.unwrap();
    a.commit(Vec::new(), vec![write("bucket", "key 00", Change::Delete)]).wait().await.unwrap();
    world.clock.advance(20);
    let (counters, batches) = export(&a);
    assert!(batches.len() > 1, "{} batches", batches.len());
    assert_eq!(counters.version, 43);
    restore(&b, &counters, &batches).unwrap();
    assert_eq!(export(&b), (StorageCounters { clock_ms: 20, ..counters }, batches));
    let of_a = get(&a, "bucket", "key 07").await.unwrap().unwrap();
    let of_b = get(&b, "bucket", "key 07").await.unwrap().unwrap();
    assert_eq!((of_a.version, of_a.value), (of_b.version, of_b.value));
    assert_eq!(get(&b, "lives", "long").await.unwrap().unwrap().ttl_ms, Some(980));
    assert!(get(&b, "lives", "short").await.unwrap().is_none());
    assert_eq!(put(&b, "bucket", "next", b"").await.unwrap(), 44, "no version is given out twice");
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn a_tenant_without_storage_has_an_empty_archive_that_makes_no_file() {
    let world = World::start().await;
    let a = world.enter(&world.a).storage();
    assert_eq!(export(&a), (StorageCounters::default(), Vec::new()));
    assert!(!world.home(world.a.tenant()).exists());
    world.bystander_is_untouched().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_never_sees_half_of_a_commit() {
    let world = World::start().await;
    let a = world.enter(&world.a).storage();
    let writer = {
        let a = Arc::clone(&a);
        tokio::spawn(async move {
            for number in 0..200_u32 {
                let value = number.to_string();
                let both = ["left", "right"].map(|key| write("pair", key, Change::put(value.as_bytes())));
                a.commit(Vec::new(), both.to_vec()).wait().await.unwrap();
            }
        })
    };
    let (mut last, mut seen) = (0, 0);
    while !writer.is_finished() {
        let a = Arc::clone(&a);
        let (counters, batches) = tokio::task::spawn_blocking(move || export(&a)).await.unwrap();
        let values = batches.iter().flat_map(EntryBatch::iter).map(|(_, record)| {
            let record = Record::decode(record).unwrap();
            String::from_utf8(record.value.to_vec()).unwrap()
        });
        let values: Vec<_> = values.collect();
        assert!(values.is_empty() || (values.len() == 2 && values[0] == values[1]), "{values:?}");
        assert_eq!(counters.keys, values.len() as u64);
        assert!(counters.version >= last && counters.version % 2 == 0);
        last = counters.version;
        seen += 1;
    }
    writer.await.unwrap();
    assert!(seen > 1, "only {seen} exports");
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn an_export_stays_at_its_instant_and_holds_nothing_of_another_tenant() {
    let world = World::start().await;
    let (a, b) = (world.enter(&world.a).storage(), world.enter(&world.b).storage());
    put(&a, "bucket", "key", b"of a").await.unwrap();
    put(&b, "bucket", "secret", b"of b").await.unwrap();
    let snapshot = a.snapshot().unwrap();
    put(&a, "bucket", "later", b"of a").await.unwrap();
    a.compact().unwrap();
    let mut keys = Vec::new();
    snapshot
        .export_entries(&mut |batch| {
            keys.extend(batch.iter().map(|(key, _)| key.to_vec()));
            Ok(())
        })
        .unwrap();
    assert_eq!(keys, [b"bucket\0key".to_vec()]);
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn what_is_over_the_quota_is_refused_whole() {
    let world = World::start().await;
    let a = world.enter(&world.a).storage();
    for key in ["one", "two", "three"] {
        put(&a, "bucket", key, b"value").await.unwrap();
    }
    let (counters, batches) = export(&a);
    let of_two = |quota: &mut crate::Quota| quota.storage_keys = std::num::NonZeroU64::new(2).unwrap();
    let b = world.enter_with(&world.b, of_two).storage();
    let refused = restore(&b, &counters, &batches).unwrap_err();
    assert!(matches!(refused, StorageError::QuotaExceeded { unit: "keys", .. }), "{refused}");
    assert_eq!(export(&b).0.keys, 0);
    let small = |quota: &mut crate::Quota| quota.value_bytes = std::num::NonZeroU64::new(4).unwrap();
    let b = world.enter_with(&world.b, small).storage();
    let refused = restore(&b, &counters, &batches).unwrap_err();
    assert!(matches!(refused, StorageError::ValueTooLarge { size: 5, limit: 4 }), "{refused}");
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn a_key_that_is_there_is_never_restored_over() {
    let world = World::start().await;
    let (a, b) = (world.enter(&world.a).storage(), world.enter(&world.b).storage());
    put(&a, "bucket", "absent", b"of a").await.unwrap();
    put(&a, "bucket", "key", b"of a").await.unwrap();
    put(&b, "bucket", "key", b"of b").await.unwrap();
    let (counters, batches) = export(&a);
    let refused = restore(&b, &counters, &batches).unwrap_err();
    assert!(matches!(refused, StorageError::DuplicateKey { .. }), "{refused}");
    assert_eq!(get(&b, "bucket", "key").await.unwrap().unwrap().value, b"of b");
    assert!(get(&b, "bucket", "absent").await.unwrap().is_none(), "no half of a batch");
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn an_export_of_a_tenant_that_is_erased_meanwhile_tells_nothing_more() {
    let world = World::start().await;
    let storage = world.enter(&world.a).storage();
    for number in 0..60 {
        put(&storage, "bucket", &format!("key {number:02}"), &vec![number; 20_000]).await.unwrap();
    }
    let (snapshot, maintenance, tenant) = (storage.snapshot().unwrap(), world.stores.maintenance(), world.a.tenant());
    let runtime = tokio::runtime::Handle::current();
    let exporting = tokio::task::spawn_blocking(move || {
        let mut batches = 0;
        let done = snapshot.export_entries(&mut |_| {
            batches += 1;
            runtime.block_on(maintenance.erase(tenant)).unwrap();
            Ok(())
        });
        (batches, done)
    });
    let (batches, done) = exporting.await.unwrap();
    assert_eq!((batches, done.is_err()), (1, true), "what came after the erasure was not handed out");
    world.bystander_is_untouched().await;
}
