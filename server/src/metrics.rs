//! `/metrics`: what the host counts of itself, as Prometheus reads it. An operator's key is wanted: tenants are in it.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

use crate::app::App;
use crate::auth::Operator;

/// Shows the host's counters. Operators only.
#[utoipa::path(get, path = "/metrics", tag = "host", operation_id = "metrics",
    responses((status = 200, description = "Counters in Prometheus' text format", body = String, content_type = "text/plain")))]
pub(crate) async fn show(State(app): State<App>, Operator(_by): Operator) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.runtime.metrics()).into_response()
}
