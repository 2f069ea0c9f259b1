//! `/v1/tenants/{tenant}/compact`: a storage file that is mostly empty, written anew at once. The host does it by itself, from
//! time to time.

use axum::Json;
use axum::extract::State;
use insula_runtime::Compacted;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Operator;
use crate::input::TenantPath;
use crate::problem::Problem;

/// What a compaction did.
#[derive(Serialize, ToSchema)]
#[schema(as = Compacted)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct CompactedView {
    /// The storage file's length before, in bytes.
    bytes_before: u64,
    /// Its length after.
    bytes_after: u64,
    /// How long the tenant's commits waited.
    pause_us: u64,
}

impl From<Compacted> for CompactedView {
    fn from(compacted: Compacted) -> Self {
        let Compacted { bytes_before, bytes_after, pause_us } = compacted;
        Self { bytes_before, bytes_after, pause_us }
    }
}

/// Writes a tenant's storage file anew, as small as what is in it. Operators only.
///
/// Readers go on, and the tenant's commits wait: five seconds at most, or the file is left as it was.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/compact", tag = "operator", operation_id = "compact_tenant",
    params(("tenant" = String, Path, description = "The tenant's id")),
    responses((status = 200, description = "What it did", body = CompactedView)))]
pub(crate) async fn compact(
    State(app): State<App>,
    Operator(by): Operator,
    TenantPath(tenant): TenantPath,
) -> Result<Json<CompactedView>, Problem> {
    Ok(Json(app.runtime.control().compact(&by, tenant).await?.into()))
}
