//! The world of the host-call target: a data directory, a catalog, and three tenants that logged in like anyone else. Two
//! act; the bystander has data of its own, which must be as it was after every plan.

use std::collections::BTreeMap;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use insula_host_api::{BucketName, Budget, EntryKey, Life, NamespaceName, Place, Storage};
use insula_host_api::{CallClock, CallLimits, Change, Grants, Host, Level, LogSink, Source, Write};
use insula_store::{Catalog, Clock, DataDir, Limits, LimitsPatch, Quota, StoreSettings, Stores, TenantStore, TierName};
use insula_tenancy::{Authenticator, TenantScope, VersionId};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::plan::{Allowed, Who};

/// What a tenant may keep here: little, so that plans meet every quota.
const STORAGE_BYTES: u64 = 12 << 10;
const STORAGE_KEYS: u64 = 20;
const CACHE_BYTES: u64 = 8 << 10;
const VALUE_BYTES: u64 = 2_500;
const WITNESS: &str = "witness";
const UNTOUCHED: &[u8] = b"untouched";
/// Longer than any plan.
const LONG_MS: u64 = 30 * 24 * 60 * 60 * 1_000;

/// A clock that stands still until it is told otherwise.
#[derive(Debug, Default)]
pub(crate) struct StillClock(AtomicU64);

impl StillClock {
    pub(crate) fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for StillClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn unix_ms(&self) -> u64 {
        self.now_ms()
    }
}

/// What one call used: nothing of time.
#[derive(Debug)]
struct NoTime;

impl CallClock for NoTime {
    fn cpu_us(&self) -> u64 {
        0
    }

    fn wall_us(&self) -> u64 {
        0
    }
}

/// One tenant's log.
#[derive(Debug, Default)]
pub(crate) struct Lines(Mutex<Vec<String>>);

impl Lines {
    pub(crate) fn count(&self) -> usize {
        self.0.lock().len()
    }

    pub(crate) fn last(&self) -> String {
        self.0.lock().last().cloned().unwrap_or_default()
    }
}

impl LogSink for Lines {
    fn write(&self, _: Level, source: Source, message: &str) {
        assert_eq!(source, Source::Log);
        self.0.lock().push(message.to_owned());
    }
}

/// What lives as long as the process.
#[derive(Debug)]
pub struct World {
    one: TenantScope,
    two: TenantScope,
    bystander: TenantScope,
    authenticator: Authenticator,
    data: Arc<DataDir>,
    versions: [VersionId; 2],
    pub(crate) runtime: Runtime,
    /// Held, so that keys can be looked up, and so that the directory is there.
    _catalog: Arc<Catalog>,
    directory: TempDir,
}

/// The stores of one plan: both tenants begin with nothing.
#[derive(Debug)]
pub(crate) struct Day<'a> {
    world: &'a World,
    pub(crate) stores: Stores,
    pub(crate) clock: Arc<StillClock>,
    one: TenantStore,
    two: TenantStore,
    bystander: TenantStore,
    pub(crate) lines: [Arc<Lines>; 2],
}

fn quota() -> Quota {
    let number = |value| NonZeroU64::new(value).unwrap_or(NonZeroU64::MIN);
    Quota {
        storage_bytes: number(STORAGE_BYTES),
        storage_keys: number(STORAGE_KEYS),
        cache_bytes: number(CACHE_BYTES),
        value_bytes: number(VALUE_BYTES),
    }
}

fn witness() -> Result<Place> {
    Ok(Place::parse(WITNESS, WITNESS)?)
}

fn cached_witness() -> Result<(NamespaceName, EntryKey)> {
    Ok((NamespaceName::parse(WITNESS)?, EntryKey::parse(WITNESS)?))
}

impl World {
    /// Makes the three tenants, and what the bystander has.
    ///
    /// # Errors
    ///
    /// When the directory, the catalog or the runtime is not to be had.
    pub fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            // With one thread for the disk, what came before is over when something new has its turn.
            .max_blocking_threads(1)
            .build()
            .context("cannot start the runtime")?;
        let directory = tempfile::tempdir().context("cannot make a directory")?;
        let data = DataDir::open(&directory.path().join("data"))?;
        let entering = runtime.block_on(Self::enter(&data));
        let (catalog, authenticator, [one, two, bystander]) = entering?;
        let versions = [VersionId::generate(), VersionId::generate()];
        let world = Self { one, two, bystander, authenticator, data, versions, runtime, _catalog: catalog, directory };
        world.runtime.block_on(async {
            world.put_witness().await?;
            world.rest().await?;
            // From here on waits of the cache are over at once: nothing else happens while a plan waits.
            tokio::time::pause();
            anyhow::Ok(())
        })?;
        Ok(world)
    }

    async fn enter(data: &Arc<DataDir>) -> Result<(Arc<Catalog>, Authenticator, [TenantScope; 3])> {
        let catalog = Catalog::open(data).await?;
        let key = catalog.ensure_operator_key().await?.context("a fresh catalog has an operator already")?;
        let authenticator = Authenticator::new(catalog.clone());
        catalog.bind(authenticator.realm());
        let operator = authenticator.operator(&key.reveal().parse()?).await?;
        let mut scopes = Vec::new();
        for name in ["one", "two", "bystander"] {
            let (_, key) = catalog
                .create_tenant(&operator, &name.parse()?, &TierName::standard(), &LimitsPatch::default())
                .await?;
            scopes.push(authenticator.tenant(&key.reveal().parse()?).await?);
        }
        let scopes = <[TenantScope; 3]>::try_from(scopes).ok().context("three tenants were made")?;
        Ok((catalog, authenticator, scopes))
    }

    async fn put_witness(&self) -> Result<()> {
        let stores = self.stores(Arc::default());
        let store = stores.enter(&self.bystander, quota())?;
        let write = Write { at: witness()?, change: Change::put(UNTOUCHED) };
        store.storage().commit(Vec::new(), vec![write]).wait().await?;
        Ok(())
    }

    /// Waits until nobody is at the disk any more: a file that is still open there could not be opened again.
    pub(crate) async fn rest(&self) -> Result<()> {
        Ok(tokio::task::spawn_blocking(|| ()).await?)
    }

    fn stores(&self, clock: Arc<StillClock>) -> Stores {
        let settings = StoreSettings {
            open_files: NonZeroUsize::new(4).unwrap_or(NonZeroUsize::MIN),
            cache_ceiling_bytes: NonZeroU64::new(3 * CACHE_BYTES).unwrap_or(NonZeroU64::MIN),
        };
        Stores::open_with_clock(Arc::clone(&self.data), self.authenticator.realm(), settings, clock)
    }

    /// Stores in which both tenants have nothing, and the bystander has what it always has.
    ///
    /// # Errors
    ///
    /// When what an earlier plan left cannot be removed.
    pub(crate) fn begin(&self) -> Result<Day<'_>> {
        for scope in [&self.one, &self.two] {
            let home = self.home(scope);
            if home.is_dir() {
                std::fs::remove_dir_all(&home).with_context(|| format!("cannot remove {}", home.display()))?;
            }
        }
        let clock = Arc::new(StillClock::default());
        let stores = self.stores(Arc::clone(&clock));
        let enter = |scope| stores.enter(scope, quota());
        let (one, two, bystander) = (enter(&self.one)?, enter(&self.two)?, enter(&self.bystander)?);
        let (namespace, key) = cached_witness()?;
        let life = Life { ttl_ms: LONG_MS, stale_ms: 0, this_version_only: false };
        bystander.cache().for_version(self.version(Who::Two)).put(&namespace, &key, UNTOUCHED.to_vec(), life)?;
        Ok(Day { world: self, stores, clock, one, two, bystander, lines: Default::default() })
    }

    /// Where a tenant's files are.
    fn home(&self, scope: &TenantScope) -> PathBuf {
        self.directory.path().join("data/tenants").join(scope.tenant().to_string())
    }

    /// The first tenant's second version is the version of nobody else.
    fn version(&self, who: Who) -> VersionId {
        let [first, second] = self.versions;
        if who == Who::OneNewer { second } else { first }
    }
}

impl Day<'_> {
    /// The host side of a new call.
    pub(crate) fn host(&self, who: Who, allowed: Allowed) -> Host {
        let store = if who == Who::Two { &self.two } else { &self.one };
        let configuration = BTreeMap::from([("name".to_owned(), config_of(who))]);
        let grants = Grants {
            storage: store.storage(),
            cache: store.cache().for_version(self.world.version(who)),
            log: self.lines_of(who),
            configuration: Arc::new(configuration),
        };
        Host::new(grants, Budget::new(limits(allowed)), Arc::new(NoTime))
    }

    pub(crate) fn lines_of(&self, who: Who) -> Arc<Lines> {
        let [one, two] = &self.lines;
        Arc::clone(if who == Who::Two { two } else { one })
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Neither tenant has more than it may.
    pub(crate) async fn check_quotas(&self) -> Result<()> {
        for store in [&self.one, &self.two] {
            let holdings = self.stores.maintenance().holdings(store.tenant()).await?;
            assert!(holdings.storage_bytes <= STORAGE_BYTES, "{} bytes in storage", holdings.storage_bytes);
            assert!(holdings.storage_keys <= STORAGE_KEYS, "{} keys in storage", holdings.storage_keys);
            assert!(holdings.cache_bytes <= CACHE_BYTES, "{} bytes in the cache", holdings.cache_bytes);
        }
        Ok(())
    }

    /// What the bystander has is there, and nothing else is.
    pub(crate) async fn check_bystander(&self) -> Result<()> {
        let found = self.bystander.storage().get(&witness()?).wait().await?;
        assert_eq!(found.map(|entry| entry.value).as_deref(), Some(UNTOUCHED), "the bystander's value");
        let buckets = self.bystander.storage().buckets(None, 10).wait().await?;
        assert_eq!(buckets, [BucketName::parse(WITNESS)?.as_str()], "the bystander's buckets");
        let (namespace, key) = cached_witness()?;
        let cache = self.bystander.cache().for_version(self.world.version(Who::Two));
        assert_eq!(cache.get(&namespace, &key).as_deref(), Some(UNTOUCHED), "the bystander's cache");
        let holdings = self.stores.maintenance().holdings(self.bystander.tenant()).await?;
        assert_eq!((holdings.storage_keys, holdings.cache_entries), (1, 1), "the bystander's holdings");
        Ok(())
    }
}

/// What a tenant's agents are configured with.
pub(crate) fn config_of(who: Who) -> String {
    if who == Who::Two { "of two".to_owned() } else { "of one".to_owned() }
}

fn limits(allowed: Allowed) -> CallLimits {
    let number = |value| NonZeroU64::new(value).unwrap_or(NonZeroU64::MIN);
    CallLimits {
        host_calls: number(allowed.calls),
        host_bytes: number(allowed.bytes),
        log_bytes: number(allowed.log_bytes),
        value_bytes: number(VALUE_BYTES),
        ..Limits::standard().call()
    }
}
