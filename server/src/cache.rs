//! `/v1/cache`: how the tenant's cache is doing. Its contents are for agents only.

use axum::Json;
use axum::extract::State;
use insula_runtime::storage::CacheStatistics;
use insula_tenancy::Manage;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Caller;
use crate::problem::Problem;

/// The tenant's cache, since it came into being.
#[derive(Serialize, ToSchema)]
#[schema(as = Cache)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct CacheView {
    hits: u64,
    misses: u64,
    /// Entries that gave way to others.
    evicted: u64,
    /// Entries that outlived their time.
    expired: u64,
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
            misses: cache.misses,
            evicted: cache.evicted,
            expired: cache.expired,
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
