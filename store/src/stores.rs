//! The one door to tenant data: a scope goes in, and handles that belong to its tenant come out (T1, T2).

use std::collections::HashMap;
use std::fmt;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;

use insula_tenancy::{RealmId, TenantId, TenantScope};
use parking_lot::Mutex;

use crate::cache::{CacheTally, Ceiling, TenantCache};
use crate::clock::{Clock, MonotonicClock};
use crate::home::Home;
use crate::quota::LiveQuota;
use crate::shelf::{self, ArtefactKey, Shelf, ShelfError, Staging};
use crate::storage::{Disk, TenantStorage};
use crate::{DataDir, Limits, Maintenance, Quota};

/// How much work on storage files may be at the disk at once. A tenant takes part with two at most: one commit and one
/// opening read.
const DISK_PERMITS: usize = 32;

/// What the stores of a host share out.
#[derive(Debug, Clone, Copy)]
pub struct StoreSettings {
    /// Storage files that are open at once.
    pub open_files: NonZeroUsize,
    /// All cache shards together, in bytes.
    pub cache_ceiling_bytes: NonZeroU64,
}

/// A scope that another authenticator made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this scope was made by another authenticator than the one that the stores were opened for")]
pub struct WrongRealm;

/// Every tenant's storage, cache and shelf.
pub struct Stores {
    shared: Arc<Shared>,
}

/// What stays of the stores behind every door.
pub(crate) struct Shared {
    dir: Arc<DataDir>,
    realm: RealmId,
    tenants: Mutex<HashMap<TenantId, Arc<Tenant>>>,
    disk: Disk,
    ceiling: Arc<Ceiling>,
    /// What happened in the shards of tenants that are gone: totals never go back.
    past: Mutex<CacheTally>,
    clock: Arc<dyn Clock>,
    key: ArtefactKey,
    /// Whether archives that an earlier process left half-way were swept away.
    archives_swept: Mutex<bool>,
}

/// One tenant's state in this process.
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    quota: Arc<LiveQuota>,
    pub(crate) home: Arc<Home>,
    pub(crate) storage: Arc<TenantStorage>,
    pub(crate) cache: Arc<TenantCache>,
    pub(crate) shelf: Arc<Shelf>,
}

impl Stores {
    /// Opens the stores for the scopes of one realm. Opens no tenant's file yet.
    #[must_use]
    pub fn open(dir: Arc<DataDir>, realm: RealmId, settings: StoreSettings) -> Self {
        Self::open_with_clock(dir, realm, settings, Arc::new(MonotonicClock::start()))
    }

    /// The same, with another clock for lives in cache and storage.
    #[must_use]
    pub fn open_with_clock(dir: Arc<DataDir>, realm: RealmId, settings: StoreSettings, clock: Arc<dyn Clock>) -> Self {
        let disk = Disk::new(settings.open_files, DISK_PERMITS);
        let shared = Shared {
            key: ArtefactKey::derive(dir.secret()),
            dir,
            realm,
            tenants: Mutex::default(),
            disk,
            ceiling: Arc::new(Ceiling::new(settings.cache_ceiling_bytes)),
            past: Mutex::default(),
            clock,
            archives_swept: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The one door: the handles of the scope's tenant. Cheap, and makes no file.
    ///
    /// The quota takes effect at once, also for handles that are already out.
    ///
    /// # Errors
    ///
    /// [`WrongRealm`], when another authenticator made the scope.
    pub fn enter(&self, scope: &TenantScope, quota: Quota) -> Result<TenantStore, WrongRealm> {
        if scope.realm() != self.shared.realm {
            return Err(WrongRealm);
        }
        let tenant = self.shared.tenant(scope.tenant());
        if tenant.quota.set(quota) {
            tenant.cache.trim();
        }
        Ok(TenantStore(tenant))
    }

    /// A file for an archive on its way in, of at most `limit_bytes` bytes. Dropped, it is gone. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// [`ShelfError::DiskFull`] or [`ShelfError::Io`].
    pub fn stage_archive(&self, limit_bytes: u64) -> Result<Staging, ShelfError> {
        shelf::stage_archive(&self.shared.dir, &self.shared.archives_swept, limit_bytes)
    }

    /// The handle for the host's own chores. It never reads a value.
    #[must_use]
    pub fn maintenance(&self) -> Maintenance {
        Maintenance::new(Arc::clone(&self.shared))
    }
}

impl Shared {
    /// The state of a tenant, made if need be. It never leaves this crate by an id (T2).
    pub(crate) fn tenant(&self, id: TenantId) -> Arc<Tenant> {
        Arc::clone(self.tenants.lock().entry(id).or_insert_with(|| Arc::new(self.new_tenant(id))))
    }

    fn new_tenant(&self, id: TenantId) -> Tenant {
        let home = Arc::new(Home::new(self.dir.tenants(), id));
        // A chore may come before the first scope. Nothing can be put before a scope has brought the real quota.
        let quota = Arc::new(LiveQuota::new(Limits::standard().quota()));
        let cache = TenantCache::new(id, Arc::clone(&quota), Arc::clone(&self.ceiling), Arc::clone(&self.clock));
        let (disk, clock) = (self.disk.clone(), Arc::clone(&self.clock));
        Tenant {
            id,
            storage: Arc::new(TenantStorage::new(Arc::clone(&home), disk, Arc::clone(&quota), clock)),
            cache: Arc::new(cache),
            shelf: Arc::new(Shelf::new(Arc::clone(&home), self.key.clone())),
            home,
            quota,
        }
    }

    /// The state of a tenant that has any.
    pub(crate) fn known_tenant(&self, id: TenantId) -> Option<Arc<Tenant>> {
        self.tenants.lock().get(&id).map(Arc::clone)
    }

    /// The caches of all tenants, and what happened in those of tenants that are gone.
    pub(crate) fn caches(&self) -> (Vec<Arc<TenantCache>>, CacheTally) {
        let tenants = self.tenants.lock();
        (tenants.values().map(|tenant| Arc::clone(&tenant.cache)).collect(), *self.past.lock())
    }

    /// Every tenant that is known, for chores.
    pub(crate) fn tenants(&self) -> Vec<Arc<Tenant>> {
        self.tenants.lock().values().map(Arc::clone).collect()
    }

    /// Forgets a tenant whose directory was removed.
    pub(crate) fn forget(&self, tenant: &Tenant) {
        tenant.cache.close();
        let mut tenants = self.tenants.lock();
        if tenants.remove(&tenant.id).is_some() {
            self.past.lock().add(&tenant.cache.tally());
        }
    }

    pub(crate) fn realm(&self) -> RealmId {
        self.realm
    }

    pub(crate) fn ceiling(&self) -> &Ceiling {
        &self.ceiling
    }

    pub(crate) fn open_files(&self) -> usize {
        self.disk.open_files()
    }
}

/// The handles of one tenant.
#[derive(Clone)]
pub struct TenantStore(Arc<Tenant>);

impl TenantStore {
    /// Whose they are: a name, for logs and stamps.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.0.id
    }

    /// Durable storage.
    #[must_use]
    pub fn storage(&self) -> Arc<TenantStorage> {
        Arc::clone(&self.0.storage)
    }

    /// The cache shard.
    #[must_use]
    pub fn cache(&self) -> Arc<TenantCache> {
        Arc::clone(&self.0.cache)
    }

    /// Components and artefacts.
    #[must_use]
    pub fn shelf(&self) -> Arc<Shelf> {
        Arc::clone(&self.0.shelf)
    }
}

impl fmt::Debug for Stores {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Stores({} tenants)", self.shared.tenants.lock().len())
    }
}

impl fmt::Debug for TenantStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TenantStore({})", self.0.id)
    }
}

#[cfg(test)]
mod tests;
