//! The disk's and the memory's part of an erasure: a tenant's storage, shelf and cache are removed, and looked for again.
//!
//! Nothing here reads a value: what there is is counted. A storage file that cannot be opened goes like any other, and only
//! one that is stamped as another tenant's is left alone (T7).

use insula_tenancy::TenantId;
use serde::Serialize;

use crate::maintenance::on_disk;
use crate::storage::{Counters, Failure, chain};
use crate::stores::Tenant;
use crate::{Maintenance, MaintenanceError};

/// How often the directory is removed, where something that was still on its way made a file in it meanwhile.
const ATTEMPTS: u32 = 5;

/// What a look finds of a tenant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Remains {
    /// Keys in durable storage.
    pub storage_keys: u64,
    /// Durable storage, in bytes as the quota counts them.
    pub storage_bytes: u64,
    /// Components on the shelf.
    pub components: u64,
    /// Artefacts on the shelf.
    pub artefacts: u64,
    /// Files of uploads that are not finished.
    pub staged: u64,
    /// Files in the tenant's directory, of every kind.
    pub files: u64,
    /// Their length, in bytes.
    pub file_bytes: u64,
    /// Entries in the cache.
    pub cache_entries: u64,
    /// The cache shard, in bytes as the quota counts them.
    pub cache_bytes: u64,
}

impl Maintenance {
    /// Removes all that a tenant has on disk and in the cache, for good: handles that are still out find nothing
    /// afterwards and can write nothing. Answers what was found, and what a second look finds, by handles of its own.
    ///
    /// Whoever calls has seen to it that no scope of the tenant opens anything any more.
    ///
    /// # Errors
    ///
    /// [`MaintenanceError::Failed`], also when the storage file is another tenant's. It can be begun again.
    pub async fn erase(&self, tenant: TenantId) -> Result<(Remains, Remains), MaintenanceError> {
        let shared = std::sync::Arc::clone(&self.shared);
        let work = move || {
            let state = shared.tenant(tenant);
            let found = look(&state)?;
            state.cache.close();
            remove(&state)?;
            let cache = state.cache.holdings();
            shared.forget(&state);
            // A second look, by nobody's old handles: what is on the disk now.
            let fresh = shared.tenant(tenant);
            let left = look(&fresh);
            shared.forget(&fresh);
            let left = left?;
            let (cache_entries, cache_bytes) = (left.cache_entries + cache.0, left.cache_bytes + cache.1);
            Ok((found, Remains { cache_entries, cache_bytes, ..left }))
        };
        on_disk("erase the data", tenant, work).await
    }
}

fn remove(state: &Tenant) -> Result<(), Failure> {
    let mut attempt = 1;
    loop {
        match state.storage.remove() {
            Err(failure) if attempt < ATTEMPTS => {
                tracing::warn!(tenant = %state.id, cause = %chain(&failure), "the directory is removed once more");
                attempt += 1;
            }
            done => return done,
        }
    }
}

fn look(state: &Tenant) -> Result<Remains, Failure> {
    let counters = match state.storage.counters() {
        Ok(counters) => counters,
        Err(foreign @ Failure::Stamp { .. }) => return Err(foreign),
        Err(failure) => {
            tracing::warn!(tenant = %state.id, cause = %chain(&failure), "what is erased could not be counted");
            Counters::default()
        }
    };
    let (components, artefacts) = state.shelf.counts().map_err(Failure::file("list the shelf"))?;
    let staged = state.shelf.staged().map_err(Failure::file("list the staging directory"))?;
    let (files, file_bytes) = state.home.weigh().map_err(Failure::file("list the tenant's directory"))?;
    let (cache_entries, cache_bytes) = state.cache.holdings();
    Ok(Remains {
        storage_keys: counters.keys,
        storage_bytes: counters.bytes,
        components,
        artefacts,
        staged,
        files,
        file_bytes,
        cache_entries,
        cache_bytes,
    })
}

#[cfg(test)]
mod tests;
