//! A tenant's agents: listed, activated, rolled back, deleted.

use std::collections::HashMap;

use insula_tenancy::{AgentId, TenantId, TenantScope, VersionId};
use sqlx::{Row, SqliteConnection};

use super::rows::AgentRow;
use super::{AgentName, AgentRecord, Catalog, CatalogError, VersionRecord, commit, rows, sql, uninterrupted, versions};
use crate::{AgentLimits, Digest};

/// How many activations of an agent are remembered for rolling back.
const ACTIVATIONS_LIMIT: i64 = 50;

/// The tenant's agent of that name.
pub(super) async fn select(
    connection: &mut SqliteConnection,
    tenant: TenantId,
    name: &AgentName,
) -> Result<AgentRow, CatalogError> {
    let found = sqlx::query(sql::SELECT_AGENT)
        .bind(tenant.to_string())
        .bind(name.as_str())
        .fetch_optional(connection)
        .await
        .map_err(CatalogError::during("read an agent"))?;
    AgentRow::read(&found.ok_or(CatalogError::NotFound)?)
}

/// The same with its active version.
pub(super) async fn select_whole(
    connection: &mut SqliteConnection,
    tenant: TenantId,
    name: &AgentName,
) -> Result<AgentRecord, CatalogError> {
    let row = select(connection, tenant, name).await?;
    let active = match row.active {
        Some(version) => Some(versions::select(connection, tenant, &row, version).await?),
        None => None,
    };
    Ok(row.with(active))
}

/// Makes a version the one that answers calls, and remembers it for rolling back.
pub(super) async fn set_active(
    connection: &mut SqliteConnection,
    tenant: TenantId,
    agent: AgentId,
    version: VersionId,
) -> Result<(), CatalogError> {
    point_at(connection, tenant, agent, version).await?;
    let failed = || CatalogError::during("remember an activation");
    let (tenant, agent) = (tenant.to_string(), agent.to_string());
    let insert = sqlx::query(sql::INSERT_ACTIVATION).bind(&tenant).bind(&agent).bind(version.to_string());
    insert.execute(&mut *connection).await.map_err(failed())?;
    let prune = sqlx::query(sql::PRUNE_ACTIVATIONS).bind(&tenant).bind(&agent).bind(ACTIVATIONS_LIMIT);
    prune.execute(&mut *connection).await.map_err(failed())?;
    Ok(())
}

async fn point_at(
    connection: &mut SqliteConnection,
    tenant: TenantId,
    agent: AgentId,
    version: VersionId,
) -> Result<(), CatalogError> {
    sqlx::query(sql::UPDATE_AGENT_ACTIVE)
        .bind(tenant.to_string())
        .bind(agent.to_string())
        .bind(version.to_string())
        .bind(rows::now_us())
        .execute(connection)
        .await
        .map_err(CatalogError::during("activate a version"))?;
    Ok(())
}

impl Catalog {
    /// The tenant's agents, in the order of their names. Reports are left out: [`VersionRecord::report_json`] is empty.
    ///
    /// # Errors
    ///
    /// [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn agents(&self, scope: &TenantScope) -> Result<Vec<AgentRecord>, CatalogError> {
        let tenant = self.tenant_of(scope)?.to_string();
        let mut snapshot = self.inner.snapshot().await?;
        let failed = || CatalogError::during("list agents");
        let agents = sqlx::query(sql::SELECT_AGENTS).bind(&tenant).fetch_all(&mut *snapshot).await;
        let agents = agents.map_err(failed())?.iter().map(AgentRow::read).collect::<Result<Vec<_>, _>>()?;
        let active = sqlx::query(sql::SELECT_ACTIVE_VERSIONS).bind(&tenant).fetch_all(&mut *snapshot).await;
        let mut by_agent = HashMap::with_capacity(agents.len());
        for row in &active.map_err(failed())? {
            let (agent, version) = rows::version(row, None)?;
            by_agent.insert(agent, VersionRecord { active: true, ..version });
        }
        Ok(agents
            .into_iter()
            .map(|agent| {
                let active = by_agent.remove(&agent.id);
                agent.with(active)
            })
            .collect())
    }

    /// One agent of the tenant.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`], [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn agent(&self, scope: &TenantScope, name: &AgentName) -> Result<AgentRecord, CatalogError> {
        let tenant = self.tenant_of(scope)?;
        select_whole(&mut *self.inner.snapshot().await?, tenant, name).await
    }

    /// Makes one of the agent's versions the one that answers calls. Activating the active one changes nothing.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`] for the agent or a version of it, [`CatalogError::WrongRealm`],
    /// [`CatalogError::Failed`].
    pub async fn activate(
        &self,
        scope: &TenantScope,
        name: &AgentName,
        version: VersionId,
    ) -> Result<AgentRecord, CatalogError> {
        let tenant = self.tenant_of(scope)?;
        let (inner, name) = (self.inner.clone(), name.clone());
        uninterrupted(async move {
            let mut transaction = inner.begin().await?;
            let agent = select(&mut transaction, tenant, &name).await?;
            versions::select(&mut transaction, tenant, &agent, version).await?;
            if agent.active != Some(version) {
                set_active(&mut transaction, tenant, agent.id, version).await?;
            }
            let record = select_whole(&mut transaction, tenant, &name).await?;
            commit(transaction).await?;
            Ok(record)
        })
        .await
    }

    /// Goes back to the version that was active before the active one; once more goes back once more.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`], [`CatalogError::Conflict`] when there was none or it was pruned,
    /// [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn rollback(&self, scope: &TenantScope, name: &AgentName) -> Result<AgentRecord, CatalogError> {
        const NONE: CatalogError = CatalogError::Conflict { what: "no version that is still kept was active before" };
        let tenant = self.tenant_of(scope)?;
        let (inner, name) = (self.inner.clone(), name.clone());
        uninterrupted(async move {
            let mut transaction = inner.begin().await?;
            let agent = select(&mut transaction, tenant, &name).await?;
            let failed = || CatalogError::during("roll an agent back");
            let before = sqlx::query(sql::SELECT_ACTIVE_BEFORE)
                .bind(tenant.to_string())
                .bind(agent.id.to_string())
                .bind(agent.active.ok_or(NONE)?.to_string())
                .fetch_optional(&mut *transaction)
                .await
                .map_err(failed())?
                .ok_or(NONE)?;
            point_at(&mut transaction, tenant, agent.id, rows::parsed(&before, "version_id")?).await?;
            sqlx::query(sql::DELETE_ACTIVATIONS_AFTER)
                .bind(tenant.to_string())
                .bind(agent.id.to_string())
                .bind(before.try_get::<i64, _>("seq").map_err(failed())?)
                .execute(&mut *transaction)
                .await
                .map_err(failed())?;
            let record = select_whole(&mut transaction, tenant, &name).await?;
            commit(transaction).await?;
            Ok(record)
        })
        .await
    }

    /// Replaces an agent's own limits.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`], [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn set_agent_limits(
        &self,
        scope: &TenantScope,
        name: &AgentName,
        limits: &AgentLimits,
    ) -> Result<AgentRecord, CatalogError> {
        let tenant = self.tenant_of(scope)?;
        let limits = serde_json::to_string(limits).map_err(CatalogError::during("write limits"))?;
        let (inner, name) = (self.inner.clone(), name.clone());
        uninterrupted(async move {
            let mut transaction = inner.begin().await?;
            let agent = select(&mut transaction, tenant, &name).await?;
            sqlx::query(sql::UPDATE_AGENT_LIMITS)
                .bind(tenant.to_string())
                .bind(agent.id.to_string())
                .bind(limits)
                .bind(rows::now_us())
                .execute(&mut *transaction)
                .await
                .map_err(CatalogError::during("change an agent's limits"))?;
            let record = select_whole(&mut transaction, tenant, &name).await?;
            commit(transaction).await?;
            Ok(record)
        })
        .await
    }

    /// Deletes an agent with its versions and configuration. Answers the digests that no version of this tenant uses any
    /// more: they may leave the shelf.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`], [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn delete_agent(&self, scope: &TenantScope, name: &AgentName) -> Result<Vec<Digest>, CatalogError> {
        let tenant = self.tenant_of(scope)?;
        let (inner, name) = (self.inner.clone(), name.clone());
        uninterrupted(async move {
            let mut transaction = inner.begin().await?;
            let agent = select(&mut transaction, tenant, &name).await?;
            let failed = || CatalogError::during("delete an agent");
            let (owner, id) = (tenant.to_string(), agent.id.to_string());
            let found = sqlx::query(sql::SELECT_DIGESTS).bind(&owner).bind(&id).fetch_all(&mut *transaction).await;
            let found = found.map_err(failed())?;
            let digests = found.iter().map(|row| rows::parsed(row, "digest")).collect::<Result<Vec<_>, _>>()?;
            sqlx::query(sql::DELETE_AGENT).bind(&owner).bind(&id).execute(&mut *transaction).await.map_err(failed())?;
            let unused = versions::unused(&mut transaction, tenant, digests).await?;
            commit(transaction).await?;
            Ok(unused)
        })
        .await
    }
}
