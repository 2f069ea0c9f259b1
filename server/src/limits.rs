//! `/v1/limits`: what the tenant may use.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use insula_runtime::{Limits, LimitsPatch, TenantRecord};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::Caller;
use crate::input::Params;
use crate::problem::Problem;

/// Names and amounts.
pub(crate) type LimitsView = BTreeMap<&'static str, u64>;

/// The limits as they are written.
pub(crate) fn view(limits: &Limits) -> LimitsView {
    limits.entries().collect()
}

/// How to show them.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LimitsParams {
    /// With the tier, and where each limit comes from.
    #[serde(default)]
    #[param(default = false)]
    detail: bool,
}

/// Limits, with where each comes from: the answer to `?detail=true`.
#[derive(Serialize, ToSchema)]
pub(crate) struct LimitsDetail {
    /// The tenant's tier.
    tier: String,
    limits: BTreeMap<&'static str, SourcedLimit>,
}

/// One limit.
#[derive(Serialize, ToSchema)]
pub(crate) struct SourcedLimit {
    value: u64,
    /// `tenant`: an operator set it for this tenant alone. `tier`: the tier sets it. `standard`: neither does.
    source: &'static str,
}

/// Each limit of a tenant, with where it comes from.
pub(crate) fn sourced(record: &TenantRecord) -> BTreeMap<&'static str, SourcedLimit> {
    let sets = |patch: &LimitsPatch, name: &str| patch.entries().any(|(set, _)| set == name);
    let source = |name: &str| match () {
        () if sets(&record.overrides, name) => "tenant",
        () if sets(&record.tier_limits, name) => "tier",
        () => "standard",
    };
    record.limits.entries().map(|(name, value)| (name, SourcedLimit { value, source: source(name) })).collect()
}

/// Shows the tenant's limits: names and amounts, or with `detail` also the tier and where each comes from.
#[utoipa::path(get, path = "/v1/limits", tag = "tenant", operation_id = "show_limits", params(LimitsParams),
    responses((status = 200, description = "Names and amounts; with `detail`, `tier` and `limits`: names, each with `value` and `source`",
        body = BTreeMap<String, u64>)))]
pub(crate) async fn show(
    State(app): State<App>,
    Caller(scope): Caller,
    Params(params): Params<LimitsParams>,
) -> Result<Response, Problem> {
    if !params.detail {
        return Ok(Json(view(&*app.runtime.limits(&scope).await?)).into_response());
    }
    let _turn = app.turns.take(scope.tenant()).await?;
    let record = app.runtime.own_tenant(&scope).await?;
    Ok(Json(LimitsDetail { tier: record.tier.to_string(), limits: sourced(&record) }).into_response())
}
