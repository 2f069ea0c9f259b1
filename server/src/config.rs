//! `/v1/agents/{agent}/config`: what an agent reads through `config`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use insula_tenancy::Deploy;

use crate::answer;
use crate::app::App;
use crate::auth::Caller;
use crate::input::{AgentPath, Document};
use crate::problem::Problem;

/// Names and values.
type Configuration = BTreeMap<String, String>;

/// Shows an agent's configuration. Needs `deploy`.
#[utoipa::path(get, path = "/v1/agents/{agent}/config", tag = "agents", operation_id = "show_configuration",
    params(("agent" = String, Path, description = "The agent's name")),
    responses((status = 200, description = "Names and values", body = Configuration)))]
pub(crate) async fn show(
    State(app): State<App>,
    Caller(scope): Caller,
    AgentPath(agent): AgentPath,
) -> Result<Response, Problem> {
    let permit = scope.permit::<Deploy>()?;
    let _turn = app.turns.take(scope.tenant()).await?;
    answer::json(&app, &scope, &app.runtime.configuration(&permit, &agent).await?)
}

/// Sets an agent's configuration, whole. Calls that begin after the answer read it. Needs `deploy`.
#[utoipa::path(put, path = "/v1/agents/{agent}/config", tag = "agents", operation_id = "set_configuration",
    params(("agent" = String, Path, description = "The agent's name")),
    request_body = Configuration,
    responses((status = 200, description = "The names and values as they stand now", body = Configuration)))]
pub(crate) async fn set(
    State(app): State<App>,
    Caller(scope): Caller,
    AgentPath(agent): AgentPath,
    Document(configuration): Document<Configuration>,
) -> Result<Json<Configuration>, Problem> {
    let permit = scope.permit::<Deploy>()?;
    let _turn = app.turns.take(scope.tenant()).await?;
    app.runtime.set_configuration(&permit, &agent, configuration.clone()).await?;
    Ok(Json(configuration))
}
