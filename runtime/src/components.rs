//! Loaded components: mapped artefacts, linked once, in a cache bounded in bytes, each loaded by one caller at a time.
//!
//! The cache is keyed by tenant and digest: were it shared, the speed of a first call would tell one tenant what another
//! has uploaded.

use std::sync::Arc;
use std::time::Instant;

use insula_host_api::bindings::AgentPre;
use insula_store::{Digest, ShelfError};
use insula_tenancy::TenantId;
use lru::LruCache;
use parking_lot::Mutex;
use tokio::sync::OnceCell;
use wasmtime::component::Linker;

use crate::compile::CompilerPool;
use crate::deploy_error::DeployError;
use crate::engine::{self, GuestState, LoadError, SharedEngine};
use crate::tenants::TenantEntry;

/// A component that is ready to be instantiated.
pub(crate) struct Loaded {
    pub(crate) pre: AgentPre<GuestState>,
    pub(crate) artefact_bytes: u64,
}

/// Why a component could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadComponentError {
    #[error("the shelf could not be read")]
    Shelf(#[from] ShelfError),
    #[error("the component is gone from the shelf")]
    Missing,
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("the component does not fit the world: {0:#}")]
    Link(wasmtime::Error),
    #[error("the component could not be compiled again for this engine")]
    Compile(#[from] DeployError),
}

type Key = (TenantId, Digest);
type Cell = Arc<OnceCell<Arc<Loaded>>>;

/// The components that are loaded.
pub(crate) struct Components {
    engine: SharedEngine,
    fingerprint: String,
    linker: Linker<GuestState>,
    compilers: Arc<CompilerPool>,
    limit_bytes: u64,
    cache: Mutex<Cache>,
}

struct Cache {
    cells: LruCache<Key, Cell>,
    bytes: u64,
}

/// A tenant that holds more than the cache's bytes over this makes room from its own components.
const SHARE: u64 = 4;

impl Cache {
    fn held_by(&self, tenant: TenantId) -> u64 {
        let own = self.cells.iter().filter(|((owner, _), _)| *owner == tenant);
        own.filter_map(|(_, cell)| cell.get()).map(|loaded| loaded.artefact_bytes).sum()
    }

    fn remove(&mut self, key: &Key) {
        if let Some(cell) = self.cells.pop(key)
            && let Some(loaded) = cell.get()
        {
            self.bytes = self.bytes.saturating_sub(loaded.artefact_bytes);
        }
    }
}

impl Components {
    /// # Errors
    ///
    /// When the linker cannot be made.
    pub(crate) fn new(engine: SharedEngine, compilers: Arc<CompilerPool>, limit_bytes: u64) -> wasmtime::Result<Self> {
        Ok(Self {
            fingerprint: engine::config::fingerprint(&engine),
            linker: engine::linker(&engine)?,
            engine,
            compilers,
            limit_bytes,
            cache: Mutex::new(Cache { cells: LruCache::unbounded(), bytes: 0 }),
        })
    }

    /// The name of the engine that artefacts are kept for.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The component of this digest, loaded now if it is not.
    pub(crate) async fn get(&self, entry: &TenantEntry, digest: Digest) -> Result<Arc<Loaded>, LoadComponentError> {
        let key = (entry.id, digest);
        let cell = Arc::clone(self.cache.lock().cells.get_or_insert(key, Cell::default));
        if let Some(loaded) = cell.get() {
            return Ok(Arc::clone(loaded));
        }
        let mut fresh = false;
        let loaded = cell.get_or_try_init(async || {
            let loaded = self.load(entry, digest).await?;
            fresh = true;
            Ok::<_, LoadComponentError>(Arc::new(loaded))
        });
        match loaded.await {
            Ok(loaded) => {
                let loaded = Arc::clone(loaded);
                if fresh {
                    self.account(&key, &cell, loaded.artefact_bytes);
                }
                Ok(loaded)
            }
            Err(error) => {
                self.forget_failed(&key, &cell);
                Err(error)
            }
        }
    }

    /// Drops a component that no version uses any more.
    pub(crate) fn forget(&self, tenant: TenantId, digest: Digest) {
        let mut cache = self.cache.lock();
        cache.remove(&(tenant, digest));
    }

    /// Drops all components of a tenant; answers how many there were.
    pub(crate) fn forget_tenant(&self, tenant: TenantId) -> u64 {
        let mut cache = self.cache.lock();
        let keys: Vec<Key> = cache.cells.iter().map(|(key, _)| *key).filter(|(owner, _)| *owner == tenant).collect();
        keys.iter().for_each(|key| cache.remove(key));
        keys.len() as u64
    }

    /// Components of a tenant that are loaded.
    pub(crate) fn count_of(&self, tenant: TenantId) -> u64 {
        self.cache.lock().cells.iter().filter(|((owner, _), _)| *owner == tenant).count() as u64
    }

    /// Components loaded, and the bytes of their artefacts.
    pub(crate) fn held(&self) -> (usize, u64) {
        let cache = self.cache.lock();
        (cache.cells.len(), cache.bytes)
    }

    fn account(&self, key: &Key, cell: &Cell, bytes: u64) {
        let mut cache = self.cache.lock();
        // Forgotten while it was loading: this caller still has it, the cache does not.
        if !cache.cells.peek(key).is_some_and(|kept| Arc::ptr_eq(kept, cell)) {
            return;
        }
        cache.bytes += bytes;
        while cache.bytes > self.limit_bytes && cache.cells.len() > 1 {
            // Whoever holds much makes room for itself: its loads never push a neighbour's components out.
            let own = cache.held_by(key.0) > self.limit_bytes / SHARE;
            let oldest =
                cache.cells.iter().rev().map(|(kept, _)| *kept).find(|kept| kept != key && (!own || kept.0 == key.0));
            let Some(oldest) = oldest else { break };
            cache.remove(&oldest);
        }
    }

    fn forget_failed(&self, key: &Key, cell: &Cell) {
        let mut cache = self.cache.lock();
        if cell.get().is_none() && cache.cells.peek(key).is_some_and(|kept| Arc::ptr_eq(kept, cell)) {
            cache.cells.pop(key);
        }
    }

    async fn load(&self, entry: &TenantEntry, digest: Digest) -> Result<Loaded, LoadComponentError> {
        let shelf = entry.store.shelf();
        let (engine, fingerprint) = (Arc::clone(&self.engine), self.fingerprint.clone());
        let load = move || {
            let Some(artefact) = shelf.artefact(&digest, &fingerprint)? else { return Ok(None) };
            Ok::<_, LoadComponentError>(Some((engine::load(&engine, &artefact)?, artefact.length())))
        };
        let found = match blocking(load.clone()).await? {
            Some(found) => found,
            None => {
                self.compile_again(entry, digest).await?;
                blocking(load).await?.ok_or(LoadComponentError::Missing)?
            }
        };
        let (component, artefact_bytes) = found;
        engine::handler::check(&self.engine, &component).map_err(LoadComponentError::Link)?;
        let pre = self.linker.instantiate_pre(&component).and_then(AgentPre::new).map_err(LoadComponentError::Link)?;
        Ok(Loaded { pre, artefact_bytes })
    }

    /// The engine has changed since the upload: the component is still there, and is compiled for this one.
    async fn compile_again(&self, entry: &TenantEntry, digest: Digest) -> Result<(), LoadComponentError> {
        // One at a time for each tenant: the workers are everyone's.
        let _recompiling = entry.recompiling.lock().await;
        if let Some(failure) = entry.failures.of(&digest, Instant::now()) {
            return Err(failure.into());
        }
        let shelf = entry.store.shelf();
        let open = move || {
            let component = shelf.component(&digest)?.ok_or(LoadComponentError::Missing)?;
            Ok::<_, LoadComponentError>((component, shelf.new_artefact()?))
        };
        let (component, staged) = blocking(open).await?;
        let output =
            staged.file().try_clone().map_err(|source| ShelfError::Io { operation: "open the artefact", source })?;
        let compiled = self.compilers.compile(entry.id, component, output).await;
        compiled.inspect_err(|error| entry.failures.remember(digest, error, Instant::now()))?;
        let (shelf, fingerprint) = (entry.store.shelf(), self.fingerprint.clone());
        blocking(move || Ok(shelf.keep_artefact(staged, &digest, &fingerprint)?)).await
    }
}

/// Files and native code off the threads that others need.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LoadComponentError> + Send + 'static,
) -> Result<T, LoadComponentError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(LoadComponentError::Missing),
        },
    }
}

impl std::fmt::Debug for Components {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Components({:?})", self.held())
    }
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Loaded({} bytes)", self.artefact_bytes)
    }
}
