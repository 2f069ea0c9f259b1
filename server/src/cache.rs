//! `/v1/cache`: how the tenant's cache is doing, and an end to what is in a namespace. Its contents are for agents only.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use http::StatusCode;
use http::request::Parts;
use insula_runtime::cache::{CacheStatistics, NamespaceName};
use insula_tenancy::Manage;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Caller;
use crate::input::segments;
use crate::problem::Problem;

/// The tenant's cache, since it came into being.
#[derive(Serialize, ToSchema)]
#[schema(as = Cache)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct CacheView {
    hits: u64,
    /// Hits of entries that are past their best.
    stale_hits: u64,
    misses: u64,
    /// Leases to make a value.
    leases: u64,
    /// Reads that waited for another call's value.
    waits: u64,
    /// Entries that gave way to others.
    evicted: u64,
    /// Entries that outlived their time.
    expired: u64,
    /// Entries that were deleted or cleared.
    removed: u64,
    entries: u64,
    /// Keys, values and their overhead.
    bytes: u64,
    /// The budget for `bytes`.
    limit_bytes: u64,
}

impl From<CacheStatistics> for CacheView {
    fn from(cache: CacheStatistics) -> Self {
        Self {
            hits: cache.hits,
            stale_hits: cache.stale_hits,
            misses: cache.misses,
            leases: cache.leases,
            waits: cache.waits,
            evicted: cache.evicted,
            expired: cache.expired,
            removed: cache.removed,
            entries: cache.entries,
            bytes: cache.bytes,
            limit_bytes: cache.limit_bytes,
        }
    }
}

/// Shows how the tenant's cache is doing. Needs `manage`.
#[utoipa::path(get, path = "/v1/cache", tag = "data", operation_id = "show_cache",
    responses((status = 200, description = "Its statistics", body = CacheView)))]
pub(crate) async fn show(State(app): State<App>, Caller(scope): Caller) -> Result<Json<CacheView>, Problem> {
    let permit = scope.permit::<Manage>()?;
    Ok(Json(app.runtime.cache_statistics(&permit).await?.into()))
}

/// `{namespace}` of a path.
pub(crate) struct NamespacePath(NamespaceName);

impl<S: Send + Sync> FromRequestParts<S> for NamespacePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let namespace: String = segments(parts).await?;
        Ok(Self(NamespaceName::parse(&namespace)?))
    }
}

/// Empties a namespace of the tenant's cache. Emptying an empty one is no error. Needs `manage`.
#[utoipa::path(delete, path = "/v1/cache/{namespace}", tag = "data", operation_id = "clear_cache",
    params(("namespace" = String, Path, description = "The namespace's name")),
    responses((status = 204, description = "It is empty")))]
pub(crate) async fn clear(
    State(app): State<App>,
    Caller(scope): Caller,
    NamespacePath(namespace): NamespacePath,
) -> Result<StatusCode, Problem> {
    let permit = scope.permit::<Manage>()?;
    app.runtime.clear_cache(&permit, &namespace).await?;
    Ok(StatusCode::NO_CONTENT)
}
