//! The door: realms, live quotas, and what the host's chores see.

use std::num::NonZeroU64;

use insula_host_api::{Storage, StorageError};
use insula_tenancy::{Authenticator, TenantId};

use super::*;
use crate::testing::{HOUR_MS, World, cache, get, key, life, namespace, put, settings};
use crate::{Holdings, MaintenanceError};

#[tokio::test]
async fn the_scope_of_another_realm_opens_nothing() {
    let (ours, theirs) = (World::start().await, World::start().await);
    assert_eq!(ours.stores.enter(&theirs.a, Limits::standard().quota()).unwrap_err(), WrongRealm);
    let second = Authenticator::new(ours.catalog.clone());
    let (_, key) =
        ours.catalog.create_key(&ours.operator, ours.a.tenant(), "second", ours.a.permissions()).await.unwrap();
    let scope = second.tenant(&key.reveal().parse().unwrap()).await.unwrap();
    assert_eq!(ours.stores.enter(&scope, Limits::standard().quota()).unwrap_err(), WrongRealm);
    ours.bystander_is_untouched().await;
}

#[tokio::test]
async fn entering_makes_no_file_and_reading_nothing_makes_none() {
    let world = World::start().await;
    let store = world.enter(&world.a);
    assert!(get(&store.storage(), "bucket", "key").await.unwrap().is_none());
    assert!(get(&store.storage(), "bucket", "key").await.unwrap().is_none());
    assert!(cache(&store).get(&namespace("n"), &key("k")).is_none());
    let holdings = world.stores.maintenance().holdings(world.a.tenant()).await.unwrap();
    assert_eq!(holdings, Holdings::default());
    assert!(!world.home(world.a.tenant()).exists());
    assert_eq!(world.stores.maintenance().holdings(TenantId::generate()).await.unwrap(), Holdings::default());
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn another_quota_reaches_handles_that_are_already_out() {
    let world = World::start().await;
    let store = world.enter(&world.a);
    put(&store.storage(), "bucket", "key", &[0; 100]).await.unwrap();
    for number in 0..8 {
        cache(&store).put(&namespace("n"), &key(&number.to_string()), vec![0; 500], life(HOUR_MS)).unwrap();
    }
    world.enter_with(&world.a, |quota| {
        quota.storage_keys = NonZeroU64::MIN;
        quota.value_bytes = NonZeroU64::new(100).unwrap();
        quota.cache_bytes = NonZeroU64::new(2_048).unwrap();
    });
    assert!(matches!(put(&store.storage(), "bucket", "key", &[0; 101]).await, Err(StorageError::ValueTooLarge { .. })));
    assert!(matches!(put(&store.storage(), "bucket", "two", b"").await, Err(StorageError::QuotaExceeded { .. })));
    let statistics = store.cache().statistics();
    assert!(statistics.bytes <= 2_048 && statistics.limit_bytes == 2_048, "{statistics:?}");
    assert!(put(&world.enter(&world.b).storage(), "bucket", "key", &[0; 101]).await.is_ok());
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn a_directory_is_removed_when_it_is_empty_and_not_before() {
    let world = World::start().await;
    let (store, maintenance) = (world.enter(&world.a), world.stores.maintenance());
    let storage = store.storage();
    put(&storage, "bucket", "key", b"value").await.unwrap();
    put(&world.enter(&world.b).storage(), "bucket", "key", b"b").await.unwrap();
    match maintenance.remove_empty(world.a.tenant()).await {
        Err(MaintenanceError::NotEmpty(left)) => assert_eq!(left.storage_keys, 1),
        other => panic!("{other:?}"),
    }
    assert_eq!(get(&storage, "bucket", "key").await.unwrap().unwrap().value, b"value");
    let delete = vec![crate::testing::write("bucket", "key", insula_host_api::Change::Delete)];
    storage.commit(Vec::new(), delete).wait().await.unwrap();

    let mut staging = store.shelf().stage(10).unwrap();
    staging.write(b"wasm").unwrap();
    let digest = store.shelf().keep_component(staging).unwrap();
    assert!(matches!(maintenance.remove_empty(world.a.tenant()).await, Err(MaintenanceError::NotEmpty(_))));
    store.shelf().remove(&digest).unwrap();

    maintenance.remove_empty(world.a.tenant()).await.unwrap();
    assert!(!world.home(world.a.tenant()).exists());
    assert!(matches!(put(&storage, "bucket", "key", b"late").await, Err(StorageError::Unavailable)));
    assert!(store.shelf().stage(10).is_err());
    assert!(get(&storage, "bucket", "key").await.unwrap().is_none());
    assert!(!world.home(world.a.tenant()).exists(), "a handle that is still out makes nothing again");
    assert_eq!(get(&world.enter(&world.b).storage(), "bucket", "key").await.unwrap().unwrap().value, b"b");
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn holdings_count_what_each_tenant_has_and_no_more() {
    let world = World::start_with(settings(2, 1 << 20)).await;
    let (a, b) = (world.enter(&world.a), world.enter(&world.b));
    put(&a.storage(), "bucket", "key", b"value").await.unwrap();
    put(&a.storage(), "bucket", "two", b"").await.unwrap();
    cache(&b).put(&namespace("n"), &key("k"), b"value".to_vec(), life(HOUR_MS)).unwrap();
    let maintenance = world.stores.maintenance();
    let of_a = maintenance.holdings(world.a.tenant()).await.unwrap();
    assert_eq!((of_a.storage_keys, of_a.storage_bytes, of_a.cache_entries), (2, 2 * (6 + 3 + 16) + 5, 0));
    let of_b = maintenance.holdings(world.b.tenant()).await.unwrap();
    assert_eq!((of_b.storage_keys, of_b.cache_entries), (0, 1));
    let bystander = maintenance.holdings(world.bystander.tenant()).await.unwrap();
    assert_eq!(maintenance.cache_ceiling(), (of_b.cache_bytes + bystander.cache_bytes, 1 << 20));
    assert!(maintenance.open_files() <= 2);
    world.bystander_is_untouched().await;
}
