//! Every operator act on tenants and keys. Each takes the operator's proof, and leaves its audit record in the
//! transaction that does it.

use std::sync::Arc;
use std::time::Duration;

use insula_host_api::StorageError;
use insula_store::{
    ArchiveError, AuditRecord, CatalogError, Compacted, Holdings, InvalidLimit, KeyInfo, Limits, LimitsChange,
    LimitsPatch, TenantName, TenantRecord, TenantState, TierName, TierRecord, Usage,
};
use insula_tenancy::{ActDenied, KeyId, NewKey, OperatorAct, OperatorScope, Permissions, TenantId};

use crate::deploy_error::DeployError;
use crate::erase::Erasure;
use crate::runtime::Inner;

/// The operator's acts.
#[derive(Debug, Clone)]
pub struct Control(pub(crate) Arc<Inner>);

/// An operator act that did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The catalog refused.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A limit outside its range.
    #[error(transparent)]
    InvalidLimit(#[from] InvalidLimit),
    /// A tenant with data is erased, not deleted.
    #[error("the tenant still has data: delete its agents and empty its storage first")]
    DataRemains {
        /// What there is.
        holdings: Holdings,
    },
    /// Calls of a tenant that is being erased did not stop.
    #[error("calls of the tenant did not stop in time; its keys are gone and nothing new begins: erase it again")]
    StillRunning,
    /// A part of an erasure failed. The operator's log has the reason.
    #[error("the tenant's erasure did not come to its end; its keys are gone: erase it again")]
    NotErased,
    /// The second look found something.
    #[error("something of the tenant is still there; its keys are gone: erase it again")]
    Remains {
        /// What was found, and what is there.
        erasure: Box<Erasure>,
    },
    /// What the tenant has could not be counted. The operator's log has the reason.
    #[error("what the tenant has could not be counted; nothing was deleted")]
    Uncounted,
    /// The act could not be recorded, so it did not happen. The operator's log has the reason.
    #[error("the act could not be recorded, and did not happen")]
    Unrecorded,
    /// The storage file was left as it was. The operator's log has the reason.
    #[error("the storage file was not written anew, and is as it was")]
    NotCompacted,
    /// The archive is refused, or could not be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The archive has more bytes than are taken in.
    #[error("the archive has more than the {limit} bytes that are allowed")]
    ArchiveTooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// One archive at a time.
    #[error("another archive is on its way in: try again when it is done")]
    ImportsBusy,
    /// Storage refused what the archive holds.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A component cannot be read, or is refused as an upload of it would be.
    #[error(transparent)]
    Component(#[from] DeployError),
    /// A fault of the host. The operator's log has the reason.
    #[error("the act did not come to its end")]
    Interrupted,
}

impl From<ActDenied> for ControlError {
    fn from(denied: ActDenied) -> Self {
        match denied {
            ActDenied::NoSuchTenant => CatalogError::NotFound.into(),
            ActDenied::WrongRealm => CatalogError::WrongRealm.into(),
            _ => Self::Unrecorded,
        }
    }
}

/// Longer than the catalog ever takes.
const SETTLED: Duration = Duration::from_secs(30);

/// A change of a tenant, or of a tier, that entries must hear of, also when whoever asked for it goes away in the middle: the catalog
/// may then still commit it.
struct Announce<'a> {
    inner: &'a Arc<Inner>,
    /// `None`: any tenant may have the tier.
    tenant: Option<TenantId>,
    done: bool,
}

fn announce(inner: &Inner, tenant: Option<TenantId>) {
    match tenant {
        Some(tenant) => inner.tenants.changed(tenant),
        None => inner.tenants.all_changed(),
    }
}

impl Drop for Announce<'_> {
    fn drop(&mut self) {
        announce(self.inner, self.tenant);
        if !self.done {
            let (inner, tenant) = (Arc::clone(self.inner), self.tenant);
            tokio::spawn(async move {
                tokio::time::sleep(SETTLED).await;
                announce(&inner, tenant);
            });
        }
    }
}

impl Control {
    /// Makes a tenant of the standard tier, but for some limits, with a first key that may do everything.
    ///
    /// # Errors
    ///
    /// A name that is taken, a limit outside its range.
    pub async fn create_tenant(
        &self,
        by: &OperatorScope,
        name: &TenantName,
        limits: &LimitsPatch,
    ) -> Result<(TenantRecord, NewKey), ControlError> {
        self.create_tenant_of_tier(by, name, &TierName::standard(), limits).await
    }

    /// The same with another tier's limits, but for some.
    ///
    /// # Errors
    ///
    /// A name that is taken, a limit outside its range, a tier that is not there.
    pub async fn create_tenant_of_tier(
        &self,
        by: &OperatorScope,
        name: &TenantName,
        tier: &TierName,
        overrides: &LimitsPatch,
    ) -> Result<(TenantRecord, NewKey), ControlError> {
        Limits::standard().patched(overrides)?;
        Ok(self.0.catalog.create_tenant(by, name, tier, overrides).await?)
    }

    /// The tiers, in the order of their names.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read.
    pub async fn tiers(&self, by: &OperatorScope) -> Result<Vec<TierRecord>, ControlError> {
        Ok(self.0.catalog.tiers(by).await?)
    }

    /// Makes a tier, or sets what an existing one sets, whole. Calls of its tenants that begin after it returns have the
    /// new limits.
    ///
    /// # Errors
    ///
    /// A limit outside its range, more tiers than there may be: nothing is changed then.
    pub async fn set_tier(
        &self,
        by: &OperatorScope,
        tier: &TierName,
        sets: &LimitsPatch,
    ) -> Result<TierRecord, ControlError> {
        Limits::standard().patched(sets)?;
        let mut announce = Announce { inner: &self.0, tenant: None, done: false };
        let record = self.0.catalog.set_tier(by, tier, sets).await;
        announce.done = true;
        drop(announce);
        Ok(record?)
    }

    /// Removes a tier that no tenant has.
    ///
    /// # Errors
    ///
    /// `NotFound`; `Conflict` while a tenant has it, and for `standard`.
    pub async fn delete_tier(&self, by: &OperatorScope, tier: &TierName) -> Result<(), ControlError> {
        Ok(self.0.catalog.delete_tier(by, tier).await?)
    }

    /// Tenants in the order in which they were made, after one of them.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read.
    pub async fn tenants(
        &self,
        by: &OperatorScope,
        after: Option<TenantId>,
        limit: u32,
    ) -> Result<Vec<TenantRecord>, ControlError> {
        Ok(self.0.catalog.tenants(by, after, limit).await?)
    }

    /// One tenant.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub async fn tenant(&self, by: &OperatorScope, id: TenantId) -> Result<TenantRecord, ControlError> {
        Ok(self.0.catalog.tenant(by, id).await?)
    }

    /// Changes a tenant's name, tier and limits of its own. Calls that begin after it returns have the new ones.
    ///
    /// # Errors
    ///
    /// `NotFound`, a name that is taken, a limit outside its range: nothing is changed then.
    pub async fn update_tenant(
        &self,
        by: &OperatorScope,
        id: TenantId,
        name: Option<&TenantName>,
        limits: impl Into<LimitsChange>,
    ) -> Result<TenantRecord, ControlError> {
        let limits = limits.into();
        Limits::standard().patched(&limits.set)?;
        let mut announce = Announce { inner: &self.0, tenant: Some(id), done: false };
        let record = self.0.catalog.update_tenant(by, id, name, limits).await;
        announce.done = true;
        drop(announce);
        Ok(record?)
    }

    /// Suspends a tenant: its keys open nothing until it is resumed. Calls that wait for a place are sent away, calls in
    /// flight finish.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub async fn suspend(&self, by: &OperatorScope, id: TenantId) -> Result<TenantRecord, ControlError> {
        let record = self.0.catalog.set_tenant_state(by, id, TenantState::Suspended).await?;
        self.0.tenants.suspended(id);
        Ok(record)
    }

    /// Resumes a suspended tenant.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub async fn resume(&self, by: &OperatorScope, id: TenantId) -> Result<TenantRecord, ControlError> {
        Ok(self.0.catalog.set_tenant_state(by, id, TenantState::Active).await?)
    }

    /// Deletes a tenant that has no agents and no data.
    ///
    /// # Errors
    ///
    /// `NotFound`, or [`ControlError::DataRemains`] with what there is.
    pub async fn delete_tenant(&self, by: &OperatorScope, id: TenantId) -> Result<(), ControlError> {
        self.0.catalog.tenant(by, id).await?;
        let holdings = self.holdings(by, id).await?;
        if holdings.storage_keys > 0 || holdings.components > 0 {
            return Err(ControlError::DataRemains { holdings });
        }
        self.0.catalog.delete_tenant(by, id).await?;
        self.0.tenants.forget(id);
        if let Err(error) = self.0.maintenance.remove_empty(id).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, tenant = %id, "the empty folder of a deleted tenant could not be removed");
        }
        Ok(())
    }

    /// What a tenant has: counts and sizes, never contents.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub async fn holdings(&self, by: &OperatorScope, id: TenantId) -> Result<Holdings, ControlError> {
        self.0.catalog.tenant(by, id).await?;
        self.0.maintenance.holdings(id).await.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, tenant = %id, "a tenant's holdings could not be counted");
            ControlError::Uncounted
        })
    }

    /// Makes a key for a tenant.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub async fn create_key(
        &self,
        by: &OperatorScope,
        tenant: TenantId,
        label: &str,
        permissions: Permissions,
    ) -> Result<(KeyInfo, NewKey), ControlError> {
        Ok(self.0.catalog.create_key(by, tenant, label, permissions).await?)
    }

    /// A tenant's keys, without their secrets.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub async fn keys(&self, by: &OperatorScope, tenant: TenantId) -> Result<Vec<KeyInfo>, ControlError> {
        Ok(self.0.catalog.keys(by, tenant).await?)
    }

    /// Revokes a key. It opens nothing from the moment this returns.
    ///
    /// # Errors
    ///
    /// `NotFound`, also for a key of another tenant.
    pub async fn revoke_key(&self, by: &OperatorScope, tenant: TenantId, key: KeyId) -> Result<(), ControlError> {
        Ok(self.0.catalog.revoke_key(by, tenant, key).await?)
    }

    /// Writes a tenant's storage file anew, as small as what is in it. Its commits wait meanwhile, five seconds at most.
    ///
    /// # Errors
    ///
    /// `NotFound`; [`ControlError::NotCompacted`], also when it would take longer.
    pub async fn compact(&self, by: &OperatorScope, tenant: TenantId) -> Result<Compacted, ControlError> {
        self.0.authenticator.act_as(by, tenant, OperatorAct::Compact).await?;
        self.0.maintenance.compact(tenant).await.map_err(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, %tenant, "a storage file was not written anew");
            ControlError::NotCompacted
        })
    }

    /// Acts of operators, oldest first, after one of them: all, or those on one tenant.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read.
    pub async fn audit(
        &self,
        by: &OperatorScope,
        tenant: Option<TenantId>,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditRecord>, ControlError> {
        Ok(self.0.catalog.audit_of(by, tenant, after, limit).await?)
    }

    /// What a tenant has used, by agent, version and day, and in all.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub async fn usage(&self, by: &OperatorScope, tenant: TenantId) -> Result<Usage, ControlError> {
        self.0.flush_usage().await?;
        Ok(self.0.catalog.usage_of(by, tenant).await?)
    }
}
