//! `/v1/tenants/{tenant}/erase`: the end of a tenant, with a report of what was looked at.

use axum::Json;
use axum::extract::State;
use insula_runtime::{ErasedPlace, Erasure, KeptPlace};
use insula_tenancy::TenantId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Operator;
use crate::input::TenantPath;
use crate::problem::Problem;

/// What an erasure looked at, found, and left.
#[derive(Serialize, ToSchema)]
#[schema(as = Erasure)]
pub(crate) struct ErasureView {
    /// Whose.
    #[schema(value_type = String)]
    tenant: TenantId,
    /// `erased`.
    state: &'static str,
    /// Every place that was looked at.
    places: Vec<PlaceView>,
    /// What is kept, and why.
    kept: Vec<KeptView>,
}

/// One place.
#[derive(Serialize, ToSchema)]
#[schema(as = ErasedPlace)]
pub(crate) struct PlaceView {
    /// What is counted.
    place: &'static str,
    /// What there was.
    found: u64,
    /// What a second look found: nothing.
    left: u64,
}

/// What is kept.
#[derive(Serialize, ToSchema)]
#[schema(as = KeptPlace)]
pub(crate) struct KeptView {
    /// What is counted.
    place: &'static str,
    /// How much of it there is.
    count: u64,
    /// Why.
    because: &'static str,
}

impl From<Erasure> for ErasureView {
    fn from(erasure: Erasure) -> Self {
        let place = |ErasedPlace { place, found, left }| PlaceView { place, found, left };
        let kept = |KeptPlace { place, count, because }| KeptView { place, count, because };
        Self {
            tenant: erasure.tenant,
            state: "erased",
            places: erasure.places.into_iter().map(place).collect(),
            kept: erasure.kept.into_iter().map(kept).collect(),
        }
    }
}

/// Erases a tenant: data, cache, components, logs, usage, configuration, agents and keys. Operators only.
///
/// Its calls are stopped, its keys open nothing from the first moment on, and its name is free afterwards. Its id stays
/// known until `DELETE`, and the audit log is kept. Asked again, it ends what ended early, or looks once more.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/erase", tag = "operator", operation_id = "erase_tenant",
    params(("tenant" = String, Path, description = "The tenant's id")),
    responses((status = 200, description = "What was looked at, found and left", body = ErasureView)))]
pub(crate) async fn erase(
    State(app): State<App>,
    Operator(by): Operator,
    TenantPath(tenant): TenantPath,
) -> Result<Json<ErasureView>, Problem> {
    // In a task of its own: it goes on when whoever asked for it goes away.
    let control = app.runtime.control();
    let erasing = tokio::spawn(async move { control.erase(&by, tenant).await });
    let erasure = erasing.await.map_err(|failed| Problem::host_fault().because(&failed))??;
    Ok(Json(erasure.into()))
}
