//! An erasure leaves nothing of its tenant and everything of the others, also in the bytes of every file.

use std::path::{Path, PathBuf};

use insula_host_api::{HostCall, Storage, StorageError};
use insula_tenancy::{AgentId, Permissions, TenantScope, VersionId};

use super::*;
use crate::testing::{HOUR_MS, World, cache, get, key, life, namespace, put};
use crate::{
    AgentName, CatalogError, CatalogRows, Digest, LimitsPatch, NewVersion, TenantState, TenantStore, TierName,
    UsageAmounts, UsageRow,
};

const CANARY: &str = "canary-of-the-erased";

fn name(text: &str) -> AgentName {
    text.parse().unwrap()
}

/// Every file beneath a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Files that have these bytes in them, or in their names.
fn holding(world: &World, wanted: &str) -> Vec<PathBuf> {
    let has = |bytes: &[u8]| bytes.windows(wanted.len()).any(|window| window == wanted.as_bytes());
    let mut found = files(&world.directory.path().join("data"));
    found.retain(|path| has(path.to_str().unwrap().as_bytes()) || has(&std::fs::read(path).unwrap()));
    found
}

async fn upload(world: &World, scope: &TenantScope, agent: &str, word: &str) -> VersionId {
    let bytes = format!("{agent} {word}").into_bytes();
    let shelf = world.enter(scope).shelf();
    let mut staging = shelf.stage(1 << 20).unwrap();
    staging.write(&bytes).unwrap();
    let digest = shelf.keep_component(staging).unwrap();
    let new = NewVersion { digest, component_bytes: bytes.len() as u64, report_json: format!("{{\"{word}\":1}}") };
    world.catalog.add_version(scope, &name(agent), new, true, 20, 100).await.unwrap().version.id
}

/// Gives a tenant some of everything, with a word of its own in all of it.
async fn settle(world: &World, scope: &TenantScope, word: &str) -> TenantStore {
    let store = world.enter(scope);
    for number in 0..50 {
        put(&store.storage(), word, &format!("{word}-{number}"), word.repeat(20).as_bytes()).await.unwrap();
    }
    cache(&store).put(&namespace(word), &key(word), word.into(), life(HOUR_MS)).unwrap();
    for round in 0..12 {
        settle_rows(world, scope, word, round).await;
    }
    store
}

/// Some rows in the catalog: in turns with another tenant's they split pages and merge them.
async fn settle_rows(world: &World, scope: &TenantScope, word: &str, round: usize) {
    let agent = format!("{word}-{round}");
    let version = upload(world, scope, &agent, word).await;
    let entries = (0..30).map(|entry| (format!("{word}.{entry}"), word.repeat(1 + entry * round % 90))).collect();
    world.catalog.set_configuration(scope, &name(&agent), &entries).await.unwrap();
    world.catalog.add_usage(&world.stores.maintenance(), &[usage(scope, version)]).await.unwrap();
}

fn usage(scope: &TenantScope, version: VersionId) -> UsageRow {
    let mut amounts = UsageAmounts { calls: 1, fuel: 1, ..UsageAmounts::default() };
    amounts.host_calls_by_kind.add(HostCall::StorageGet, 1);
    UsageRow { tenant: scope.tenant(), agent: AgentId::generate(), version, day: 20_261_124, amounts }
}

async fn erase(world: &World, scope: &TenantScope) -> (Remains, Remains, CatalogRows, CatalogRows) {
    let (by, tenant) = (&world.operator, scope.tenant());
    let (_, rows) = world.catalog.begin_erasure(by, tenant).await.unwrap();
    let (found, left) = world.stores.maintenance().erase(tenant).await.unwrap();
    let rows_left = world.catalog.erase_rows(by, tenant).await.unwrap();
    world.catalog.finish_erasure(by, tenant, serde_json::json!({})).await.unwrap();
    (found, left, rows, rows_left)
}

#[tokio::test]
async fn nothing_of_an_erased_tenant_is_in_any_file_and_the_others_are_as_they_were() {
    let world = World::start().await;
    let handles = settle(&world, &world.a, CANARY).await;
    settle(&world, &world.b, "word-of-b").await;
    for round in 12..40 {
        settle_rows(&world, &world.b, "word-of-b", round).await;
        settle_rows(&world, &world.a, CANARY, round).await;
    }
    let before = look_at(&world, &world.b).await;
    let journals = holding(&world, CANARY);
    assert!(journals.iter().any(|path| path.ends_with("catalog.sqlite-wal")), "{journals:?}");

    let (found, left, rows, rows_left) = erase(&world, &world.a).await;
    assert_eq!((found.storage_keys, found.components, found.cache_entries), (50, 40, 1));
    assert!(found.files >= 41 && found.file_bytes > found.storage_bytes && found.storage_bytes > 0);
    assert_eq!((rows.keys, rows.agents, rows.versions, rows.configuration, rows.usage), (1, 40, 40, 1_200, 40));
    assert_eq!((left, rows_left), (Remains::default(), CatalogRows::default()));

    assert_eq!(holding(&world, CANARY), Vec::<PathBuf>::new());
    let named = holding(&world, &world.a.tenant().to_string());
    assert!(named.iter().all(|path| path.ends_with("catalog.sqlite")), "the id is in the audit log only: {named:?}");
    assert!(matches!(put(&handles.storage(), "b", "k", b"late").await, Err(StorageError::Unavailable)));
    cache(&handles).put(&namespace("n"), &key("k"), b"late".to_vec(), life(HOUR_MS)).unwrap();
    assert!(cache(&handles).get(&namespace("n"), &key("k")).is_none());
    assert!(handles.shelf().stage(10).is_err());
    assert!(!world.home(world.a.tenant()).exists());

    assert_eq!(look_at(&world, &world.b).await, before);
    world.bystander_is_untouched().await;
}

/// All that a tenant has, in one text.
async fn look_at(world: &World, scope: &TenantScope) -> String {
    let (catalog, store) = (&world.catalog, world.enter(scope));
    let storage = store.storage();
    let buckets = storage.buckets(None, 1_000).wait().await.unwrap();
    let value = get(&storage, "word-of-b", "word-of-b-7").await.unwrap();
    let agents = catalog.agents(scope).await.unwrap();
    let configuration = catalog.configuration(scope, &agents[3].name).await.unwrap();
    let cached = cache(&store).get(&namespace("word-of-b"), &key("word-of-b"));
    let (digests, usage) = (store.shelf().digests().unwrap(), catalog.usage(scope).await.unwrap());
    format!("{buckets:?} {value:?} {agents:?} {configuration:?} {cached:?} {digests:?} {usage:?}")
}

#[tokio::test]
async fn an_erased_tenant_has_no_keys_takes_no_change_and_gives_its_name_back() {
    let world = World::start().await;
    let (catalog, by, tenant) = (&world.catalog, &world.operator, world.a.tenant());
    settle(&world, &world.a, CANARY).await;
    let (_, secret) = catalog.create_key(by, tenant, "second", Permissions::ALL).await.unwrap();
    catalog.begin_erasure(by, tenant).await.unwrap();
    let credential = secret.reveal().parse().unwrap();
    assert!(world.authenticator.tenant(&credential).await.is_err());
    // A scope that was made before opens nothing that could be made anew.
    assert!(matches!(catalog.own_tenant(&world.a).await, Err(CatalogError::NotFound)));
    let new = NewVersion { digest: Digest::of(b"late"), component_bytes: 4, report_json: String::new() };
    let late = catalog.add_version(&world.a, &name("late"), new, true, 20, 100).await;
    assert!(matches!(late, Err(CatalogError::NotFound)));
    catalog.add_usage(&world.stores.maintenance(), &[usage(&world.a, VersionId::generate())]).await.unwrap();
    let taken = catalog.create_tenant(by, &"a".parse().unwrap(), &TierName::standard(), &LimitsPatch::default()).await;
    assert!(matches!(taken, Err(CatalogError::Conflict { .. })), "the name is its own until the end");
    assert!(matches!(catalog.delete_tenant(by, tenant).await, Err(CatalogError::Conflict { .. })));

    // Killed here: a second erasure begins anew and ends it, and a third finds nothing.
    erase(&world, &world.a).await;
    let (found, left, rows, _) = erase(&world, &world.a).await;
    assert_eq!((found, left, rows), (Remains::default(), Remains::default(), CatalogRows::default()));
    let buried = catalog.tenant(by, tenant).await.unwrap();
    assert_eq!((buried.state, buried.name.as_str()), (TenantState::Erased, tenant.to_string().as_str()));
    for refused in [
        catalog.create_key(by, tenant, "k", Permissions::ALL).await.map(drop),
        catalog.update_tenant(by, tenant, None, &LimitsPatch::default()).await.map(drop),
        catalog.set_tenant_state(by, tenant, TenantState::Active).await.map(drop),
    ] {
        assert!(matches!(refused, Err(CatalogError::Conflict { .. })), "{refused:?}");
    }
    assert!(catalog.usage_of(by, tenant).await.unwrap().rows.is_empty());
    let acts = catalog.audit(by, None, 1_000).await.unwrap();
    let acts: Vec<_> = acts.iter().filter(|act| act.tenant == Some(tenant)).map(|act| act.act.as_str()).collect();
    assert_eq!(acts[acts.len() - 2..], ["tenant.erase", "tenant.erased"]);

    let (again, _) =
        catalog.create_tenant(by, &"a".parse().unwrap(), &TierName::standard(), &LimitsPatch::default()).await.unwrap();
    assert_ne!(again.id, tenant);
    catalog.delete_tenant(by, tenant).await.unwrap();
    assert!(matches!(catalog.tenant(by, tenant).await, Err(CatalogError::NotFound)));
    world.bystander_is_untouched().await;
}

#[tokio::test]
async fn a_storage_file_that_cannot_be_opened_goes_and_anothers_stays() {
    let world = World::start().await;
    let file = |scope: &TenantScope| world.home(scope.tenant()).join("storage.redb");
    std::fs::create_dir_all(world.home(world.a.tenant())).unwrap();
    std::fs::write(file(&world.a), b"no storage file at all").unwrap();
    let (_, left) = world.stores.maintenance().erase(world.a.tenant()).await.unwrap();
    assert_eq!(left, Remains::default());

    let other = world.another("other").await;
    put(&world.enter(&other).storage(), "b", "k", b"v").await.unwrap();
    std::fs::create_dir_all(world.home(world.b.tenant())).unwrap();
    std::fs::copy(file(&other), file(&world.b)).unwrap();
    assert!(world.stores.maintenance().erase(world.b.tenant()).await.is_err());
    assert!(file(&world.b).exists(), "it is stamped as another's, and is left for inspection");
    world.bystander_is_untouched().await;
}
