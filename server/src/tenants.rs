//! `/v1/tenants`: an operator's acts on tenants. Each writes its audit record in the runtime.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use insula_runtime::{Holdings, Limits, LimitsChange, LimitsPatch, TenantName, TenantRecord, TierName};
use insula_tenancy::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::Operator;
use crate::input::{Document, Params, TenantPath, name};
use crate::limits::{self, LimitsView};
use crate::problem::Problem;
use crate::usage::Usage;

/// A tenant.
#[derive(Serialize, ToSchema)]
#[schema(as = Tenant)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct TenantView {
    /// Its id.
    #[schema(value_type = String)]
    tenant: TenantId,
    /// Its name, unique on the host.
    name: String,
    /// `active`, `suspended`, `importing`, `erasing` or `erased`.
    state: &'static str,
    /// Its tier.
    tier: String,
    /// What it may use.
    #[schema(value_type = std::collections::BTreeMap<String, u64>)]
    limits: LimitsView,
    /// Of these, what was set for it alone; the rest is its tier's.
    #[schema(value_type = std::collections::BTreeMap<String, u64>)]
    overrides: LimitsView,
    /// When it came to be, in Unix microseconds.
    created_us: u64,
    /// What it has, where one tenant was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    holdings: Option<HoldingsView>,
}

/// What a tenant has: counts and sizes, never contents.
#[derive(Serialize, ToSchema)]
#[schema(as = Holdings)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct HoldingsView {
    storage_keys: u64,
    storage_bytes: u64,
    components: u64,
    artefacts: u64,
    cache_entries: u64,
    cache_bytes: u64,
}

/// A page of tenants, in the order in which they came to be.
#[derive(Serialize, ToSchema)]
pub(crate) struct Tenants {
    tenants: Vec<TenantView>,
    /// Where there may be more: pass it as `after`.
    #[schema(value_type = Option<String>)]
    next: Option<TenantId>,
}

/// A tenant to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTenant {
    /// 1 to 63 of a-z, 0-9 and `-`, unique on the host.
    name: String,
    /// Its tier; `standard` unless given.
    #[serde(default)]
    tier: Option<String>,
    /// Limits that differ from the tier's.
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, u64>, required = false)]
    limits: LimitsPatch,
}

/// A tenant that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedTenant {
    /// Its first key, which may do everything. It is shown this once.
    key: String,
    /// The rest.
    #[serde(flatten)]
    tenant: TenantView,
}

/// What to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantChange {
    /// A new name.
    name: Option<String>,
    /// Another tier.
    tier: Option<String>,
    /// Limits for it alone; `null` for one that is its tier's again.
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, Option<u64>>, required = false)]
    limits: Map<String, Value>,
}

/// Which tenants to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TenantParams {
    /// After this one: `next` of the page before.
    after: Option<String>,
    /// At most so many, 1 to 1,000.
    #[serde(default = "page")]
    #[param(default = 100)]
    limit: u32,
}

fn page() -> u32 {
    100
}

impl From<TenantRecord> for TenantView {
    fn from(record: TenantRecord) -> Self {
        Self {
            tenant: record.id,
            name: record.name.to_string(),
            state: record.state.name(),
            tier: record.tier.to_string(),
            limits: limits::view(&record.limits),
            overrides: record.overrides.entries().collect(),
            created_us: record.created_us,
            holdings: None,
        }
    }
}

impl From<Holdings> for HoldingsView {
    fn from(holdings: Holdings) -> Self {
        Self {
            storage_keys: holdings.storage_keys,
            storage_bytes: holdings.storage_bytes,
            components: holdings.components,
            artefacts: holdings.artefacts,
            cache_entries: holdings.cache_entries,
            cache_bytes: holdings.cache_bytes,
        }
    }
}

/// Makes a tenant, with a first key. Operators only.
#[utoipa::path(post, path = "/v1/tenants", tag = "operator", operation_id = "create_tenant", request_body = NewTenant,
    responses((status = 201, description = "The tenant and its key", body = CreatedTenant)))]
pub(crate) async fn create(
    State(app): State<App>,
    Operator(by): Operator,
    Document(new): Document<NewTenant>,
) -> Result<Response, Problem> {
    let tenant: TenantName = name(&new.name)?;
    let tier: TierName = new.tier.as_deref().map_or_else(|| Ok(TierName::standard()), name)?;
    let (record, key) = app.runtime.control().create_tenant_of_tier(&by, &tenant, &tier, &new.limits).await?;
    let created = CreatedTenant { key: key.reveal(), tenant: record.into() };
    Ok((StatusCode::CREATED, Json(created)).into_response())
}

/// Lists tenants. Operators only.
#[utoipa::path(get, path = "/v1/tenants", tag = "operator", operation_id = "list_tenants", params(TenantParams),
    responses((status = 200, description = "A page of tenants", body = Tenants)))]
pub(crate) async fn list(
    State(app): State<App>,
    Operator(by): Operator,
    Params(params): Params<TenantParams>,
) -> Result<Json<Tenants>, Problem> {
    if !(1..=1_000).contains(&params.limit) {
        return Err(Problem::bad_request("invalid-limit", "list 1 to 1,000 tenants at a time"));
    }
    let after = params.after.as_deref().map(name).transpose()?;
    let records = app.runtime.control().tenants(&by, after, params.limit).await?;
    let is_full = u32::try_from(records.len()).is_ok_and(|count| count == params.limit);
    let next = records.last().filter(|_| is_full).map(|record| record.id);
    Ok(Json(Tenants { tenants: records.into_iter().map(TenantView::from).collect(), next }))
}

/// Shows a tenant and what it has. Operators only.
#[utoipa::path(get, path = "/v1/tenants/{tenant}", tag = "operator", operation_id = "show_tenant",
    params(("tenant" = String, Path, description = "The tenant's id")),
    responses((status = 200, description = "The tenant", body = TenantView)))]
pub(crate) async fn show(
    State(app): State<App>,
    Operator(by): Operator,
    TenantPath(tenant): TenantPath,
) -> Result<Json<TenantView>, Problem> {
    let control = app.runtime.control();
    let mut view = TenantView::from(control.tenant(&by, tenant).await?);
    view.holdings = Some(control.holdings(&by, tenant).await?.into());
    Ok(Json(view))
}

/// A change of limits as it is written: numbers to set, and `null` for what is the tier's again.
fn limits_change(tier: Option<TierName>, limits: Map<String, Value>) -> Result<LimitsChange, Problem> {
    let (nulls, numbers): (Map<_, _>, Map<_, _>) = limits.into_iter().partition(|(_, value)| value.is_null());
    // One by one, so that what is wrong has its name.
    for (name, value) in &numbers {
        let one = Value::Object(Map::from_iter([(name.clone(), value.clone())]));
        serde_json::from_value::<LimitsPatch>(one)
            .map_err(|error| Problem::bad_request("invalid-limit", format!("the limit `{name}`: {error}")))?;
    }
    let set: LimitsPatch = serde_json::from_value(Value::Object(numbers))
        .map_err(|error| Problem::bad_request("invalid-limit", error.to_string()))?;
    let known = |name: &String| Limits::CEILINGS.iter().map(|spec| spec.name).find(|known| known == name);
    let unset = nulls.keys().map(|name| {
        let unknown = || Problem::bad_request("invalid-limit", format!("there is no limit `{name}`"));
        known(name).ok_or_else(unknown)
    });
    Ok(LimitsChange { tier, set, unset: unset.collect::<Result<_, _>>()? })
}

/// Changes a tenant's name, tier and limits. Operators only.
#[utoipa::path(patch, path = "/v1/tenants/{tenant}", tag = "operator", operation_id = "change_tenant",
    params(("tenant" = String, Path, description = "The tenant's id")), request_body = TenantChange,
    responses((status = 200, description = "The tenant as it stands now", body = TenantView)))]
pub(crate) async fn change(
    State(app): State<App>,
    Operator(by): Operator,
    TenantPath(tenant): TenantPath,
    Document(change): Document<TenantChange>,
) -> Result<Json<TenantView>, Problem> {
    let new_name: Option<TenantName> = change.name.as_deref().map(name).transpose()?;
    let tier: Option<TierName> = change.tier.as_deref().map(name).transpose()?;
    let limits = limits_change(tier, change.limits)?;
    let record = app.runtime.control().update_tenant(&by, tenant, new_name.as_ref(), limits).await?;
    Ok(Json(record.into()))
}

/// Deletes a tenant that has no agents and no data. Operators only.
#[utoipa::path(delete, path = "/v1/tenants/{tenant}", tag = "operator", operation_id = "delete_tenant",
    params(("tenant" = String, Path, description = "The tenant's id")),
    responses((status = 204, description = "It is gone")))]
pub(crate) async fn delete(
    State(app): State<App>,
    Operator(by): Operator,
    TenantPath(tenant): TenantPath,
) -> Result<StatusCode, Problem> {
    app.runtime.control().delete_tenant(&by, tenant).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Suspends a tenant: its keys open nothing until it is resumed. Operators only.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/suspend", tag = "operator", operation_id = "suspend_tenant",
    params(("tenant" = String, Path, description = "The tenant's id")),
    responses((status = 200, description = "The tenant as it stands now", body = TenantView)))]
pub(crate) async fn suspend(
    State(app): State<App>,
    Operator(by): Operator,
    TenantPath(tenant): TenantPath,
) -> Result<Json<TenantView>, Problem> {
    Ok(Json(app.runtime.control().suspend(&by, tenant).await?.into()))
}

/// Resumes a suspended tenant. Operators only.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/resume", tag = "operator", operation_id = "resume_tenant",
    params(("tenant" = String, Path, description = "The tenant's id")),
    responses((status = 200, description = "The tenant as it stands now", body = TenantView)))]
pub(crate) async fn resume(
    State(app): State<App>,
    Operator(by): Operator,
    TenantPath(tenant): TenantPath,
) -> Result<Json<TenantView>, Problem> {
    Ok(Json(app.runtime.control().resume(&by, tenant).await?.into()))
}

/// Shows what a tenant has used. Operators only.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/usage", tag = "operator", operation_id = "show_tenant_usage",
    params(("tenant" = String, Path, description = "The tenant's id")),
    responses((status = 200, description = "By agent, version and day, and in all", body = Usage)))]
pub(crate) async fn usage(
    State(app): State<App>,
    Operator(by): Operator,
    TenantPath(tenant): TenantPath,
) -> Result<Json<Usage>, Problem> {
    Ok(Json(app.runtime.control().usage(&by, tenant).await?.into()))
}
