//! `/v1/limits`: what the tenant may use.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use insula_runtime::Limits;

use crate::app::App;
use crate::auth::Caller;
use crate::problem::Problem;

/// Names and amounts.
pub(crate) type LimitsView = BTreeMap<&'static str, u64>;

/// The limits as they are written.
pub(crate) fn view(limits: &Limits) -> LimitsView {
    limits.entries().collect()
}

/// Shows the tenant's limits.
#[utoipa::path(get, path = "/v1/limits", tag = "tenant", operation_id = "show_limits",
    responses((status = 200, description = "Names and amounts", body = BTreeMap<String, u64>)))]
pub(crate) async fn show(State(app): State<App>, Caller(scope): Caller) -> Result<Json<LimitsView>, Problem> {
    Ok(Json(view(&*app.runtime.limits(&scope).await?)))
}
