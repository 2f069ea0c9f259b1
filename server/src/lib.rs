//! HTTP: routes, authentication extractors, the accept loop, OpenAPI.
//!
//! Every request goes one way: socket, head, credential to scope (`auth`), names parsed (`input`), body within its bounds
//! (`body`, `memory`), the runtime, and back as an answer or as the one shape of an error (`problem`). No business rule
//! is here: what may be done is the permit's and the runtime's to say.
//!
//! - **T1, T5** a scope is made by the runtime from the request's own credential, and lives as long as the request.
//! - **T6** absent and foreign are the same 404. **T7** every response is stamped with its tenant's id and its own.
//! - **B1** connections, heads, bodies, answers and idleness are bounded; see [`ServerSettings`].
//! - **B3** a client that goes away drops its handler, and with it the call.
//! - **R3** body memory and reads (`turns`) are shared so that one tenant's flood sheds its own requests.
//! - **A1** nothing here reads the environment or prints.
#![forbid(unsafe_code)]

mod accept;
mod activity;
mod agent_limits;
mod agents;
mod answer;
mod app;
mod archives;
mod audit;
mod auth;
mod body;
mod cache;
mod compact;
mod config;
mod connection;
mod erase;
mod headers;
mod health;
mod input;
mod invoke;
mod keys;
mod limits;
mod listen;
mod logs;
mod memory;
mod metrics;
mod observer;
mod openapi;
mod problem;
mod rate_limit;
mod refusals;
mod router;
mod server;
mod settings;
mod socket;
mod stop;
mod storage;
mod tenants;
mod tiers;
mod turns;
mod usage;
mod versions;

pub use listen::BindError;
pub use observer::{Observed, Observer};
pub use openapi::openapi;
pub use router::{admin_router, router, tenant_router};
pub use server::{Listeners, Server};
pub use settings::ServerSettings;
