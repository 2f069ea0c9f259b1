//! JSON answers to tenants. They count in the tenant's share of memory until the last byte is sent (B1).

use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use insula_tenancy::TenantScope;
use serde::Serialize;

use crate::app::App;
use crate::problem::Problem;

/// A document as an answer, if the tenant has room for it.
pub(crate) fn json(app: &App, scope: &TenantScope, document: &impl Serialize) -> Result<Response, Problem> {
    let mut text = serde_json::to_vec(document).map_err(|error| Problem::host_fault().because(&error))?;
    text.shrink_to_fit();
    let mut hold = app.ledger.open(Some(scope.tenant()));
    hold.grow(text.len())?;
    let mut response = Response::new(Body::from(hold.keep(text)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
