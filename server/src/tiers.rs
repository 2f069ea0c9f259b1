//! `/v1/tiers`: named limits, for operators. A change holds for every tenant of the tier from its next call on.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use http::StatusCode;
use http::request::Parts;
use insula_runtime::{LimitsPatch, TierName, TierRecord};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Operator;
use crate::input::{Document, name, segments};
use crate::limits::{self, LimitsView};
use crate::problem::Problem;

/// A tier.
#[derive(Serialize, ToSchema)]
#[schema(as = Tier)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct TierView {
    /// Its name.
    tier: String,
    /// What it sets; the rest is the standard of the release.
    #[schema(value_type = std::collections::BTreeMap<String, u64>)]
    sets: LimitsView,
    /// What its tenants may use, where nothing was set for them alone.
    #[schema(value_type = std::collections::BTreeMap<String, u64>)]
    limits: LimitsView,
    /// How many tenants have it.
    tenants: u64,
    /// When it was last changed, in Unix microseconds; 0 for one that is as it came.
    updated_us: u64,
}

/// The tiers.
#[derive(Serialize, ToSchema)]
pub(crate) struct Tiers {
    /// In the order of names.
    tiers: Vec<TierView>,
}

/// What a tier should be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTier {
    /// Limits that differ from the standard of the release.
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, u64>, required = false)]
    limits: LimitsPatch,
}

/// `{tier}` of a path.
pub(crate) struct TierPath(TierName);

impl<S: Send + Sync> FromRequestParts<S> for TierPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let tier: String = segments(parts).await?;
        Ok(Self(name(&tier)?))
    }
}

impl From<TierRecord> for TierView {
    fn from(record: TierRecord) -> Self {
        Self {
            tier: record.name.to_string(),
            sets: record.sets.entries().collect(),
            limits: limits::view(&record.limits),
            tenants: record.tenants,
            updated_us: record.updated_us,
        }
    }
}

/// Lists the tiers. Operators only.
#[utoipa::path(get, path = "/v1/tiers", tag = "operator", operation_id = "list_tiers",
    responses((status = 200, description = "The tiers", body = Tiers)))]
pub(crate) async fn list(State(app): State<App>, Operator(by): Operator) -> Result<Json<Tiers>, Problem> {
    let tiers = app.runtime.control().tiers(&by).await?;
    Ok(Json(Tiers { tiers: tiers.into_iter().map(TierView::from).collect() }))
}

/// Makes a tier, or changes one for all tenants that have it. Operators only.
#[utoipa::path(put, path = "/v1/tiers/{tier}", tag = "operator", operation_id = "set_tier",
    params(("tier" = String, Path, description = "The tier's name")), request_body = NewTier,
    responses((status = 200, description = "The tier as it stands now", body = TierView)))]
pub(crate) async fn set(
    State(app): State<App>,
    Operator(by): Operator,
    TierPath(tier): TierPath,
    Document(new): Document<NewTier>,
) -> Result<Json<TierView>, Problem> {
    Ok(Json(app.runtime.control().set_tier(&by, &tier, &new.limits).await?.into()))
}

/// Removes a tier that no tenant has. Operators only.
#[utoipa::path(delete, path = "/v1/tiers/{tier}", tag = "operator", operation_id = "delete_tier",
    params(("tier" = String, Path, description = "The tier's name")),
    responses((status = 204, description = "It is gone")))]
pub(crate) async fn delete(
    State(app): State<App>,
    Operator(by): Operator,
    TierPath(tier): TierPath,
) -> Result<StatusCode, Problem> {
    app.runtime.control().delete_tier(&by, &tier).await?;
    Ok(StatusCode::NO_CONTENT)
}
