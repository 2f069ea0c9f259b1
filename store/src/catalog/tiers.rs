//! Tiers: named limits that operators change, live, for every tenant of them.

use insula_tenancy::OperatorScope;
use serde_json::json;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::audit::{Act, record};
use super::{Catalog, CatalogError, TierName, TierRecord, commit, rows, sql, uninterrupted};
use crate::{Limits, LimitsPatch};

/// The most tiers of a host.
const TIERS_LIMIT: i64 = 100;

const IN_USE: CatalogError = CatalogError::Conflict { what: "tenants have this tier: give them another first" };
const STANDARD: CatalogError =
    CatalogError::Conflict { what: "the tier `standard` is what tenants have unless told otherwise: it stays" };

/// Refuses a tier that is not there.
pub(super) async fn check(connection: &mut SqliteConnection, tier: &TierName) -> Result<(), CatalogError> {
    find(connection, tier)
        .await?
        .map(drop)
        .ok_or_else(|| CatalogError::Invalid { what: format!("there is no tier `{tier}`: `GET /v1/tiers` lists them") })
}

/// What a tier sets.
pub(super) async fn sets(connection: &mut SqliteConnection, tier: &TierName) -> Result<LimitsPatch, CatalogError> {
    find(connection, tier).await?.map(|found| found.sets).ok_or(CatalogError::NotFound)
}

async fn find(connection: &mut SqliteConnection, tier: &TierName) -> Result<Option<TierRecord>, CatalogError> {
    let found = sqlx::query(sql::SELECT_TIER)
        .bind(tier.as_str())
        .fetch_optional(connection)
        .await
        .map_err(CatalogError::during("read a tier"))?;
    found.as_ref().map(read).transpose()
}

fn read(row: &SqliteRow) -> Result<TierRecord, CatalogError> {
    let sets = rows::patch(row, "limits")?;
    Ok(TierRecord {
        name: rows::parsed(row, "name")?,
        sets,
        limits: Limits::standard().overlaid(&sets),
        tenants: rows::number(row, "tenants")?,
        updated_us: rows::number(row, "updated_us")?,
    })
}

impl Catalog {
    /// The tiers, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn tiers(&self, by: &OperatorScope) -> Result<Vec<TierRecord>, CatalogError> {
        self.operator(by)?;
        let found = sqlx::query(sql::SELECT_TIERS).fetch_all(&self.inner.readers).await;
        found.map_err(CatalogError::during("list tiers"))?.iter().map(read).collect()
    }

    /// Makes a tier, or sets what an existing one sets, whole.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Invalid`] when a limit is outside its range, [`CatalogError::LimitReached`],
    /// [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn set_tier(
        &self,
        by: &OperatorScope,
        tier: &TierName,
        sets: &LimitsPatch,
    ) -> Result<TierRecord, CatalogError> {
        let by = self.operator(by)?;
        Limits::standard().patched(sets)?;
        let (inner, tier, sets) = (self.inner.clone(), tier.clone(), *sets);
        uninterrupted(async move {
            let mut transaction = inner.begin().await?;
            let failed = || CatalogError::during("change a tier");
            if find(&mut transaction, &tier).await?.is_none() {
                let count: i64 =
                    sqlx::query_scalar(sql::COUNT_TIERS).fetch_one(&mut *transaction).await.map_err(failed())?;
                if count >= TIERS_LIMIT {
                    return Err(CatalogError::LimitReached { what: "tiers", limit: TIERS_LIMIT.unsigned_abs() });
                }
            }
            sqlx::query(sql::SET_TIER)
                .bind(tier.as_str())
                .bind(serde_json::to_string(&sets).map_err(CatalogError::during("write limits"))?)
                .bind(rows::now_us())
                .execute(&mut *transaction)
                .await
                .map_err(failed())?;
            let detail = json!({"tier": tier, "limits": sets});
            record(&mut transaction, Act { by, name: "tier.set", tenant: None, detail }).await?;
            let after = find(&mut transaction, &tier).await?.ok_or(CatalogError::NotFound)?;
            commit(transaction).await?;
            Ok(after)
        })
        .await
    }

    /// Removes a tier that no tenant has.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`], [`CatalogError::Conflict`] while a tenant has it, and for `standard`,
    /// [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn delete_tier(&self, by: &OperatorScope, tier: &TierName) -> Result<(), CatalogError> {
        let by = self.operator(by)?;
        let (inner, tier) = (self.inner.clone(), tier.clone());
        uninterrupted(async move {
            let mut transaction = inner.begin().await?;
            let found = find(&mut transaction, &tier).await?.ok_or(CatalogError::NotFound)?;
            if tier == TierName::standard() {
                return Err(STANDARD);
            }
            if found.tenants > 0 {
                return Err(IN_USE);
            }
            sqlx::query(sql::DELETE_TIER)
                .bind(tier.as_str())
                .execute(&mut *transaction)
                .await
                .map_err(CatalogError::during("remove a tier"))?;
            record(&mut transaction, Act { by, name: "tier.delete", tenant: None, detail: json!({"tier": tier}) })
                .await?;
            commit(transaction).await
        })
        .await
    }
}
