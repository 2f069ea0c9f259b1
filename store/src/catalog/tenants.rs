//! Tenants: the operator's acts on them, and what a tenant sees of itself.

use insula_tenancy::{NewKey, OperatorScope, Permissions, TenantId, TenantScope};
use serde_json::json;
use sqlx::SqliteConnection;

use super::audit::{Act, record};
use super::{
    Catalog, CatalogError, LimitsChange, PAGE_LIMIT, TenantName, TenantRecord, TenantState, TierName, commit, keys,
    rows, sql, tiers, uninterrupted,
};
use crate::{Limits, LimitsPatch};

const NAME_TAKEN: CatalogError = CatalogError::Conflict { what: "another tenant has this name already" };

/// The tenant of an id.
pub(super) async fn select(connection: &mut SqliteConnection, id: TenantId) -> Result<TenantRecord, CatalogError> {
    let found = sqlx::query(sql::SELECT_TENANT)
        .bind(id.to_string())
        .fetch_optional(connection)
        .await
        .map_err(CatalogError::during("read a tenant"))?;
    rows::tenant(&found.ok_or(CatalogError::NotFound)?)
}

/// The same, if operators may change it and act on its data now.
pub(super) async fn select_settled(
    connection: &mut SqliteConnection,
    id: TenantId,
) -> Result<TenantRecord, CatalogError> {
    let tenant = select(connection, id).await?;
    match tenant.state.hindrance() {
        Some(what) => Err(CatalogError::Conflict { what }),
        None => Ok(tenant),
    }
}

/// Refuses a tenant that is gone or about to go: what it still asks for is as good as foreign.
pub(super) async fn check_not_ending(connection: &mut SqliteConnection, id: TenantId) -> Result<(), CatalogError> {
    if select(connection, id).await?.state.is_ending() { Err(CatalogError::NotFound) } else { Ok(()) }
}

async fn check_name(connection: &mut SqliteConnection, name: &TenantName, of: TenantId) -> Result<(), CatalogError> {
    let taken: bool = sqlx::query_scalar(sql::SELECT_NAME_TAKEN)
        .bind(name.as_str())
        .bind(of.to_string())
        .fetch_one(connection)
        .await
        .map_err(CatalogError::during("look a name up"))?;
    if taken { Err(NAME_TAKEN) } else { Ok(()) }
}

fn stored(overrides: &LimitsPatch) -> Result<String, CatalogError> {
    serde_json::to_string(overrides).map_err(CatalogError::during("write limits"))
}

/// What a new tenant may use.
#[expect(clippy::large_enum_variant, reason = "made once for each new tenant, and taken apart at once")]
enum Given {
    /// A tier's limits, but for some.
    Tier(TierName, LimitsPatch),
    /// These, whatever the standard tier is here: where it differs, they are the tenant's own.
    Limits(Limits),
}

impl Catalog {
    /// Makes a tenant of a tier, and its first key, which carries every permission.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Conflict`] when the name is taken, [`CatalogError::Invalid`] when a limit is outside its range,
    /// [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn create_tenant(
        &self,
        by: &OperatorScope,
        name: &TenantName,
        tier: &TierName,
        overrides: &LimitsPatch,
    ) -> Result<(TenantRecord, NewKey), CatalogError> {
        Limits::standard().patched(overrides)?;
        self.make_tenant(by, name, Given::Tier(tier.clone(), *overrides), None).await
    }

    /// The same for a tenant that comes from an archive: it is `importing` until [`Catalog::finish_import`]. `origin` is
    /// kept with the record of the act.
    ///
    /// # Errors
    ///
    /// As for [`Catalog::create_tenant`].
    pub async fn begin_import(
        &self,
        by: &OperatorScope,
        name: &TenantName,
        limits: &Limits,
        origin: TenantId,
    ) -> Result<(TenantRecord, NewKey), CatalogError> {
        self.make_tenant(by, name, Given::Limits(limits.checked()?), Some(origin)).await
    }

    async fn make_tenant(
        &self,
        by: &OperatorScope,
        name: &TenantName,
        given: Given,
        origin: Option<TenantId>,
    ) -> Result<(TenantRecord, NewKey), CatalogError> {
        let by = self.operator(by)?;
        let (inner, name, id) = (self.inner.clone(), name.clone(), TenantId::generate());
        let (act, phase) = match origin {
            None => ("tenant.create", None),
            Some(_) => ("tenant.import", Some(TenantState::Importing.name())),
        };
        uninterrupted(async move {
            let mut transaction = inner.begin().await?;
            check_name(&mut transaction, &name, id).await?;
            let (tier, overrides) = match given {
                Given::Tier(tier, overrides) => (tier, overrides),
                Given::Limits(limits) => {
                    let tier = TierName::standard();
                    let sets = tiers::sets(&mut transaction, &tier).await?;
                    (tier, limits.differences(&Limits::standard().overlaid(&sets)))
                }
            };
            tiers::check(&mut transaction, &tier).await?;
            sqlx::query(sql::INSERT_TENANT)
                .bind(id.to_string())
                .bind(name.as_str())
                .bind(phase)
                .bind(tier.as_str())
                .bind(stored(&overrides)?)
                .bind(rows::now_us())
                .execute(&mut *transaction)
                .await
                .map_err(CatalogError::during("make a tenant"))?;
            let key = keys::insert(&mut transaction, Some(id), "first", Permissions::ALL).await?;
            let mut detail = json!({"name": name, "tier": tier, "limits": overrides, "key": key.id()});
            if let (Some(origin), Some(detail)) = (origin, detail.as_object_mut()) {
                detail.insert("from".to_owned(), origin.to_string().into());
            }
            record(&mut transaction, Act { by, name: act, tenant: Some(id), detail }).await?;
            let tenant = select(&mut transaction, id).await?;
            commit(transaction).await?;
            Ok((tenant, key))
        })
        .await
    }

    /// Tenants in the order of their ids, beginning after `after`: at most `limit`, and at most 1,000.
    ///
    /// # Errors
    ///
    /// [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn tenants(
        &self,
        by: &OperatorScope,
        after: Option<TenantId>,
        limit: u32,
    ) -> Result<Vec<TenantRecord>, CatalogError> {
        self.operator(by)?;
        let found = sqlx::query(sql::SELECT_TENANTS)
            .bind(after.map_or_else(String::new, |after| after.to_string()))
            .bind(limit.clamp(1, PAGE_LIMIT))
            .fetch_all(&self.inner.readers)
            .await
            .map_err(CatalogError::during("list tenants"))?;
        found.iter().map(rows::tenant).collect()
    }

    /// One tenant.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`], [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn tenant(&self, by: &OperatorScope, id: TenantId) -> Result<TenantRecord, CatalogError> {
        self.operator(by)?;
        select(&mut *self.inner.snapshot().await?, id).await
    }

    /// Changes a tenant's name, its tier, and what was set for it alone.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`], [`CatalogError::Conflict`] when the name is taken, [`CatalogError::Invalid`] when a
    /// limit is outside its range, [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn update_tenant(
        &self,
        by: &OperatorScope,
        id: TenantId,
        name: Option<&TenantName>,
        limits: impl Into<LimitsChange>,
    ) -> Result<TenantRecord, CatalogError> {
        let by = self.operator(by)?;
        let (inner, name, change) = (self.inner.clone(), name.cloned(), limits.into());
        Limits::standard().patched(&change.set)?;
        uninterrupted(async move {
            let mut transaction = inner.begin().await?;
            let before = select_settled(&mut transaction, id).await?;
            let overrides = before.overrides.changed(&change.set, &change.unset);
            let tier = change.tier.as_ref().unwrap_or(&before.tier);
            tiers::check(&mut transaction, tier).await?;
            if let Some(name) = &name {
                check_name(&mut transaction, name, id).await?;
            }
            sqlx::query(sql::UPDATE_TENANT)
                .bind(id.to_string())
                .bind(name.as_ref().unwrap_or(&before.name).as_str())
                .bind(tier.as_str())
                .bind(stored(&overrides)?)
                .execute(&mut *transaction)
                .await
                .map_err(CatalogError::during("change a tenant"))?;
            let detail = json!({"name": name, "tier": change.tier, "limits": change.set, "unset": change.unset});
            record(&mut transaction, Act { by, name: "tenant.update", tenant: Some(id), detail }).await?;
            let after = select(&mut transaction, id).await?;
            commit(transaction).await?;
            Ok(after)
        })
        .await
    }

    /// Suspends or resumes a tenant. When this returns, no key of a suspended tenant opens anything.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`], [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn set_tenant_state(
        &self,
        by: &OperatorScope,
        id: TenantId,
        state: TenantState,
    ) -> Result<TenantRecord, CatalogError> {
        let by = self.operator(by)?;
        let inner = self.inner.clone();
        uninterrupted(async move {
            let mut transaction = inner.begin().await?;
            select_settled(&mut transaction, id).await?;
            let name = match state {
                TenantState::Active => "tenant.resume",
                TenantState::Suspended => "tenant.suspend",
                _ => return Err(CatalogError::Invalid { what: "a tenant is suspended or resumed".to_owned() }),
            };
            sqlx::query(sql::UPDATE_TENANT_STATE)
                .bind(id.to_string())
                .bind(state.name())
                .execute(&mut *transaction)
                .await
                .map_err(CatalogError::during("change a tenant's state"))?;
            record(&mut transaction, Act { by, name, tenant: Some(id), detail: json!({}) }).await?;
            let after = select(&mut transaction, id).await?;
            let done = commit(transaction).await;
            // Also when the commit failed: whether it did is not certain then.
            inner.keys.forget_tenant(id);
            done.map(|()| after)
        })
        .await
    }

    /// Removes a tenant and its keys, or a tombstone. Usage, where it was not erased, and the audit log stay.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`], [`CatalogError::Conflict`] while it has agents, [`CatalogError::WrongRealm`],
    /// [`CatalogError::Failed`].
    pub async fn delete_tenant(&self, by: &OperatorScope, id: TenantId) -> Result<(), CatalogError> {
        let by = self.operator(by)?;
        let inner = self.inner.clone();
        uninterrupted(async move {
            let mut transaction = inner.begin().await?;
            let tenant = select(&mut transaction, id).await?;
            if let Some(what) = tenant.state.hindrance().filter(|_| tenant.state != TenantState::Erased) {
                return Err(CatalogError::Conflict { what });
            }
            let agents: i64 = sqlx::query_scalar(sql::COUNT_AGENTS)
                .bind(id.to_string())
                .fetch_one(&mut *transaction)
                .await
                .map_err(CatalogError::during("count agents"))?;
            if agents > 0 {
                return Err(CatalogError::Conflict { what: "the tenant still has agents: delete them first" });
            }
            sqlx::query(sql::DELETE_TENANT)
                .bind(id.to_string())
                .execute(&mut *transaction)
                .await
                .map_err(CatalogError::during("remove a tenant"))?;
            let detail = json!({"name": tenant.name});
            record(&mut transaction, Act { by, name: "tenant.delete", tenant: Some(id), detail }).await?;
            let done = commit(transaction).await;
            inner.keys.forget_tenant(id);
            done
        })
        .await
    }

    /// The scope's own tenant.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`] when it was deleted or erased since, [`CatalogError::WrongRealm`],
    /// [`CatalogError::Failed`].
    pub async fn own_tenant(&self, scope: &TenantScope) -> Result<TenantRecord, CatalogError> {
        let tenant = self.tenant_of(scope)?;
        let record = select(&mut *self.inner.snapshot().await?, tenant).await?;
        if record.state.is_ending() { Err(CatalogError::NotFound) } else { Ok(record) }
    }
}
