//! Usage: what each version of each agent used, by day. It outlives the agent and the tenant that it is of.

use insula_tenancy::{OperatorScope, TenantId, TenantScope};
use sqlx::SqliteConnection;

use super::{Catalog, CatalogError, UsageRow, commit, rows, sql, tenants};
use crate::Maintenance;

/// The most rows of one answer, the latest days first.
const ROWS_LIMIT: i64 = 10_000;

async fn select(connection: &mut SqliteConnection, tenant: TenantId) -> Result<Vec<UsageRow>, CatalogError> {
    let found = sqlx::query(sql::SELECT_USAGE)
        .bind(tenant.to_string())
        .bind(ROWS_LIMIT)
        .fetch_all(connection)
        .await
        .map_err(CatalogError::during("read usage"))?;
    found.iter().map(rows::usage).collect()
}

impl Catalog {
    /// The tenant's own usage, the latest days first, at most 10,000 rows.
    ///
    /// # Errors
    ///
    /// [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn usage(&self, scope: &TenantScope) -> Result<Vec<UsageRow>, CatalogError> {
        let tenant = self.tenant_of(scope)?;
        select(&mut *self.inner.snapshot().await?, tenant).await
    }

    /// A tenant's usage, the latest days first, at most 10,000 rows. A deleted tenant's is still there.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`] when there is neither usage nor a tenant, [`CatalogError::WrongRealm`],
    /// [`CatalogError::Failed`].
    pub async fn usage_of(&self, by: &OperatorScope, tenant: TenantId) -> Result<Vec<UsageRow>, CatalogError> {
        self.operator(by)?;
        let mut snapshot = self.inner.snapshot().await?;
        let usage = select(&mut snapshot, tenant).await?;
        if usage.is_empty() {
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
                .bind(row.day);
            let numbers = [
                row.calls,
                row.failures,
                row.fuel,
                row.cpu_us,
                row.wall_us,
                row.host_calls,
                row.host_bytes,
                row.peak_memory,
            ];
            for number in numbers {
                query = query.bind(rows::to_i64(number));
            }
            query.execute(&mut *transaction).await.map_err(CatalogError::during("add usage"))?;
        }
        commit(transaction).await
    }
}
