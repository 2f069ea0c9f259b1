//! `/v1/usage`: what the tenant has used.

use axum::extract::State;
use axum::response::Response;
use insula_runtime::UsageRow;
use insula_tenancy::{AgentId, TenantId, VersionId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer;
use crate::app::App;
use crate::auth::Caller;
use crate::problem::Problem;

/// What was used, by agent, version and day.
#[derive(Serialize, ToSchema)]
pub(crate) struct Usage {
    usage: Vec<UsageView>,
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
    /// Host functions called.
    host_calls: u64,
    /// Bytes through host functions.
    host_bytes: u64,
    /// The most memory that one call had, in bytes.
    peak_memory: u64,
}

impl From<Vec<UsageRow>> for Usage {
    fn from(rows: Vec<UsageRow>) -> Self {
        Self { usage: rows.into_iter().map(UsageView::from).collect() }
    }
}

impl From<UsageRow> for UsageView {
    fn from(row: UsageRow) -> Self {
        Self {
            tenant: row.tenant,
            agent_id: row.agent,
            version: row.version,
            day: row.day,
            calls: row.calls,
            failures: row.failures,
            fuel: row.fuel,
            cpu_us: row.cpu_us,
            wall_us: row.wall_us,
            host_calls: row.host_calls,
            host_bytes: row.host_bytes,
            peak_memory: row.peak_memory,
        }
    }
}

/// Shows what the tenant has used, up to now.
#[utoipa::path(get, path = "/v1/usage", tag = "tenant", operation_id = "show_usage",
    responses((status = 200, description = "By agent, version and day", body = Usage)))]
pub(crate) async fn show(State(app): State<App>, Caller(scope): Caller) -> Result<Response, Problem> {
    let _turn = app.turns.take(scope.tenant()).await?;
    answer::json(&app, &scope, &Usage::from(app.runtime.usage(&scope).await?))
}
