//! Versions: one for each upload, numbered with their agent, pruned when there are too many.

use std::collections::HashSet;

use insula_tenancy::{AgentId, TenantId, TenantScope, VersionId};
use sqlx::SqliteConnection;

use super::rows::AgentRow;
use super::{
    AddedVersion, AgentName, Catalog, CatalogError, NewVersion, VersionRecord, agents, commit, rows, sql, tenants,
    uninterrupted,
};
use crate::Digest;

/// A version of an agent.
pub(super) async fn select(
    connection: &mut SqliteConnection,
    tenant: TenantId,
    agent: &AgentRow,
    version: VersionId,
) -> Result<VersionRecord, CatalogError> {
    let found = sqlx::query(sql::SELECT_VERSION)
        .bind(tenant.to_string())
        .bind(agent.id.to_string())
        .bind(version.to_string())
        .fetch_optional(connection)
        .await
        .map_err(CatalogError::during("read a version"))?;
    Ok(rows::version(&found.ok_or(CatalogError::NotFound)?, agent.active)?.1)
}

/// Those of the digests that no version of the tenant uses.
pub(super) async fn unused(
    connection: &mut SqliteConnection,
    tenant: TenantId,
    mut digests: Vec<Digest>,
) -> Result<Vec<Digest>, CatalogError> {
    digests.sort_unstable();
    digests.dedup();
    let mut unused = Vec::with_capacity(digests.len());
    for digest in digests {
        let used: bool = sqlx::query_scalar(sql::SELECT_DIGEST_USED)
            .bind(tenant.to_string())
            .bind(digest.to_string())
            .fetch_one(&mut *connection)
            .await
            .map_err(CatalogError::during("look a digest up"))?;
        if !used {
            unused.push(digest);
        }
    }
    Ok(unused)
}

/// The agent of that name, made if the tenant may have one more.
async fn agent_for_upload(
    connection: &mut SqliteConnection,
    tenant: TenantId,
    name: &AgentName,
    limit: u64,
) -> Result<AgentRow, CatalogError> {
    match agents::select(connection, tenant, name).await {
        Err(CatalogError::NotFound) => {}
        found => return found,
    }
    let failed = || CatalogError::during("make an agent");
    let owner = tenant.to_string();
    let count: i64 =
        sqlx::query_scalar(sql::COUNT_AGENTS).bind(&owner).fetch_one(&mut *connection).await.map_err(failed())?;
    if count >= rows::to_i64(limit) {
        return Err(CatalogError::LimitReached { what: "agents", limit });
    }
    let insert = sqlx::query(sql::INSERT_AGENT).bind(AgentId::generate().to_string()).bind(&owner);
    insert.bind(name.as_str()).bind(rows::now_us()).execute(&mut *connection).await.map_err(failed())?;
    agents::select(connection, tenant, name).await
}

async fn insert(
    connection: &mut SqliteConnection,
    tenant: TenantId,
    agent: &AgentRow,
    new: &NewVersion,
) -> Result<VersionId, CatalogError> {
    let failed = || CatalogError::during("add a version");
    let (id, number, now) = (VersionId::generate(), rows::to_i64(agent.last_number.saturating_add(1)), rows::now_us());
    sqlx::query(sql::INSERT_VERSION)
        .bind(id.to_string())
        .bind(tenant.to_string())
        .bind(agent.id.to_string())
        .bind(number)
        .bind(new.digest.to_string())
        .bind(rows::to_i64(new.component_bytes))
        .bind(&new.report_json)
        .bind(now)
        .execute(&mut *connection)
        .await
        .map_err(failed())?;
    sqlx::query(sql::UPDATE_AGENT_NUMBER)
        .bind(tenant.to_string())
        .bind(agent.id.to_string())
        .bind(number)
        .bind(now)
        .execute(connection)
        .await
        .map_err(failed())?;
    Ok(id)
}

/// Removes the oldest versions beyond `keep`. The active one and the one just added always stay.
async fn prune(
    connection: &mut SqliteConnection,
    tenant: TenantId,
    agent: &AgentRow,
    added: VersionId,
    keep: u64,
) -> Result<Vec<Digest>, CatalogError> {
    let failed = || CatalogError::during("prune versions");
    let active = agent.active.unwrap_or(added);
    let spared = if active == added { 1 } else { 2 };
    let found = sqlx::query(sql::SELECT_PRUNABLE)
        .bind(tenant.to_string())
        .bind(agent.id.to_string())
        .bind(added.to_string())
        .bind(active.to_string())
        .bind(rows::to_i64(keep.saturating_sub(spared)))
        .fetch_all(&mut *connection)
        .await
        .map_err(failed())?;
    let mut digests = Vec::with_capacity(found.len());
    for row in &found {
        digests.push(rows::parsed(row, "digest")?);
        let version: VersionId = rows::parsed(row, "id")?;
        let delete = sqlx::query(sql::DELETE_VERSION).bind(tenant.to_string()).bind(version.to_string());
        delete.execute(&mut *connection).await.map_err(failed())?;
    }
    unused(connection, tenant, digests).await
}

impl Catalog {
    /// An agent's versions, newest first.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`], [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn versions(&self, scope: &TenantScope, name: &AgentName) -> Result<Vec<VersionRecord>, CatalogError> {
        let tenant = self.tenant_of(scope)?;
        let mut snapshot = self.inner.snapshot().await?;
        let agent = agents::select(&mut snapshot, tenant, name).await?;
        let found = sqlx::query(sql::SELECT_VERSIONS)
            .bind(tenant.to_string())
            .bind(agent.id.to_string())
            .fetch_all(&mut *snapshot)
            .await
            .map_err(CatalogError::during("list versions"))?;
        found.iter().map(|row| Ok(rows::version(row, agent.active)?.1)).collect()
    }

    /// Every digest that a version of the tenant names: what has to stay on its shelf.
    ///
    /// # Errors
    ///
    /// [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn digests(&self, scope: &TenantScope) -> Result<HashSet<Digest>, CatalogError> {
        let tenant = self.tenant_of(scope)?;
        let found = sqlx::query(sql::SELECT_TENANT_DIGESTS)
            .bind(tenant.to_string())
            .fetch_all(&mut *self.inner.snapshot().await?)
            .await
            .map_err(CatalogError::during("list digests"))?;
        found.iter().map(|row| rows::parsed(row, "digest")).collect()
    }

    /// Adds a version to an agent, which its first upload makes; activates it if asked; prunes down to `keep` versions
    /// of the agent. All of it, or nothing.
    ///
    /// # Errors
    ///
    /// [`CatalogError::LimitReached`] when the tenant has `agents` agents already, [`CatalogError::WrongRealm`],
    /// [`CatalogError::Failed`].
    pub async fn add_version(
        &self,
        scope: &TenantScope,
        name: &AgentName,
        new: NewVersion,
        activate: bool,
        keep: u64,
        agents: u64,
    ) -> Result<AddedVersion, CatalogError> {
        let tenant = self.tenant_of(scope)?;
        let (inner, name) = (self.inner.clone(), name.clone());
        uninterrupted(async move {
            let mut transaction = inner.begin().await?;
            tenants::check_not_ending(&mut transaction, tenant).await?;
            let agent = agent_for_upload(&mut transaction, tenant, &name, agents).await?;
            let added = insert(&mut transaction, tenant, &agent, &new).await?;
            if activate {
                agents::set_active(&mut transaction, tenant, agent.id, added).await?;
            }
            let agent = agents::select(&mut transaction, tenant, &name).await?;
            let pruned = prune(&mut transaction, tenant, &agent, added, keep).await?;
            let version = select(&mut transaction, tenant, &agent, added).await?;
            let agent = agents::select_whole(&mut transaction, tenant, &name).await?;
            commit(transaction).await?;
            Ok(AddedVersion { agent, version, pruned })
        })
        .await
    }
}
