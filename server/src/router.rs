//! The list of routes. Each leads to the file that is named after it.
//!
//! A route that is not here does not exist, and one that is here is described in `/openapi.json`: both are made from
//! the same list. Tenants' and operators' routes may stand on listeners of their own.

use axum::Router;
use insula_runtime::Runtime;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::headers::StampLayer;
use crate::problem::Problem;
use crate::settings::ServerSettings;
use crate::{
    agent_limits, agents, archives, audit, cache, compact, config, erase, health, invoke, keys, limits, logs, metrics,
    openapi, storage, tenants, tiers, usage, versions,
};

/// What a tenant's key opens.
fn tenant_routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(agents::list))
        .routes(routes!(agents::show, agents::upload, agents::delete))
        .routes(routes!(invoke::invoke))
        .routes(routes!(versions::list))
        .routes(routes!(versions::activate))
        .routes(routes!(versions::rollback))
        .routes(routes!(config::show, config::set))
        .routes(routes!(agent_limits::show, agent_limits::set))
        .routes(routes!(storage::buckets))
        .routes(routes!(storage::list))
        .routes(routes!(storage::read, storage::write, storage::delete))
        .routes(routes!(cache::show))
        .routes(routes!(cache::clear))
        .routes(routes!(logs::read))
        .routes(routes!(usage::show))
        .routes(routes!(limits::show))
}

/// What an operator's key opens, and what tells how the host is.
fn operator_routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(tenants::list, tenants::create))
        .routes(routes!(tenants::show, tenants::change, tenants::delete))
        .routes(routes!(tiers::list))
        .routes(routes!(tiers::set, tiers::delete))
        .routes(routes!(tenants::suspend))
        .routes(routes!(tenants::resume))
        .routes(routes!(tenants::usage))
        .routes(routes!(compact::compact))
        .routes(routes!(erase::erase))
        .routes(routes!(archives::export))
        .routes(routes!(archives::import))
        .routes(routes!(audit::read))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(metrics::show))
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(openapi::show))
}

/// Tenants' routes and operators' on one listener.
pub fn router(runtime: Runtime) -> Router {
    both(App::alone(runtime))
}

/// Tenants' routes only. Operators' routes do not exist there.
pub fn tenant_router(runtime: Runtime) -> Router {
    for_tenants(App::alone(runtime))
}

/// Operators' routes only.
pub fn admin_router(runtime: Runtime) -> Router {
    for_operators(App::alone(runtime))
}

pub(crate) fn both(app: App) -> Router {
    finish(tenant_routes().merge(operator_routes()), app)
}

pub(crate) fn for_tenants(app: App) -> Router {
    finish(tenant_routes(), app)
}

pub(crate) fn for_operators(app: App) -> Router {
    finish(operator_routes(), app)
}

/// The routes' part of the API's description.
pub(crate) fn description() -> utoipa::openapi::OpenApi {
    tenant_routes().merge(operator_routes()).into_openapi()
}

fn finish(routes: OpenApiRouter<App>, app: App) -> Router {
    let (router, _) = routes.split_for_parts();
    router
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(StampLayer)
        .with_state(app)
}

impl App {
    /// The state of a router without a server of ours round it: nothing tells it to stop.
    fn alone(runtime: Runtime) -> Self {
        let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        Self::new(runtime, &ServerSettings::standard(nowhere), CancellationToken::new(), None)
    }
}

#[cfg(test)]
mod tests;
