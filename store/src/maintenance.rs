//! The host's own chores: counting, and removing what is empty. Nothing here reads a value.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use insula_tenancy::{RealmId, TenantId};
use serde::Serialize;

use crate::cache::{CacheFigures, CacheTally};
use crate::storage::{Compacted, Failure, chain};
use crate::stores::{Shared, Tenant};

/// What a tenant has here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Holdings {
    /// Keys in durable storage.
    pub storage_keys: u64,
    /// Durable storage, in bytes as the quota counts them.
    pub storage_bytes: u64,
    /// Components on the shelf.
    pub components: u64,
    /// Artefacts on the shelf.
    pub artefacts: u64,
    /// Entries in the cache.
    pub cache_entries: u64,
    /// The cache shard, in bytes as the quota counts them.
    pub cache_bytes: u64,
}

/// Why a chore was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaintenanceError {
    /// There is something left, which only an erasure may remove.
    #[error("the tenant still has {} keys in storage and {} components", .0.storage_keys, .0.components)]
    NotEmpty(Holdings),
    /// The chore was broken off.
    #[error("the chore did not come to its end")]
    Interrupted(#[source] tokio::task::JoinError),
    /// The disk, or an engine on it, refused.
    #[error("cannot {operation} of {tenant}")]
    Failed {
        /// What was tried.
        operation: &'static str,
        /// Whose it was.
        tenant: TenantId,
        /// Why it failed.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// The handle for the host's own chores.
#[derive(Clone)]
pub struct Maintenance {
    pub(crate) shared: Arc<Shared>,
}

impl Maintenance {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) fn realm(&self) -> RealmId {
        self.shared.realm()
    }

    /// Counts what a tenant has. Opens its storage file if need be, and makes none.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError::Failed`].
    pub async fn holdings(&self, tenant: TenantId) -> Result<Holdings, MaintenanceError> {
        let state = self.shared.tenant(tenant);
        on_disk("count the holdings", tenant, move || holdings(&state)).await
    }

    /// Removes the directory of a tenant that has no keys in storage and no components. Handles that are still out find
    /// nothing afterwards, and can write nothing.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError::NotEmpty`], [`MaintenanceError::Failed`] (also when the storage is in use just now).
    pub async fn remove_empty(&self, tenant: TenantId) -> Result<(), MaintenanceError> {
        let shared = Arc::clone(&self.shared);
        let work = move || {
            let state = shared.tenant(tenant);
            let others_empty = || {
                let (components, _) = state.shelf.counts().map_err(Failure::file("list the shelf"))?;
                Ok(components == 0)
            };
            let (_, removed) = state.storage.remove_if_empty(others_empty)?;
            if removed {
                shared.forget(&state);
                return Ok(None);
            }
            holdings(&state).map(Some)
        };
        match on_disk("remove the directory", tenant, work).await? {
            None => Ok(()),
            Some(left) => Err(MaintenanceError::NotEmpty(left)),
        }
    }

    /// Writes a tenant's storage file anew, as small as what is in it. Readers go on; the tenant's commits wait, for five
    /// seconds at most: a file that takes longer is left as it was.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError::Failed`], also when it would take too long.
    pub async fn compact(&self, tenant: TenantId) -> Result<Compacted, MaintenanceError> {
        let state = self.shared.tenant(tenant);
        on_disk("compact the storage", tenant, move || state.storage.compact()).await
    }

    /// Goes over the storage files that are open: removes keys whose life is over, and writes files anew that are mostly
    /// empty. What fails for one tenant is logged, and the others have their turn.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError::Interrupted`].
    pub async fn tidy_storage(&self) -> Result<(), MaintenanceError> {
        let shared = Arc::clone(&self.shared);
        let tidy = move || {
            for state in shared.tenants() {
                if let Err(failure) = state.storage.tidy_up() {
                    tracing::warn!(tenant = %state.id, cause = %chain(&failure), "a storage file was not tidied up");
                }
            }
        };
        tokio::task::spawn_blocking(tidy).await.map_err(MaintenanceError::Interrupted)
    }

    /// Storage files that are open now.
    #[must_use]
    pub fn open_files(&self) -> usize {
        self.shared.open_files()
    }

    /// Bytes that all cache shards hold together, and the most that they may.
    #[must_use]
    pub fn cache_ceiling(&self) -> (u64, u64) {
        (self.shared.ceiling().used(), self.shared.ceiling().limit())
    }

    /// How one tenant's cache shard is doing. All zero when it has none.
    #[must_use]
    pub fn cache_statistics(&self, tenant: TenantId) -> CacheFigures {
        self.shared.known_tenant(tenant).map(|state| state.cache.figures()).unwrap_or_default()
    }

    /// What happened in all cache shards together since the host started, those of tenants that are gone included.
    #[must_use]
    pub fn cache_tally(&self) -> CacheTally {
        let (caches, mut total) = self.shared.caches();
        caches.iter().for_each(|cache| total.add(&cache.tally()));
        total
    }

    /// Gives back the room of cache entries that nobody is given any more: those of a tenant that does not call would keep
    /// it from others.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError::Interrupted`].
    pub async fn sweep_caches(&self) -> Result<(), MaintenanceError> {
        let shared = Arc::clone(&self.shared);
        let sweep = move || shared.caches().0.iter().for_each(|cache| cache.sweep());
        tokio::task::spawn_blocking(sweep).await.map_err(MaintenanceError::Interrupted)
    }
}

fn holdings(state: &Tenant) -> Result<Holdings, Failure> {
    let counters = state.storage.counters()?;
    let (components, artefacts) = state.shelf.counts().map_err(Failure::file("list the shelf"))?;
    let (cache_entries, cache_bytes) = state.cache.holdings();
    Ok(Holdings {
        storage_keys: counters.keys,
        storage_bytes: counters.bytes,
        components,
        artefacts,
        cache_entries,
        cache_bytes,
    })
}

pub(crate) async fn on_disk<T: Send + 'static>(
    operation: &'static str,
    tenant: TenantId,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, MaintenanceError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(Failure::Task).and_then(|result| result);
    done.map_err(|failure| MaintenanceError::Failed { operation, tenant, source: Box::new(failure) })
}

impl fmt::Debug for Maintenance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Maintenance")
    }
}
