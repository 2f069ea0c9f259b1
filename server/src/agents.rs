//! `/v1/agents` and `/v1/agents/{agent}`: listing, upload, deletion.
//!
//! An upload goes to the runtime frame by frame and is never whole in memory; one that breaks off leaves nothing (B3).
//! What a tenant has on disk in uploads that are not deployed yet is bounded, also when it sends many at once (B1, R3).

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use insula_runtime::{AgentRecord, DeployError, Deployed, VersionRecord};
use insula_tenancy::{AgentId, Deploy, VersionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::answer;
use crate::app::App;
use crate::auth::Caller;
use crate::body::{BodyError, BodyReader};
use crate::input::{AgentPath, Params};
use crate::limits::LimitsView;
use crate::problem::Problem;

/// An agent.
#[derive(Serialize, ToSchema)]
#[schema(as = Agent)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct AgentView {
    /// Its name.
    agent: String,
    /// Its id. A new agent of an old name has a new one.
    #[schema(value_type = String)]
    agent_id: AgentId,
    /// The version that answers calls.
    active: Option<VersionView>,
    /// Its own limits: calls have the smaller of these and the tenant's.
    #[schema(value_type = std::collections::BTreeMap<String, u64>)]
    limits: LimitsView,
    /// When it came to be, in Unix microseconds.
    created_us: u64,
    /// When it last changed, in Unix microseconds.
    updated_us: u64,
}

/// One upload of an agent.
#[derive(Serialize, ToSchema)]
#[schema(as = Version)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct VersionView {
    /// Its id.
    #[schema(value_type = String)]
    version: VersionId,
    /// 1, 2, 3, ... with its agent.
    number: u64,
    /// The SHA-256 of the component.
    digest: String,
    /// The component's size, in bytes.
    component_bytes: u64,
    /// When it was uploaded, in Unix microseconds.
    created_us: u64,
    /// Whether it is the one that answers calls.
    active: bool,
    /// The admission report. Listings of agents leave it out.
    #[serde(skip_serializing_if = "Value::is_null")]
    report: Value,
}

/// The tenant's agents.
#[derive(Serialize, ToSchema)]
pub(crate) struct Agents {
    /// In the order of names.
    agents: Vec<AgentView>,
}

/// What an upload became.
#[derive(Serialize, ToSchema)]
#[schema(as = Deployed)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct DeployedView {
    /// The agent's name.
    agent: String,
    /// The agent's id.
    #[schema(value_type = String)]
    agent_id: AgentId,
    /// The new version's id.
    #[schema(value_type = String)]
    version: VersionId,
    /// 1, 2, 3, ... with its agent.
    number: u64,
    /// The SHA-256 of the component.
    digest: String,
    /// Whether it is the version that answers calls now.
    activated: bool,
    /// The admission report.
    #[schema(value_type = Object)]
    report: insula_runtime::Report,
}

/// What an upload may ask for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UploadParams {
    /// Whether the new version answers calls at once. `false` stages it.
    #[serde(default = "yes")]
    #[param(default = true)]
    activate: bool,
}

fn yes() -> bool {
    true
}

impl AgentView {
    /// As in a listing: without the report of the active version.
    fn in_list(mut record: AgentRecord) -> Self {
        if let Some(version) = &mut record.active {
            version.report_json.clear();
        }
        record.into()
    }
}

impl From<AgentRecord> for AgentView {
    fn from(record: AgentRecord) -> Self {
        Self {
            agent: record.name.to_string(),
            agent_id: record.id,
            active: record.active.map(VersionView::from),
            limits: record.limits.entries().collect(),
            created_us: record.created_us,
            updated_us: record.updated_us,
        }
    }
}

impl From<VersionRecord> for VersionView {
    fn from(record: VersionRecord) -> Self {
        Self {
            version: record.id,
            number: record.number,
            digest: record.digest.to_string(),
            component_bytes: record.component_bytes,
            created_us: record.created_us,
            active: record.active,
            report: serde_json::from_str(&record.report_json).unwrap_or_default(),
        }
    }
}

impl From<Deployed> for DeployedView {
    fn from(deployed: Deployed) -> Self {
        Self {
            agent: deployed.agent.name.to_string(),
            agent_id: deployed.agent.id,
            version: deployed.version.id,
            number: deployed.version.number,
            digest: deployed.version.digest.to_string(),
            activated: deployed.version.active,
            report: deployed.report,
        }
    }
}

/// Lists the tenant's agents.
#[utoipa::path(get, path = "/v1/agents", tag = "agents", operation_id = "list_agents",
    responses((status = 200, description = "The agents", body = Agents)))]
pub(crate) async fn list(State(app): State<App>, Caller(scope): Caller) -> Result<Response, Problem> {
    let _turn = app.turns.take(scope.tenant()).await?;
    let agents = app.runtime.agents(&scope).await?;
    let agents = Agents { agents: agents.into_iter().map(AgentView::in_list).collect() };
    answer::json(&app, &scope, &agents)
}

/// Shows one agent.
#[utoipa::path(get, path = "/v1/agents/{agent}", tag = "agents", operation_id = "show_agent",
    params(("agent" = String, Path, description = "The agent's name")),
    responses((status = 200, description = "The agent", body = AgentView)))]
pub(crate) async fn show(
    State(app): State<App>,
    Caller(scope): Caller,
    AgentPath(agent): AgentPath,
) -> Result<Response, Problem> {
    let _turn = app.turns.take(scope.tenant()).await?;
    answer::json(&app, &scope, &AgentView::from(app.runtime.agent(&scope, &agent).await?))
}

/// Uploads a component: it is checked, compiled, stored and activated. Needs `deploy`.
#[utoipa::path(put, path = "/v1/agents/{agent}", tag = "agents", operation_id = "deploy_agent",
    params(("agent" = String, Path, description = "The agent's name; a new one makes a new agent"), UploadParams),
    request_body(content = inline(Vec<u8>), content_type = "application/wasm", description = "A component"),
    responses((status = 201, description = "The new version", body = DeployedView)))]
pub(crate) async fn upload(
    State(app): State<App>,
    Caller(scope): Caller,
    AgentPath(agent): AgentPath,
    Params(params): Params<UploadParams>,
    request: Request,
) -> Result<Response, Problem> {
    let permit = scope.permit::<Deploy>()?;
    let (parts, body) = request.into_parts();
    wasm_only(&parts.headers)?;
    let limit = app.runtime.limits(&scope).await?.component_bytes.get();
    let mut reader = BodyReader::new(body, limit, app.upload).map_err(refused)?;
    let mut hold = app.uploads.open(Some(scope.tenant()));
    let mut upload = app.runtime.begin_upload(&permit).await?;
    while let Some(bytes) = reader.next().await.map_err(refused)? {
        hold.grow(bytes.len())?;
        upload.write(&bytes)?;
    }
    let deployed = app.runtime.deploy(&permit, &agent, upload, params.activate).await?;
    Ok((StatusCode::CREATED, Json(DeployedView::from(deployed))).into_response())
}

/// Deletes an agent with all its versions. The tenant's storage stays. Needs `deploy`.
#[utoipa::path(delete, path = "/v1/agents/{agent}", tag = "agents", operation_id = "delete_agent",
    params(("agent" = String, Path, description = "The agent's name")),
    responses((status = 204, description = "It is gone")))]
pub(crate) async fn delete(
    State(app): State<App>,
    Caller(scope): Caller,
    AgentPath(agent): AgentPath,
) -> Result<StatusCode, Problem> {
    let permit = scope.permit::<Deploy>()?;
    let _turn = app.turns.take(scope.tenant()).await?;
    app.runtime.delete_agent(&permit, &agent).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A body that is too large for a component has the runtime's word for it, whoever noticed first.
fn refused(error: BodyError) -> Problem {
    match error {
        BodyError::TooLarge { limit } => DeployError::TooLarge { limit }.into(),
        other => other.into(),
    }
}

/// An upload says what it is.
fn wasm_only(headers: &HeaderMap) -> Result<(), Problem> {
    let stated = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = stated.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/wasm") {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
        "send the component with `Content-Type: application/wasm`",
    ))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn an_upload_must_say_that_it_is_wasm() {
        let stated = |text| HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(text))]);
        for good in ["application/wasm", "Application/WASM", "application/wasm; charset=binary"] {
            assert!(wasm_only(&stated(good)).is_ok(), "{good:?}");
        }
        for bad in ["", "application/octet-stream", "application/wasmx", "text/plain; application/wasm"] {
            assert_eq!(wasm_only(&stated(bad)).unwrap_err().code(), "unsupported-media-type", "{bad:?}");
        }
        assert_eq!(wasm_only(&HeaderMap::new()).unwrap_err().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
}
