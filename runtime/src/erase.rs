//! Erasing a tenant: its keys first, then its calls, its data, what the host remembers of it, and its rows. What is left is
//! its id and the audit log.
//!
//! Each step may be the last one that a killed host did: an erasure that is begun again goes through all of them. A place is
//! empty when a second look says so, and the tenant is erased when every place is.

use std::time::Duration;

use insula_store::{CatalogRows, Remains};
use insula_tenancy::{OperatorScope, TenantId};
use serde::Serialize;

use crate::control::{Control, ControlError};
use crate::runtime::Inner;

/// How long the calls of a tenant may take to stop once they are told to. A guest is told at its next tick.
const LAST_CALLS: Duration = Duration::from_secs(10);

/// One place that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ErasedPlace {
    /// Which: what it counts.
    pub place: &'static str,
    /// What there was when this erasure began.
    pub found: u64,
    /// What a second look found at its end.
    pub left: u64,
}

/// What an erasure leaves on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct KeptPlace {
    /// Which: what it counts.
    pub place: &'static str,
    /// How much of it there is.
    pub count: u64,
    /// Why it is kept.
    pub because: &'static str,
}

/// What an erasure looked at, found, and left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Erasure {
    /// Whose.
    pub tenant: TenantId,
    /// Every place, in the order in which they were emptied.
    pub places: Vec<ErasedPlace>,
    /// What is kept, and why.
    pub kept: Vec<KeptPlace>,
}

/// What only this process remembers of a tenant.
#[derive(Debug, Clone, Copy, Default)]
struct Memory {
    log_lines: u64,
    pending_usage: u64,
    loaded_components: u64,
    failed_uploads: u64,
}

impl Erasure {
    fn of(tenant: TenantId, remains: [Remains; 2], memory: [Memory; 2], rows: [CatalogRows; 2]) -> Self {
        type Figure<'a, T> = (&'static str, &'a dyn Fn(&T) -> u64);
        fn places<T>(looks: &[T; 2], figures: &[Figure<'_, T>]) -> Vec<ErasedPlace> {
            let [found, left] = looks;
            figures.iter().map(|(place, of)| ErasedPlace { place, found: of(found), left: of(left) }).collect()
        }
        let mut all = places(
            &remains,
            &[
                ("storage-keys", &|look| look.storage_keys),
                ("storage-bytes", &|look| look.storage_bytes),
                ("components", &|look| look.components),
                ("artefacts", &|look| look.artefacts),
                ("staged-files", &|look| look.staged),
                ("files", &|look| look.files),
                ("file-bytes", &|look| look.file_bytes),
                ("cache-entries", &|look| look.cache_entries),
                ("cache-bytes", &|look| look.cache_bytes),
            ],
        );
        all.extend(places(
            &memory,
            &[
                ("loaded-components", &|look| look.loaded_components),
                ("failed-uploads", &|look| look.failed_uploads),
                ("log-lines", &|look| look.log_lines),
                ("pending-usage", &|look| look.pending_usage),
            ],
        ));
        all.extend(places(
            &rows,
            &[
                ("keys", &|look| look.keys),
                ("agents", &|look| look.agents),
                ("versions", &|look| look.versions),
                ("configuration-entries", &|look| look.configuration),
                ("usage-rows", &|look| look.usage),
            ],
        ));
        Self { tenant, places: all, kept: Vec::new() }
    }

    fn is_complete(&self) -> bool {
        self.places.iter().all(|place| place.left == 0)
    }
}

impl Control {
    /// Erases a tenant: its data, cache, components, log, usage, configuration, agents and keys. Its id stays known, and the
    /// audit log is kept. An erasure that ended early is ended by another, and one of an erased tenant looks again.
    ///
    /// Dropped before it is done, it stops between two steps: nothing of the tenant can be used any more then.
    ///
    /// # Errors
    ///
    /// `NotFound`, [`ControlError::StillRunning`], [`ControlError::NotErased`], [`ControlError::Remains`].
    pub async fn erase(&self, by: &OperatorScope, tenant: TenantId) -> Result<Erasure, ControlError> {
        self.0.erase(by, tenant).await
    }
}

impl Inner {
    pub(crate) async fn erase(&self, by: &OperatorScope, tenant: TenantId) -> Result<Erasure, ControlError> {
        let _erasing = self.erasing.lock().await;
        let (_, rows) = self.catalog.begin_erasure(by, tenant).await?;
        let (memory, memory_left) = self.forget_what_is_remembered(tenant).await?;
        let (remains, left) = self.maintenance.erase(tenant).await.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, %tenant, "a tenant's data could not be removed");
            ControlError::NotErased
        })?;
        let rows_left = self.catalog.erase_rows(by, tenant).await?;
        let mut erasure = Erasure::of(tenant, [remains, left], [memory, memory_left], [rows, rows_left]);
        if !erasure.is_complete() {
            tracing::error!(%tenant, ?erasure, "an erasure left something behind");
            return Err(ControlError::Remains { erasure: Box::new(erasure) });
        }
        let report = serde_json::to_value(&erasure.places).unwrap_or_default();
        let records = self.catalog.finish_erasure(by, tenant, report).await?;
        erasure.kept = vec![
            KeptPlace { place: "audit-records", count: records, because: "operators answer for what they did" },
            KeptPlace { place: "tombstone", count: 1, because: "an id is never used twice; DELETE removes it" },
        ];
        Ok(erasure)
    }

    /// Ends the calls of a tenant and forgets its log, its loaded components, what did not compile and the usage that is not written yet.
    async fn forget_what_is_remembered(&self, tenant: TenantId) -> Result<(Memory, Memory), ControlError> {
        let (mut found, mut left) = (Memory::default(), Memory::default());
        if let Some(entry) = self.tenants.bury(tenant) {
            (found.log_lines, found.failed_uploads) = (entry.logs.len(), entry.failures.len());
            let ended = tokio::time::timeout(LAST_CALLS, entry.slots.close()).await;
            // Also where calls are still running: whatever they write now is not kept.
            entry.logs.close();
            entry.failures.clear();
            (left.log_lines, left.failed_uploads) = (entry.logs.len(), entry.failures.len());
            ended.map_err(|_| ControlError::StillRunning)?;
            self.tenants.lay_to_rest(tenant);
        }
        found.loaded_components = self.components.forget_tenant(tenant);
        found.pending_usage = self.book.forget(tenant).await;
        left.loaded_components = self.components.count_of(tenant);
        left.pending_usage = self.book.forget(tenant).await;
        Ok((found, left))
    }
}
