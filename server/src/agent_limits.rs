//! `/v1/agents/{agent}/limits`: an agent's own limits, below the tenant's.

use axum::Json;
use axum::extract::State;
use insula_runtime::{AgentLimits, Limits, LimitsPatch};
use insula_tenancy::Manage;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Caller;
use crate::input::{AgentPath, Document};
use crate::limits::LimitsView;
use crate::problem::Problem;

/// An agent's limits.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentLimits)]
pub(crate) struct AgentLimitsView {
    /// What was set for the agent.
    #[schema(value_type = std::collections::BTreeMap<String, u64>)]
    own: LimitsView,
    /// What its calls may use: of each limit the smaller of its own and the tenant's.
    #[schema(value_type = std::collections::BTreeMap<String, u64>)]
    effective: LimitsView,
}

impl From<(AgentLimits, Limits)> for AgentLimitsView {
    fn from((own, effective): (AgentLimits, Limits)) -> Self {
        let of_a_call = |(name, _): &(&'static str, u64)| AgentLimits::names().contains(name);
        Self { own: own.entries().collect(), effective: effective.entries().filter(of_a_call).collect() }
    }
}

/// Shows an agent's own limits, and what its calls may use.
#[utoipa::path(get, path = "/v1/agents/{agent}/limits", tag = "agents", operation_id = "show_agent_limits",
    params(("agent" = String, Path, description = "The agent's name")),
    responses((status = 200, description = "Its limits", body = AgentLimitsView)))]
pub(crate) async fn show(
    State(app): State<App>,
    Caller(scope): Caller,
    AgentPath(agent): AgentPath,
) -> Result<Json<AgentLimitsView>, Problem> {
    let _turn = app.turns.take(scope.tenant()).await?;
    Ok(Json(app.runtime.agent_limits(&scope, &agent).await?.into()))
}

/// Sets an agent's own limits, whole: what is left out is the tenant's. They hold from the next call on. Needs `manage`.
#[utoipa::path(put, path = "/v1/agents/{agent}/limits", tag = "agents", operation_id = "set_agent_limits",
    params(("agent" = String, Path, description = "The agent's name")),
    request_body(content = std::collections::BTreeMap<String, u64>, description = "Names and amounts"),
    responses((status = 200, description = "Its limits as they stand now", body = AgentLimitsView)))]
pub(crate) async fn set(
    State(app): State<App>,
    Caller(scope): Caller,
    AgentPath(agent): AgentPath,
    Document(own): Document<LimitsPatch>,
) -> Result<Json<AgentLimitsView>, Problem> {
    let permit = scope.permit::<Manage>()?;
    let _turn = app.turns.take(scope.tenant()).await?;
    Ok(Json(app.runtime.set_agent_limits(&permit, &agent, own).await?.into()))
}
