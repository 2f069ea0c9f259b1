//! Usage: what each version of each agent used, by day, and what a tenant used in all. It outlives the agent and the
//! tenant that it is of.

use insula_host_api::{HOST_CALL_KINDS, HostCalls};
use insula_tenancy::{AgentId, OperatorScope, TenantId, TenantScope, VersionId};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::{Catalog, CatalogError, Usage, UsageAmounts, UsageRow, commit, rows, sql, tenants};
use crate::Maintenance;

/// The most rows of one answer, the latest days first.
const ROWS_LIMIT: usize = 10_000;

async fn select(connection: &mut SqliteConnection, tenant: TenantId) -> Result<Usage, CatalogError> {
    let tenant = tenant.to_string();
    let failed = || CatalogError::during("read usage");
    let limit = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let found = sqlx::query(sql::SELECT_USAGE).bind(&tenant).bind(limit(ROWS_LIMIT));
    let found = found.fetch_all(&mut *connection).await.map_err(failed())?;
    let mut usage = found.iter().map(rows::usage).collect::<Result<Vec<_>, _>>()?;
    let found = sqlx::query(sql::SELECT_HOST_CALLS).bind(&tenant).bind(limit(ROWS_LIMIT * HOST_CALL_KINDS));
    let found = found.fetch_all(&mut *connection).await.map_err(failed())?;
    join(&mut usage, &found)?;

    let sums = sqlx::query(sql::SUM_USAGE).bind(&tenant).fetch_one(&mut *connection).await.map_err(failed())?;
    let mut total = UsageAmounts::read(|column| match column {
        "peak_memory" => rows::number(&sums, column),
        column => rows::sum(&sums, column),
    })?;
    let kinds = sqlx::query(sql::SUM_HOST_CALLS).bind(&tenant).fetch_all(connection).await.map_err(failed())?;
    for kind in &kinds {
        if let Some(call) = rows::host_call(kind)? {
            total.host_calls_by_kind.add(call, rows::sum(kind, "calls")?);
        }
    }
    Ok(Usage { rows: usage, total })
}

/// Puts host calls by kind to the rows that they are of: both are in the same order.
fn join(usage: &mut [UsageRow], found: &[SqliteRow]) -> Result<(), CatalogError> {
    let mut rest = usage.iter_mut().peekable();
    for kind in found {
        let (agent, version): (AgentId, VersionId) =
            (rows::parsed(kind, "agent_id")?, rows::parsed(kind, "version_id")?);
        let day = rows::day(kind)?;
        while rest.next_if(|row| (row.day, row.agent, row.version) != (day, agent, version)).is_some() {}
        if let (Some(row), Some(call)) = (rest.peek_mut(), rows::host_call(kind)?) {
            row.amounts.host_calls_by_kind.add(call, rows::number(kind, "calls")?);
        }
    }
    Ok(())
}

impl Catalog {
    /// The tenant's own usage: the latest 10,000 rows, and the sum of all.
    ///
    /// # Errors
    ///
    /// [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn usage(&self, scope: &TenantScope) -> Result<Usage, CatalogError> {
        let tenant = self.tenant_of(scope)?;
        select(&mut *self.inner.snapshot().await?, tenant).await
    }

    /// The same of a tenant. A deleted tenant's is still there.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`] when there is neither usage nor a tenant, [`CatalogError::WrongRealm`],
    /// [`CatalogError::Failed`].
    pub async fn usage_of(&self, by: &OperatorScope, tenant: TenantId) -> Result<Usage, CatalogError> {
        self.operator(by)?;
        let mut snapshot = self.inner.snapshot().await?;
        let usage = select(&mut snapshot, tenant).await?;
        if usage.rows.is_empty() {
            tenants::select(&mut snapshot, tenant).await?;
        }
        Ok(usage)
    }

    /// Adds to the usage, all rows or none. Counts add up; of the peaks the greater stays.
    ///
    /// # Errors
    ///
    /// [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn add_usage(&self, by: &Maintenance, usage: &[UsageRow]) -> Result<(), CatalogError> {
        self.check_realm(by.realm())?;
        let mut transaction = self.inner.begin().await?;
        for row in usage {
            let mut query = sqlx::query(sql::ADD_USAGE)
                .bind(row.tenant.to_string())
                .bind(row.agent.to_string())
                .bind(row.version.to_string())
                .bind(row.day)
                .bind(rows::to_i64(row.amounts.peak_memory));
            for number in row.amounts.sums() {
                query = query.bind(rows::to_i64(number));
            }
            query.execute(&mut *transaction).await.map_err(CatalogError::during("add usage"))?;
            add_host_calls(&mut transaction, row, row.amounts.host_calls_by_kind).await?;
        }
        commit(transaction).await
    }
}

async fn add_host_calls(
    connection: &mut SqliteConnection,
    row: &UsageRow,
    calls: HostCalls,
) -> Result<(), CatalogError> {
    for (call, count) in calls.entries() {
        sqlx::query(sql::ADD_HOST_CALLS)
            .bind(row.tenant.to_string())
            .bind(row.agent.to_string())
            .bind(row.version.to_string())
            .bind(row.day)
            .bind(call.name())
            .bind(rows::to_i64(count))
            .execute(&mut *connection)
            .await
            .map_err(CatalogError::during("add usage"))?;
    }
    Ok(())
}
