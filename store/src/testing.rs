//! The world of this crate's tests: a data directory, a catalog, an authenticator, and three tenants that logged in like
//! anyone else. Two act; the bystander has data of its own, which every test may find untouched at its end.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use insula_host_api::{
    BucketName, Cache, Change, Entry, EntryKey, Life, NamespaceName, Place, Storage, StorageError, Write,
};
use insula_tenancy::{Authenticator, NewKey, OperatorScope, TenantId, TenantScope, VersionId};
use tempfile::TempDir;

use crate::{
    Catalog, Clock, DataDir, Limits, LimitsPatch, Quota, StoreSettings, Stores, TenantStorage, TenantStore, TierName,
};

pub(crate) const HOUR_MS: u64 = 60 * 60 * 1_000;

/// A clock that stands still until it is told otherwise.
#[derive(Debug, Default)]
pub(crate) struct ManualClock(AtomicU64);

impl ManualClock {
    pub(crate) fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }

    /// Sets it, also back.
    pub(crate) fn set(&self, ms: u64) {
        self.0.store(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn unix_ms(&self) -> u64 {
        self.now_ms()
    }
}

pub(crate) struct World {
    pub(crate) a: TenantScope,
    pub(crate) b: TenantScope,
    pub(crate) bystander: TenantScope,
    pub(crate) operator: OperatorScope,
    pub(crate) stores: Stores,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) authenticator: Authenticator,
    pub(crate) data: Arc<DataDir>,
    pub(crate) directory: TempDir,
    pub(crate) clock: Arc<ManualClock>,
}

pub(crate) fn settings(open_files: usize, cache_ceiling_bytes: u64) -> StoreSettings {
    StoreSettings {
        open_files: NonZeroUsize::new(open_files).unwrap(),
        cache_ceiling_bytes: NonZeroU64::new(cache_ceiling_bytes).unwrap(),
    }
}

pub(crate) async fn log_in(authenticator: &Authenticator, key: NewKey) -> TenantScope {
    authenticator.tenant(&key.reveal().parse().unwrap()).await.unwrap()
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(settings(512, 1 << 30)).await
    }

    pub(crate) async fn start_with(settings: StoreSettings) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDir::open(&directory.path().join("data")).unwrap();
        let catalog = Catalog::open(&data).await.unwrap();
        let operator_key = catalog.ensure_operator_key().await.unwrap().unwrap();
        let authenticator = Authenticator::new(catalog.clone());
        catalog.bind(authenticator.realm());
        let operator = authenticator.operator(&operator_key.reveal().parse().unwrap()).await.unwrap();
        let mut scopes = Vec::new();
        for name in ["a", "b", "bystander"] {
            let made = catalog
                .create_tenant(&operator, &name.parse().unwrap(), &TierName::standard(), &LimitsPatch::default())
                .await;
            scopes.push(log_in(&authenticator, made.unwrap().1).await);
        }
        let clock = Arc::new(ManualClock::default());
        let stores = Stores::open_with_clock(data.clone(), authenticator.realm(), settings, clock.clone());
        let [a, b, bystander] = <[TenantScope; 3]>::try_from(scopes).unwrap();
        let world = Self { a, b, bystander, operator, stores, catalog, authenticator, data, directory, clock };
        let store = world.enter(&world.bystander);
        put(&store.storage(), "witness", "key", b"untouched").await.unwrap();
        cache(&store).put(&namespace("witness"), &key("key"), b"untouched".to_vec(), life(HOUR_MS)).unwrap();
        world
    }

    /// One more tenant.
    pub(crate) async fn another(&self, name: &str) -> TenantScope {
        let made = self
            .catalog
            .create_tenant(&self.operator, &name.parse().unwrap(), &TierName::standard(), &LimitsPatch::default())
            .await;
        log_in(&self.authenticator, made.unwrap().1).await
    }

    pub(crate) fn enter(&self, scope: &TenantScope) -> TenantStore {
        self.stores.enter(scope, Limits::standard().quota()).unwrap()
    }

    pub(crate) fn enter_with(&self, scope: &TenantScope, change: impl FnOnce(&mut Quota)) -> TenantStore {
        let mut quota = Limits::standard().quota();
        change(&mut quota);
        self.stores.enter(scope, quota).unwrap()
    }

    /// Where a tenant's files are.
    pub(crate) fn home(&self, tenant: TenantId) -> PathBuf {
        self.directory.path().join("data/tenants").join(tenant.to_string())
    }

    /// What the bystander put at the start is there, and nothing else is.
    pub(crate) async fn bystander_is_untouched(&self) {
        let store = self.enter(&self.bystander);
        assert_eq!(get(&store.storage(), "witness", "key").await.unwrap().unwrap().value, b"untouched");
        assert_eq!(cache(&store).get(&namespace("witness"), &key("key")).unwrap(), b"untouched");
        let holdings = self.stores.maintenance().holdings(self.bystander.tenant()).await.unwrap();
        assert_eq!((holdings.storage_keys, holdings.cache_entries, holdings.components), (1, 1, 0));
    }
}

/// The cache of a tenant, as some version sees it.
pub(crate) fn cache(store: &TenantStore) -> Arc<dyn Cache> {
    store.cache().for_version(VersionId::generate())
}

/// A life for all versions, without staleness.
pub(crate) fn life(ttl_ms: u64) -> Life {
    Life { ttl_ms, stale_ms: 0, this_version_only: false }
}

pub(crate) fn bucket(text: &str) -> BucketName {
    BucketName::parse(text).unwrap()
}

pub(crate) fn namespace(text: &str) -> NamespaceName {
    NamespaceName::parse(text).unwrap()
}

pub(crate) fn key(text: &str) -> EntryKey {
    EntryKey::parse(text).unwrap()
}

pub(crate) fn place(bucket: &str, key: &str) -> Place {
    Place::parse(bucket, key).unwrap()
}

pub(crate) fn write(bucket: &str, key: &str, change: Change) -> Write {
    Write { at: place(bucket, key), change }
}

pub(crate) async fn put(storage: &TenantStorage, bucket: &str, key: &str, value: &[u8]) -> Result<u64, StorageError> {
    let writes = vec![write(bucket, key, Change::put(value))];
    storage.commit(Vec::new(), writes).wait().await.map(|committed| committed.versions[0])
}

pub(crate) async fn get(storage: &TenantStorage, bucket: &str, key: &str) -> Result<Option<Entry>, StorageError> {
    storage.get(&place(bucket, key)).wait().await
}
