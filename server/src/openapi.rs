//! `/openapi.json`: the API's description, made from the very routes that serve it.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::Ref;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, Content, OpenApi, ResponseBuilder};

use crate::problem::ProblemBody;
use crate::router;

/// What the description says beside the routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Insula",
        description = "A multi-tenant runtime for agents. The key decides the tenant; no path names one.",
        version = "1",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(ProblemBody)),
    tags(
        (name = "agents", description = "A tenant's agents: upload, call, versions, configuration"),
        (name = "data", description = "A tenant's own storage and cache"),
        (name = "tenant", description = "A tenant's log, usage and limits"),
        (name = "operator", description = "Tenants and keys, for operators of the host"),
        (name = "host", description = "The host itself"),
    )
)]
struct Base;

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(serde_json::to_vec(&openapi()).unwrap_or_default()));

/// The API's description, as `/openapi.json` has it.
#[must_use]
pub fn openapi() -> OpenApi {
    let mut description = Base::openapi();
    description.merge(router::description());
    let paths = std::mem::take(&mut description.paths.paths);
    for (path, mut item) in paths {
        for operation in operations(&mut item) {
            complete(operation);
        }
        // The router's word for the rest of a path is no OpenAPI.
        description.paths.paths.insert(path.replace("{*", "{"), item);
    }
    let key = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("`isk_...`: a tenant's or an operator's"))
        .build();
    let components = description.components.get_or_insert_with(Components::new);
    components.add_security_scheme("key", SecurityScheme::Http(key));
    description
}

/// Serves the API's description.
#[utoipa::path(get, path = "/openapi.json", tag = "host", operation_id = "describe",
    responses((status = 200, description = "This description", body = Object)))]
pub(crate) async fn show() -> Response {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.clone()).into_response()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten()
}

/// Adds what all operations have: the problem, and the key where one is wanted.
fn complete(operation: &mut Operation) {
    let content = Content::builder().schema(Some(Ref::from_schema_name("Problem"))).build();
    let problem = ResponseBuilder::new()
        .description("A problem (RFC 9457), by its `code`")
        .content("application/problem+json", content)
        .build();
    operation.responses.responses.insert("default".to_owned(), problem.into());
    let open = ["health", "readiness", "describe"];
    if !operation.operation_id.as_deref().is_some_and(|id| open.contains(&id)) {
        operation.security = Some(vec![SecurityRequirement::new("key", Vec::<String>::new())]);
    }
}

#[cfg(test)]
mod tests;
