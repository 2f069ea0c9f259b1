//! `/healthz` and `/readyz`: whether the process lives, and whether it should be sent calls. No key is wanted.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use insula_runtime::Check;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;

/// Whether the host serves.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ready {
    ready: bool,
    /// What was checked.
    checks: Vec<CheckView>,
}

/// One thing that was checked.
#[derive(Serialize, ToSchema)]
#[schema(as = Check)]
pub(crate) struct CheckView {
    name: String,
    passed: bool,
    detail: String,
}

impl From<Check> for CheckView {
    fn from(check: Check) -> Self {
        Self { name: check.name.to_owned(), passed: check.passed, detail: check.detail }
    }
}

/// Says that the process answers.
#[utoipa::path(get, path = "/healthz", tag = "host", operation_id = "health",
    responses((status = 200, description = "It does", body = String, content_type = "text/plain")))]
pub(crate) async fn health() -> &'static str {
    "ok\n"
}

/// Says whether the host should be sent calls, and what was checked.
#[utoipa::path(get, path = "/readyz", tag = "host", operation_id = "readiness",
    responses(
        (status = 200, description = "It should", body = Ready),
        (status = 503, description = "It should not", body = Ready),
    ))]
pub(crate) async fn ready(State(app): State<App>) -> Response {
    let readiness = app.runtime.readiness();
    let mut checks: Vec<CheckView> = readiness.checks.into_iter().map(CheckView::from).collect();
    let stopping = app.stopping.is_cancelled();
    let detail = if stopping { "the server is draining" } else { "connections are accepted" };
    checks.push(CheckView { name: "server".to_owned(), passed: !stopping, detail: detail.to_owned() });
    let ready = readiness.ready && !stopping;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Ready { ready, checks })).into_response()
}
