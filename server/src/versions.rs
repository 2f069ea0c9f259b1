//! `/v1/agents/{agent}/versions`, `/activate` and `/rollback`: which upload answers.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use insula_tenancy::Deploy;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::agents::{AgentView, VersionView};
use crate::answer;
use crate::app::App;
use crate::auth::Caller;
use crate::input::{AgentPath, Document, name};
use crate::problem::Problem;

/// An agent's versions.
#[derive(Serialize, ToSchema)]
pub(crate) struct Versions {
    /// The newest first.
    versions: Vec<VersionView>,
}

/// Which version to activate.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Activation {
    /// The version's id.
    version: String,
}

/// Lists an agent's versions.
#[utoipa::path(get, path = "/v1/agents/{agent}/versions", tag = "agents", operation_id = "list_versions",
    params(("agent" = String, Path, description = "The agent's name")),
    responses((status = 200, description = "The versions", body = Versions)))]
pub(crate) async fn list(
    State(app): State<App>,
    Caller(scope): Caller,
    AgentPath(agent): AgentPath,
) -> Result<Response, Problem> {
    let _turn = app.turns.take(scope.tenant()).await?;
    let versions = app.runtime.versions(&scope, &agent).await?;
    let versions = Versions { versions: versions.into_iter().map(VersionView::from).collect() };
    answer::json(&app, &scope, &versions)
}

/// Makes a version the one that answers. Calls in flight finish on the one they began with. Needs `deploy`.
#[utoipa::path(post, path = "/v1/agents/{agent}/activate", tag = "agents", operation_id = "activate_version",
    params(("agent" = String, Path, description = "The agent's name")),
    request_body = Activation,
    responses((status = 200, description = "The agent as it stands now", body = AgentView)))]
pub(crate) async fn activate(
    State(app): State<App>,
    Caller(scope): Caller,
    AgentPath(agent): AgentPath,
    Document(activation): Document<Activation>,
) -> Result<Json<AgentView>, Problem> {
    let permit = scope.permit::<Deploy>()?;
    let version = name(&activation.version)?;
    let _turn = app.turns.take(scope.tenant()).await?;
    Ok(Json(app.runtime.activate(&permit, &agent, version).await?.into()))
}

/// Goes back to the version that was active before. Needs `deploy`.
#[utoipa::path(post, path = "/v1/agents/{agent}/rollback", tag = "agents", operation_id = "roll_back_agent",
    params(("agent" = String, Path, description = "The agent's name")),
    responses((status = 200, description = "The agent as it stands now", body = AgentView)))]
pub(crate) async fn rollback(
    State(app): State<App>,
    Caller(scope): Caller,
    AgentPath(agent): AgentPath,
) -> Result<Json<AgentView>, Problem> {
    let permit = scope.permit::<Deploy>()?;
    let _turn = app.turns.take(scope.tenant()).await?;
    Ok(Json(app.runtime.rollback(&permit, &agent).await?.into()))
}
