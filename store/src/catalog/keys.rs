//! Keys: made, listed, revoked, and looked up. Only hashes are stored.

use std::sync::Arc;

use insula_tenancy::{
    Credential, FoundKey, KeyHash, KeyId, KeyLookup, KeyOwner, KeyRecord, LookupFailed, NewKey, OperatorAct,
    OperatorScope, OwnerState, Permissions, RecordedAct, TenantId,
};
use serde_json::json;
use sqlx::SqliteConnection;

use super::audit::{Act, record};
use super::{Catalog, CatalogError, Inner, KeyInfo, TenantState, commit, rows, sql, tenants, uninterrupted};
use crate::storage::chain;

/// The most live keys of a tenant, and the most revoked ones that are remembered.
const KEYS_LIMIT: i64 = 100;
const LABEL_LIMIT: usize = 64;

fn check_label(label: &str) -> Result<(), CatalogError> {
    let fits = (1..=LABEL_LIMIT).contains(&label.len()) && !label.chars().any(char::is_control);
    let what = || format!("invalid label: use 1 to {LABEL_LIMIT} bytes without control characters");
    if fits { Ok(()) } else { Err(CatalogError::Invalid { what: what() }) }
}

/// Makes a key of a tenant, or of the operators.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    tenant: Option<TenantId>,
    label: &str,
    permissions: Permissions,
) -> Result<NewKey, CatalogError> {
    let key = NewKey::generate().map_err(CatalogError::during("draw a secret"))?;
    sqlx::query(sql::INSERT_KEY)
        .bind(key.id().to_string())
        .bind(tenant.map(|tenant| tenant.to_string()))
        .bind(key.hash().as_bytes().as_slice())
        .bind(label)
        .bind(permissions.to_string())
        .bind(rows::now_us())
        .execute(connection)
        .await
        .map_err(CatalogError::during("make a key"))?;
    Ok(key)
}

async fn select(connection: &mut SqliteConnection, tenant: TenantId) -> Result<Vec<KeyInfo>, CatalogError> {
    let found = sqlx::query(sql::SELECT_KEYS).bind(tenant.to_string()).fetch_all(connection).await;
    found.map_err(CatalogError::during("list keys"))?.iter().map(rows::key).collect()
}

impl Catalog {
    /// Makes an operator's key if there is no live one: on the first start, and after the last was lost and removed.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Failed`].
    pub async fn ensure_operator_key(&self) -> Result<Option<NewKey>, CatalogError> {
        let mut transaction = self.inner.begin().await?;
        let live: i64 = sqlx::query_scalar(sql::COUNT_OPERATOR_KEYS)
            .fetch_one(&mut *transaction)
            .await
            .map_err(CatalogError::during("count keys"))?;
        if live > 0 {
            return Ok(None);
        }
        let key = insert(&mut transaction, None, "operator", Permissions::ALL).await?;
        // Nobody was there to ask for it: the key's own record stands in for an actor.
        let act = Act { by: key.id(), name: "operator-key.create", tenant: None, detail: json!({}) };
        record(&mut transaction, act).await?;
        commit(transaction).await?;
        Ok(Some(key))
    }

    /// Makes a key of a tenant.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`], [`CatalogError::Invalid`] for a label over 64 bytes or no permission at all,
    /// [`CatalogError::LimitReached`] at 100 live keys, [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn create_key(
        &self,
        by: &OperatorScope,
        tenant: TenantId,
        label: &str,
        permissions: Permissions,
    ) -> Result<(KeyInfo, NewKey), CatalogError> {
        let by = self.operator(by)?;
        check_label(label)?;
        if permissions.is_empty() {
            return Err(CatalogError::Invalid { what: "a key needs at least one permission".to_owned() });
        }
        let (inner, label) = (self.inner.clone(), label.to_owned());
        uninterrupted(async move {
            let mut transaction = inner.begin().await?;
            tenants::select_settled(&mut transaction, tenant).await?;
            let live: i64 = sqlx::query_scalar(sql::COUNT_KEYS)
                .bind(tenant.to_string())
                .fetch_one(&mut *transaction)
                .await
                .map_err(CatalogError::during("count keys"))?;
            if live >= KEYS_LIMIT {
                return Err(CatalogError::LimitReached { what: "keys", limit: KEYS_LIMIT.unsigned_abs() });
            }
            let key = insert(&mut transaction, Some(tenant), &label, permissions).await?;
            let id = key.id();
            let detail = json!({"key": id, "label": label, "permissions": permissions.to_string()});
            record(&mut transaction, Act { by, name: "key.create", tenant: Some(tenant), detail }).await?;
            let made = select(&mut transaction, tenant).await?.into_iter().find(|info| info.id == id);
            commit(transaction).await?;
            Ok((made.ok_or(CatalogError::NotFound)?, key))
        })
        .await
    }

    /// A tenant's keys, revoked ones included.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`], [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn keys(&self, by: &OperatorScope, tenant: TenantId) -> Result<Vec<KeyInfo>, CatalogError> {
        self.operator(by)?;
        let mut snapshot = self.inner.snapshot().await?;
        tenants::select(&mut snapshot, tenant).await?;
        select(&mut snapshot, tenant).await
    }

    /// Revokes a key. When this returns, it opens nothing. Revoking a revoked key is no error.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`], [`CatalogError::WrongRealm`], [`CatalogError::Failed`].
    pub async fn revoke_key(&self, by: &OperatorScope, tenant: TenantId, key: KeyId) -> Result<(), CatalogError> {
        let by = self.operator(by)?;
        let inner = self.inner.clone();
        uninterrupted(async move {
            let mut transaction = inner.begin().await?;
            let known: bool = sqlx::query_scalar(sql::SELECT_KEY_EXISTS)
                .bind(tenant.to_string())
                .bind(key.to_string())
                .fetch_one(&mut *transaction)
                .await
                .map_err(CatalogError::during("look a key up"))?;
            if !known {
                return Err(CatalogError::NotFound);
            }
            revoke(&mut transaction, tenant, key).await.map_err(CatalogError::during("revoke a key"))?;
            let detail = json!({"key": key});
            record(&mut transaction, Act { by, name: "key.revoke", tenant: Some(tenant), detail }).await?;
            let done = commit(transaction).await;
            // Also when the commit failed: whether it did is not certain then.
            inner.keys.forget_key(key);
            done
        })
        .await
    }
}

async fn revoke(connection: &mut SqliteConnection, tenant: TenantId, key: KeyId) -> Result<(), sqlx::Error> {
    let tenant = tenant.to_string();
    let revoked = sqlx::query(sql::REVOKE_KEY).bind(&tenant).bind(key.to_string()).bind(rows::now_us());
    revoked.execute(&mut *connection).await?;
    sqlx::query(sql::PRUNE_REVOKED_KEYS).bind(&tenant).bind(KEYS_LIMIT).execute(connection).await?;
    Ok(())
}

impl Inner {
    /// A wrong secret and no such key take the same steps up to the answer, and nothing is read of whose key it is before
    /// the secret was seen to be its own (T6).
    async fn find_key(&self, credential: &Credential) -> Result<Option<Arc<KeyRecord>>, CatalogError> {
        let failed = || CatalogError::during("look a key up");
        let key = credential.key();
        let began = self.keys.generation(key);
        let found = sqlx::query(sql::FIND_KEY).bind(key.to_string()).fetch_optional(&self.readers).await;
        // None is older than every key.
        let Some(row) = found.map_err(failed())? else { return Ok(None) };
        let (id, hash) = (rows::parsed(&row, "id")?, KeyHash::from_bytes(rows::hash(&row, "hash")?));
        if !credential.is_of(id, &hash) || rows::is_set(&row, "revoked_us")? {
            return Ok(None);
        }
        let tenant: Option<TenantId> = rows::parsed_option(&row, "tenant_id")?;
        let (owner, owner_state) = match tenant {
            None => (KeyOwner::Operator, OwnerState::Active),
            Some(tenant) => {
                let found = sqlx::query(sql::SELECT_STATE).bind(tenant.to_string()).fetch_optional(&self.readers).await;
                let state = match found.map_err(failed())?.as_ref().map(rows::state).transpose()?.flatten() {
                    // One that is ending has no keys: they went in the act that began it.
                    Some(TenantState::Erasing | TenantState::Erased) | None => return Ok(None),
                    Some(TenantState::Suspended) => OwnerState::Suspended,
                    Some(TenantState::Active | TenantState::Importing) => OwnerState::Active,
                };
                (KeyOwner::Tenant(tenant), state)
            }
        };
        let permissions = rows::parsed(&row, "permissions")?;
        let record = Arc::new(KeyRecord { id, hash, owner, permissions, owner_state });
        self.keys.keep(began, &record);
        Ok(Some(record))
    }

    /// Records an act on a tenant that is there and settled; answers whether it is.
    async fn record_act(&self, by: KeyId, tenant: TenantId, act: OperatorAct) -> Result<bool, CatalogError> {
        let mut transaction = self.begin().await?;
        match tenants::select_settled(&mut transaction, tenant).await {
            Ok(_) => {}
            Err(CatalogError::NotFound | CatalogError::Conflict { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        let detail = json!({});
        record(&mut transaction, Act { by, name: act.name(), tenant: Some(tenant), detail }).await?;
        commit(transaction).await?;
        Ok(true)
    }
}

impl KeyLookup for Catalog {
    fn cached(&self, key: KeyId) -> Option<Arc<KeyRecord>> {
        self.inner.keys.get(key)
    }

    fn find<'a>(&'a self, credential: &'a Credential) -> FoundKey<'a> {
        Box::pin(async move {
            self.inner.find_key(credential).await.map_err(|error| {
                tracing::error!(key = %credential.key(), cause = %chain(&error), "a key cannot be looked up");
                LookupFailed
            })
        })
    }

    fn record(&self, by: KeyId, tenant: TenantId, act: OperatorAct) -> RecordedAct<'_> {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let done = uninterrupted(async move { inner.record_act(by, tenant, act).await }).await;
            done.map_err(|error| {
                tracing::error!(%by, %tenant, act = act.name(), cause = %chain(&error), "an act cannot be recorded");
                LookupFailed
            })
        })
    }
}
