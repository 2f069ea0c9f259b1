//! `/v1/tenants/{tenant}/keys`: a tenant's keys, for operators. A secret is in one answer only: the one that made it.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use insula_runtime::KeyInfo;
use insula_tenancy::{KeyId, Permission, Permissions};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Operator;
use crate::input::{Document, KeyPath, TenantPath};
use crate::problem::Problem;

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct KeyView {
    /// Its id.
    #[schema(value_type = String)]
    id: KeyId,
    /// What people call it.
    label: String,
    /// `invoke`, `deploy`, `manage`.
    permissions: Vec<&'static str>,
    /// When it was made, in Unix microseconds.
    created_us: u64,
    /// When it was revoked, in Unix microseconds.
    revoked_us: Option<u64>,
}

/// A tenant's keys.
#[derive(Serialize, ToSchema)]
pub(crate) struct Keys {
    keys: Vec<KeyView>,
}

/// A key to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    /// What people call it: `key`, unless told otherwise.
    #[serde(default = "unnamed")]
    #[schema(default = "key")]
    label: String,
    /// `invoke`, `deploy`, `manage`: all of them, unless told otherwise.
    permissions: Option<Vec<String>>,
}

fn unnamed() -> String {
    "key".to_owned()
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedKey {
    /// The secret. It is shown this once.
    key: String,
    /// The rest.
    #[serde(flatten)]
    info: KeyView,
}

impl From<KeyInfo> for KeyView {
    fn from(info: KeyInfo) -> Self {
        Self {
            id: info.id,
            label: info.label,
            permissions: info.permissions.iter().map(Permission::name).collect(),
            created_us: info.created_us,
            revoked_us: info.revoked_us,
        }
    }
}

/// Makes a key for a tenant. Operators only.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/keys", tag = "operator", operation_id = "create_key",
    params(("tenant" = String, Path, description = "The tenant's id")), request_body = NewKey,
    responses((status = 201, description = "The key and its secret", body = CreatedKey)))]
pub(crate) async fn create(
    State(app): State<App>,
    Operator(by): Operator,
    TenantPath(tenant): TenantPath,
    Document(new): Document<NewKey>,
) -> Result<Response, Problem> {
    let permissions = permissions(new.permissions.as_deref())?;
    let (info, key) = app.runtime.control().create_key(&by, tenant, &new.label, permissions).await?;
    let created = CreatedKey { key: key.reveal(), info: info.into() };
    Ok((StatusCode::CREATED, Json(created)).into_response())
}

/// Lists a tenant's keys. Operators only.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/keys", tag = "operator", operation_id = "list_keys",
    params(("tenant" = String, Path, description = "The tenant's id")),
    responses((status = 200, description = "The keys, without their secrets", body = Keys)))]
pub(crate) async fn list(
    State(app): State<App>,
    Operator(by): Operator,
    TenantPath(tenant): TenantPath,
) -> Result<Json<Keys>, Problem> {
    let keys = app.runtime.control().keys(&by, tenant).await?;
    Ok(Json(Keys { keys: keys.into_iter().map(KeyView::from).collect() }))
}

/// Revokes a key: it opens nothing from the answer on. Operators only.
#[utoipa::path(delete, path = "/v1/tenants/{tenant}/keys/{key}", tag = "operator", operation_id = "revoke_key",
    params(
        ("tenant" = String, Path, description = "The tenant's id"),
        ("key" = String, Path, description = "The key's id"),
    ),
    responses((status = 204, description = "It is revoked")))]
pub(crate) async fn revoke(
    State(app): State<App>,
    Operator(by): Operator,
    KeyPath(tenant, key): KeyPath,
) -> Result<StatusCode, Problem> {
    app.runtime.control().revoke_key(&by, tenant, key).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The set that these words name. No words at all: every permission. An empty list: a key for nothing, which is a
/// mistake.
fn permissions(words: Option<&[String]>) -> Result<Permissions, Problem> {
    let invalid = |detail: String| Problem::bad_request("invalid-permissions", detail);
    let Some(words) = words else { return Ok(Permissions::ALL) };
    let named: Result<Vec<Permission>, _> = words.iter().map(|word| word.parse()).collect();
    let set = Permissions::of(&named.map_err(|error| invalid(error.to_string()))?);
    if set.is_empty() { Err(invalid("name at least one of invoke, deploy and manage".to_owned())) } else { Ok(set) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(words: &[&str]) -> Result<Permissions, Problem> {
        permissions(Some(&words.iter().map(ToString::to_string).collect::<Vec<_>>()))
    }

    #[test]
    fn a_key_may_do_everything_unless_told_otherwise() {
        assert_eq!(permissions(None).unwrap(), Permissions::ALL);
        assert_eq!(named(&["manage", "invoke"]).unwrap(), Permissions::of(&[Permission::Invoke, Permission::Manage]));
    }

    #[test]
    fn a_key_for_nothing_or_for_something_unknown_is_refused() {
        for words in [&[][..], &["root"], &["invoke", ""], &["invoke,deploy"]] {
            assert_eq!(named(words).unwrap_err().code(), "invalid-permissions", "{words:?}");
        }
    }
}
