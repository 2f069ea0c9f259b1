//! `/v1/usage`: what the tenant has used.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use insula_runtime::{UsageAmounts, UsageRow};
use insula_tenancy::{AgentId, TenantId, VersionId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer;
use crate::app::App;
use crate::auth::Caller;
use crate::problem::Problem;

/// What was used: by agent, version and day, and in all.
#[derive(Serialize, ToSchema)]
pub(crate) struct Usage {
    /// The latest 10,000 rows, the latest days first.
    usage: Vec<UsageView>,
    /// The sum over all agents, versions and days, also of those that are not among the rows.
    total: AmountsView,
}

/// What one version of one agent used on one day.
#[derive(Serialize, ToSchema)]
#[schema(as = UsageRow)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct UsageView {
    /// Whose it is.
    #[schema(value_type = String)]
    tenant: TenantId,
    /// The agent's id.
    #[schema(value_type = String)]
    agent_id: AgentId,
    /// The version's id.
    #[schema(value_type = String)]
    version: VersionId,
    /// The day in UTC, as the number `yyyymmdd`.
    day: u32,
    #[serde(flatten)]
    amounts: AmountsView,
}

/// What calls used together.
#[derive(Serialize, ToSchema)]
#[schema(as = UsageAmounts)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct AmountsView {
    /// Calls.
    calls: u64,
    /// Calls that did not end with an answer of the agent.
    failures: u64,
    /// Fuel, in units.
    fuel: u64,
    /// Time on processors, in microseconds.
    cpu_us: u64,
    /// Time on the clock, in microseconds.
    wall_us: u64,
    /// The most memory that one call had, in bytes.
    peak_memory: u64,
    /// Host functions called.
    host_calls: u64,
    /// The same by kind, `interface.function`.
    #[schema(value_type = BTreeMap<String, u64>)]
    host_calls_by_kind: BTreeMap<&'static str, u64>,
    /// Bytes through host functions.
    host_bytes: u64,
    /// Keys and values that storage answered with, in bytes.
    storage_read_bytes: u64,
    /// What storage was asked to write, in bytes.
    storage_write_bytes: u64,
    /// Bytes into the cache and out of it.
    cache_traffic_bytes: u64,
    /// Bytes of log written.
    log_bytes: u64,
    /// Bytes of requests' bodies.
    request_bytes: u64,
    /// Bytes of answers' bodies.
    response_bytes: u64,
}

impl From<insula_runtime::Usage> for Usage {
    fn from(usage: insula_runtime::Usage) -> Self {
        Self { usage: usage.rows.into_iter().map(UsageView::from).collect(), total: usage.total.into() }
    }
}

impl From<UsageRow> for UsageView {
    fn from(row: UsageRow) -> Self {
        let UsageRow { tenant, agent: agent_id, version, day, amounts } = row;
        Self { tenant, agent_id, version, day, amounts: amounts.into() }
    }
}

impl From<UsageAmounts> for AmountsView {
    fn from(amounts: UsageAmounts) -> Self {
        Self {
            calls: amounts.calls,
            failures: amounts.failures,
            fuel: amounts.fuel,
            cpu_us: amounts.cpu_us,
            wall_us: amounts.wall_us,
            peak_memory: amounts.peak_memory,
            host_calls: amounts.host_calls,
            host_calls_by_kind: amounts
                .host_calls_by_kind
                .entries()
                .map(|(call, count)| (call.name(), count))
                .collect(),
            host_bytes: amounts.host_bytes,
            storage_read_bytes: amounts.storage_read_bytes,
            storage_write_bytes: amounts.storage_write_bytes,
            cache_traffic_bytes: amounts.cache_traffic_bytes,
            log_bytes: amounts.log_bytes,
            request_bytes: amounts.request_bytes,
            response_bytes: amounts.response_bytes,
        }
    }
}

/// Shows what the tenant has used, up to now.
#[utoipa::path(get, path = "/v1/usage", tag = "tenant", operation_id = "show_usage",
    responses((status = 200, description = "By agent, version and day, and in all", body = Usage)))]
pub(crate) async fn show(State(app): State<App>, Caller(scope): Caller) -> Result<Response, Problem> {
    let _turn = app.turns.take(scope.tenant()).await?;
    answer::json(&app, &scope, &Usage::from(app.runtime.usage(&scope).await?))
}
