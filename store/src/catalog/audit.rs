//! The operators' audit log: one record for each act, in the act's own transaction. Records are never changed.

use insula_tenancy::{KeyId, OperatorScope, TenantId};
use serde_json::Value;
use sqlx::SqliteConnection;

use super::{AuditRecord, Catalog, CatalogError, PAGE_LIMIT, rows, sql};

/// One act, to be recorded.
pub(super) struct Act {
    pub(super) by: KeyId,
    pub(super) name: &'static str,
    pub(super) tenant: Option<TenantId>,
    /// No secrets.
    pub(super) detail: Value,
}

/// Records an act in its own transaction.
pub(super) async fn record(connection: &mut SqliteConnection, act: Act) -> Result<(), CatalogError> {
    sqlx::query(sql::INSERT_AUDIT)
        .bind(rows::now_us())
        .bind(act.by.to_string())
        .bind(act.name)
        .bind(act.tenant.map(|tenant| tenant.to_string()))
        .bind(act.detail.to_string())
        .execute(connection)
        .await
        .map_err(CatalogError::during("record an act"))?;
    Ok(())
}

impl Catalog {
    /// Acts of operators, oldest first, beginning after the place `after`: at most `limit`, and at most 1,000.
    ///
    /// # Errors
    ///
    /// [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn audit(
        &self,
        by: &OperatorScope,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditRecord>, CatalogError> {
        self.audit_of(by, None, after, limit).await
    }

    /// The same, of acts on one tenant: also on one that is gone.
    ///
    /// # Errors
    ///
    /// [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn audit_of(
        &self,
        by: &OperatorScope,
        tenant: Option<TenantId>,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<AuditRecord>, CatalogError> {
        self.operator(by)?;
        let found = sqlx::query(sql::SELECT_AUDIT)
            .bind(rows::to_i64(after.unwrap_or(0)))
            .bind(limit.clamp(1, PAGE_LIMIT))
            .bind(tenant.map(|tenant| tenant.to_string()))
            .fetch_all(&self.inner.readers)
            .await
            .map_err(CatalogError::during("read the audit log"))?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            Ok(AuditRecord {
                seq: rows::number(row, "seq")?,
                at_us: rows::number(row, "at_us")?,
                key: rows::parsed(row, "key_id")?,
                act: rows::owned(row, "act")?,
                tenant: rows::parsed_option(row, "tenant_id")?,
                detail: rows::json(row, "detail")?,
            })
        };
        found.iter().map(read).collect()
    }
}
