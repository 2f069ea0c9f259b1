//! The catalog's part of an erasure: first a tenant loses its keys, then its rows, and in the end its name. What is
//! removed is overwritten, in the database and in its journal.

use insula_tenancy::{OperatorScope, TenantId};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{Row, SqliteConnection};

use super::audit::{Act, record};
use super::{Catalog, CatalogError, Inner, TenantRecord, TenantState, commit, rows, sql, tenants, uninterrupted};

/// How often the journal is tried before readers are said to be in the way.
const JOURNAL_ATTEMPTS: usize = 3;

/// What the catalog has of a tenant, in rows. The audit log is not counted: it is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CatalogRows {
    /// Keys, revoked ones included.
    pub keys: u64,
    /// Agents.
    pub agents: u64,
    /// Versions of agents.
    pub versions: u64,
    /// Names and values of configurations.
    pub configuration: u64,
    /// Usage, by version and day.
    pub usage: u64,
}

/// Readers kept the journal from being emptied.
#[derive(Debug, thiserror::Error)]
#[error("readers of the catalog were in the way; try again")]
struct JournalInUse;

async fn count(connection: &mut SqliteConnection, tenant: TenantId) -> Result<CatalogRows, CatalogError> {
    let found = sqlx::query(sql::COUNT_ROWS).bind(tenant.to_string()).fetch_one(connection).await;
    let row = found.map_err(CatalogError::during("count a tenant's rows"))?;
    Ok(CatalogRows {
        keys: rows::number(&row, "keys")?,
        agents: rows::number(&row, "agents")?,
        versions: rows::number(&row, "versions")?,
        configuration: rows::number(&row, "configuration")?,
        usage: rows::number(&row, "usage")?,
    })
}

async fn run(connection: &mut SqliteConnection, statement: &'static str, id: TenantId) -> Result<(), CatalogError> {
    let done = sqlx::query(statement).bind(id.to_string()).execute(connection).await;
    done.map(drop).map_err(CatalogError::during("erase a tenant"))
}

async fn set_phase(
    connection: &mut SqliteConnection,
    id: TenantId,
    phase: Option<TenantState>,
) -> Result<(), CatalogError> {
    let update = sqlx::query(sql::UPDATE_TENANT_PHASE).bind(id.to_string()).bind(phase.map(TenantState::name));
    update.execute(connection).await.map(drop).map_err(CatalogError::during("change a tenant's phase"))
}

impl Catalog {
    /// Begins an erasure, or begins one anew that ended early: the tenant's keys are gone when this returns, and none of
    /// its rows can be made or changed by anyone. Answers its record and what there was.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`], [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn begin_erasure(
        &self,
        by: &OperatorScope,
        id: TenantId,
    ) -> Result<(TenantRecord, CatalogRows), CatalogError> {
        let by = self.operator(by)?;
        let inner = self.inner.clone();
        uninterrupted(async move {
            let mut transaction = inner.begin().await?;
            let tenant = tenants::select(&mut transaction, id).await?;
            let found = count(&mut transaction, id).await?;
            run(&mut transaction, sql::ERASE_KEYS, id).await?;
            // A tombstone stays one: it has nothing to lose, and is looked at again.
            if tenant.state != TenantState::Erased {
                set_phase(&mut transaction, id, Some(TenantState::Erasing)).await?;
            }
            let act = Act { by, name: "tenant.erase", tenant: Some(id), detail: json!({}) };
            record(&mut transaction, act).await?;
            let done = commit(transaction).await;
            // Also when the commit failed: whether it did is not certain then.
            inner.keys.forget_tenant(id);
            done.map(|()| (tenant, found))
        })
        .await
    }

    /// Removes every row of a tenant whose erasure began, overwrites them, and answers what is there then.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`], [`CatalogError::Conflict`] before it began, [`CatalogError::WrongRealm`],
    /// [`CatalogError::Failed`].
    pub async fn erase_rows(&self, by: &OperatorScope, id: TenantId) -> Result<CatalogRows, CatalogError> {
        self.operator(by)?;
        let inner = self.inner.clone();
        uninterrupted(async move {
            let mut transaction = inner.begin().await?;
            if !tenants::select(&mut transaction, id).await?.state.is_ending() {
                return Err(CatalogError::Conflict { what: "the tenant is not being erased" });
            }
            for statement in [sql::ERASE_KEYS, sql::ERASE_AGENTS, sql::ERASE_USAGE] {
                run(&mut transaction, statement, id).await?;
            }
            commit(transaction).await?;
            inner.overwrite().await?;
            count(&mut *inner.snapshot().await?, id).await
        })
        .await
    }

    /// Ends an erasure: of the tenant its id is left, and its name is free. `report` is kept with the record of the act.
    /// Answers how many records of acts there are of the tenant, which are kept.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`], [`CatalogError::Conflict`] before it began, [`CatalogError::WrongRealm`],
    /// [`CatalogError::Failed`].
    pub async fn finish_erasure(&self, by: &OperatorScope, id: TenantId, report: Value) -> Result<u64, CatalogError> {
        let by = self.operator(by)?;
        let inner = self.inner.clone();
        uninterrupted(async move {
            let mut transaction = inner.begin().await?;
            if !tenants::select(&mut transaction, id).await?.state.is_ending() {
                return Err(CatalogError::Conflict { what: "the tenant is not being erased" });
            }
            run(&mut transaction, sql::BURY_TENANT, id).await?;
            record(&mut transaction, Act { by, name: "tenant.erased", tenant: Some(id), detail: report }).await?;
            let kept: i64 = sqlx::query_scalar(sql::COUNT_AUDIT)
                .bind(id.to_string())
                .fetch_one(&mut *transaction)
                .await
                .map_err(CatalogError::during("count the records of acts"))?;
            commit(transaction).await?;
            inner.overwrite().await?;
            Ok(kept.unsigned_abs())
        })
        .await
    }

    /// Ends an import: the tenant is there like any other.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`], [`CatalogError::Conflict`] when it is not being imported, [`CatalogError::WrongRealm`],
    /// [`CatalogError::Failed`].
    pub async fn finish_import(&self, by: &OperatorScope, id: TenantId) -> Result<TenantRecord, CatalogError> {
        let by = self.operator(by)?;
        let inner = self.inner.clone();
        uninterrupted(async move {
            let mut transaction = inner.begin().await?;
            if tenants::select(&mut transaction, id).await?.state != TenantState::Importing {
                return Err(CatalogError::Conflict { what: "the tenant is not being imported" });
            }
            set_phase(&mut transaction, id, None).await?;
            record(&mut transaction, Act { by, name: "tenant.imported", tenant: Some(id), detail: json!({}) }).await?;
            let tenant = tenants::select(&mut transaction, id).await?;
            commit(transaction).await?;
            Ok(tenant)
        })
        .await
    }
}

impl Inner {
    /// Writes the database anew without what was removed, takes the journal over into it, and cuts the journal to nothing:
    /// it has whole pages as they were before. Whoever writes to the catalog waits meanwhile, readers do not.
    async fn overwrite(&self) -> Result<(), CatalogError> {
        let mut connection = self.writer.acquire().await.map_err(CatalogError::during("write itself anew"))?;
        let anew = sqlx::query(sql::WRITE_ANEW).execute(&mut *connection).await;
        anew.map_err(CatalogError::during("write itself anew"))?;
        let failed = || CatalogError::during("empty its journal");
        for _ in 0..JOURNAL_ATTEMPTS {
            let row = sqlx::query(sql::EMPTY_JOURNAL).fetch_one(&mut *connection).await.map_err(failed())?;
            if row.try_get::<i64, _>(0).map_err(failed())? == 0 {
                return Ok(());
            }
        }
        Err(CatalogError::during("empty its journal")(JournalInUse))
    }
}
