//! A tenant's agents, as an embedder sees to them: versions, configuration, limits of their own.

use std::collections::BTreeMap;

use insula_store::{AgentLimits, AgentName, AgentRecord, CatalogError, Limits, LimitsPatch, VersionRecord};
use insula_tenancy::{Deploy, Manage, Permit, TenantScope, VersionId};

use super::Runtime;

impl Runtime {
    /// The tenant's agents.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read.
    pub async fn agents(&self, scope: &TenantScope) -> Result<Vec<AgentRecord>, CatalogError> {
        self.0.catalog.agents(scope).await
    }

    /// One agent.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub async fn agent(&self, scope: &TenantScope, name: &AgentName) -> Result<AgentRecord, CatalogError> {
        self.0.catalog.agent(scope, name).await
    }

    /// An agent's versions, the newest first.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub async fn versions(&self, scope: &TenantScope, name: &AgentName) -> Result<Vec<VersionRecord>, CatalogError> {
        self.0.catalog.versions(scope, name).await
    }

    /// Makes a version the one that answers. Calls in flight finish on the one they began with.
    ///
    /// # Errors
    ///
    /// `NotFound`, for the agent or the version.
    pub async fn activate(
        &self,
        permit: &Permit<'_, Deploy>,
        name: &AgentName,
        version: VersionId,
    ) -> Result<AgentRecord, CatalogError> {
        let entry = self.0.tenants.entry(permit).await?;
        self.0.tenants.change(permit, &entry, name, self.0.catalog.activate(permit, name, version)).await
    }

    /// Goes back to the version that was active before.
    ///
    /// # Errors
    ///
    /// `NotFound`; `Conflict` when there is none to go back to.
    pub async fn rollback(&self, permit: &Permit<'_, Deploy>, name: &AgentName) -> Result<AgentRecord, CatalogError> {
        let entry = self.0.tenants.entry(permit).await?;
        self.0.tenants.change(permit, &entry, name, self.0.catalog.rollback(permit, name)).await
    }

    /// Deletes an agent with all its versions. The tenant's storage stays.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub async fn delete_agent(&self, permit: &Permit<'_, Deploy>, name: &AgentName) -> Result<(), CatalogError> {
        let entry = self.0.tenants.entry(permit).await?;
        // So that an upload of the same component does not find its files taken away from under it.
        let _uploading = entry.uploading.lock().await;
        self.0.sweep(permit, &entry).await;
        let change = entry.sweeping.begin();
        let unused = self.0.tenants.change(permit, &entry, name, self.0.catalog.delete_agent(permit, name)).await?;
        self.0.discard(&entry, &unused).await;
        change.finish();
        Ok(())
    }

    /// An agent's configuration.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub async fn configuration(
        &self,
        permit: &Permit<'_, Deploy>,
        name: &AgentName,
    ) -> Result<BTreeMap<String, String>, CatalogError> {
        self.0.catalog.configuration(permit, name).await
    }

    /// Sets an agent's configuration, whole. Calls that begin after it returns read it.
    ///
    /// # Errors
    ///
    /// `NotFound`; `Invalid` when a name or value breaks its rule.
    pub async fn set_configuration(
        &self,
        permit: &Permit<'_, Deploy>,
        name: &AgentName,
        configuration: BTreeMap<String, String>,
    ) -> Result<(), CatalogError> {
        let entry = self.0.tenants.entry(permit).await?;
        let set = self.0.catalog.set_configuration(permit, name, &configuration);
        self.0.tenants.change(permit, &entry, name, set).await
    }

    /// An agent's own limits, and what its calls may use: of each limit the smaller of its own and the tenant's.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub async fn agent_limits(
        &self,
        scope: &TenantScope,
        name: &AgentName,
    ) -> Result<(AgentLimits, Limits), CatalogError> {
        let own = self.0.catalog.agent(scope, name).await?.limits;
        Ok((own, own.within(&*self.limits(scope).await?)))
    }

    /// Sets an agent's own limits, whole; an empty patch leaves it with the tenant's. They hold for calls that begin after
    /// it returns.
    ///
    /// # Errors
    ///
    /// `NotFound`; `Invalid` for a limit outside its range, above the tenant's, or not of a call.
    pub async fn set_agent_limits(
        &self,
        permit: &Permit<'_, Manage>,
        name: &AgentName,
        own: LimitsPatch,
    ) -> Result<(AgentLimits, Limits), CatalogError> {
        let own = AgentLimits::new(own)?;
        let entry = self.0.tenants.entry(permit).await?;
        let tenant = entry.limits();
        own.check_below(&tenant)?;
        let set = self.0.catalog.set_agent_limits(permit, name, &own);
        self.0.tenants.change(permit, &entry, name, set).await?;
        Ok((own, own.within(&tenant)))
    }
}
