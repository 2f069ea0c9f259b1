//! What a tenant has, for people and scripts: storage, cache, log, and the time that its guests are told.

use std::sync::Arc;
use std::time::Duration;

use insula_host_api::{Cache, CacheStatistics, NamespaceName, Storage};
use insula_store::CatalogError;
use insula_tenancy::{Deploy, Manage, Permit, VersionId};

use super::Runtime;
use crate::logs::LogReader;

impl Runtime {
    /// The tenant's storage, as its agents see it.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read.
    pub async fn storage(&self, permit: &Permit<'_, Manage>) -> Result<Arc<dyn Storage>, CatalogError> {
        Ok(self.0.tenants.entry(permit).await?.store.storage())
    }

    /// The tenant's cache, as calls of this version see it. For an embedder that looks into it or warms it, in a tokio
    /// runtime, whose timers end its waits.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read.
    pub async fn cache(&self, permit: &Permit<'_, Manage>, version: VersionId) -> Result<Arc<dyn Cache>, CatalogError> {
        Ok(self.0.tenants.entry(permit).await?.store.cache().for_version(version))
    }

    /// Empties a namespace of the tenant's cache: none of its entries is found by a call that begins after it returns.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read.
    pub async fn clear_cache(
        &self,
        permit: &Permit<'_, Manage>,
        namespace: &NamespaceName,
    ) -> Result<(), CatalogError> {
        // A namespace is that of all versions: which one asks does not matter.
        self.cache(permit, VersionId::generate()).await?.clear(namespace);
        Ok(())
    }

    /// How the tenant's cache is doing.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read.
    pub async fn cache_statistics(&self, permit: &Permit<'_, Manage>) -> Result<CacheStatistics, CatalogError> {
        Ok(self.0.tenants.entry(permit).await?.store.cache().statistics())
    }

    /// The tenant's log.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read.
    pub async fn logs(&self, permit: &Permit<'_, Deploy>) -> Result<LogReader, CatalogError> {
        Ok(LogReader(Arc::clone(&self.0.tenants.entry(permit).await?.logs)))
    }

    /// Tells the tenant's guests this time of day, since 1970, from the next call on, and lets it stand still; `None`: the
    /// real one. For an embedder that tests agents which tell the time: no route leads here, and nothing but guests goes
    /// by it.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read.
    pub async fn tell_time(
        &self,
        permit: &Permit<'_, Manage>,
        since_1970: Option<Duration>,
    ) -> Result<(), CatalogError> {
        self.0.tenants.entry(permit).await?.time_of_day.set(since_1970);
        Ok(())
    }
}
