//! Loaded components: mapped artefacts, linked once, in a cache bounded in bytes and in number (`cache`), each loaded by one
//! caller at a time, and let go of when nobody calls it any more. A call that has one keeps it until it ends.
//!
//! The cache is keyed by tenant and digest: were it shared, the speed of a first call would tell one tenant what another
//! has uploaded.

mod cache;
mod residue;

use std::sync::Arc;
use std::time::{Duration, Instant};

use insula_host_api::bindings::AgentPre;
use insula_store::{Digest, ShelfError};
use insula_tenancy::TenantId;
use parking_lot::Mutex;
use wasmtime::component::Linker;

use self::cache::{Bounds, Cache};
use self::residue::Residue;
use crate::compile::CompilerPool;
use crate::deploy_error::DeployError;
use crate::engine::{self, GuestState, LoadError, SharedEngine};
use crate::settings::{EngineSettings, HostSettings};
use crate::tenants::TenantEntry;

/// A component that is ready to be instantiated.
pub(crate) struct Loaded {
    pub(crate) pre: AgentPre<GuestState>,
    pub(crate) artefact_bytes: u64,
    residue: Residue,
}

impl Loaded {
    /// A call of it ends, which had so much memory at most, in bytes.
    pub(crate) fn ends(self: &Arc<Self>, peak_memory: u64) {
        // A call holds it twice, and the cache once.
        self.residue.note(Arc::strong_count(self) as u64 / 2, peak_memory);
    }
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

/// The components that are loaded.
pub(crate) struct Components {
    engine: SharedEngine,
    fingerprint: String,
    linker: Linker<GuestState>,
    compilers: Arc<CompilerPool>,
    idle: Duration,
    /// The most that a call leaves resident in the slots that it had, in bytes.
    keeps: u64,
    cache: Mutex<Cache<Loaded>>,
}

impl Components {
    /// # Errors
    ///
    /// When the linker cannot be made.
    pub(crate) fn new(
        engine: SharedEngine,
        compilers: Arc<CompilerPool>,
        settings: &EngineSettings,
        host: &HostSettings,
    ) -> wasmtime::Result<Self> {
        let bounds = Bounds { bytes: host.component_cache_bytes.get(), count: host.components.get() as u64 };
        Ok(Self {
            fingerprint: engine::config::fingerprint(&engine),
            linker: engine::linker(&engine)?,
            engine,
            compilers,
            idle: host.component_idle,
            keeps: engine::config::keeps(settings),
            cache: Mutex::new(Cache::new(bounds)),
        })
    }

    /// The name of the engine that artefacts are kept for.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The component of this digest, loaded now if it is not.
    pub(crate) async fn get(&self, entry: &TenantEntry, digest: Digest) -> Result<Arc<Loaded>, LoadComponentError> {
        let key = (entry.id, digest);
        let cell = self.cache.lock().cell(key);
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
                    let gone = self.cache.lock().loaded(&key, &cell, loaded.artefact_bytes);
                    drop(gone);
                }
                Ok(loaded)
            }
            Err(error) => {
                self.cache.lock().failed(&key, &cell);
                Err(error)
            }
        }
    }

    /// Drops a component that no version uses any more.
    pub(crate) fn forget(&self, tenant: TenantId, digest: Digest) {
        let gone = self.cache.lock().remove(&(tenant, digest));
        drop(gone);
    }

    /// Drops all components of a tenant; answers how many there were.
    pub(crate) fn forget_tenant(&self, tenant: TenantId) -> u64 {
        let gone = self.cache.lock().remove_tenant(tenant);
        gone.len() as u64
    }

    /// Drops what nobody called for a while: it is loaded again, and checked again, when somebody does. Unmaps, which takes
    /// its time.
    pub(crate) fn drop_idle(&self, now: Instant) {
        let gone = self.cache.lock().idle(now, self.idle);
        if !gone.is_empty() {
            tracing::debug!(count = gone.len(), "components that nobody calls were let go of");
        }
    }

    /// Drops components whose calls have left most behind in slots that nobody uses, those of the tenant with the most of it
    /// first, until that makes up for so many bytes: the slots of a component are emptied when its last call has ended.
    pub(crate) fn drop_resident(&self, excess: u64) {
        let gone = self.cache.lock().heaviest(excess, |loaded| loaded.residue.bytes());
        if !gone.is_empty() {
            tracing::debug!(count = gone.len(), excess, "components were let go of, for what they kept resident");
        }
    }

    /// Components of a tenant that are loaded.
    pub(crate) fn count_of(&self, tenant: TenantId) -> u64 {
        self.cache.lock().count_of(tenant)
    }

    /// The most components that may be loaded.
    pub(crate) fn limit(&self) -> u64 {
        self.cache.lock().bounds().count
    }

    /// Components loaded, and the bytes of their artefacts.
    pub(crate) fn held(&self) -> (u64, u64) {
        let total = self.cache.lock().total();
        (total.count, total.bytes)
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
        Ok(Loaded { pre, artefact_bytes, residue: Residue::new(self.keeps) })
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
