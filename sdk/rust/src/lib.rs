//! What an agent author depends on: the bindings of `wit/`, and a few helpers over them.
//!
//! An agent is a type that implements [`Agent`], named once in [`export!`]. Each call runs in a fresh instance: what
//! should outlive the call goes to [`storage`] (durable) or [`cache`] (may be forgotten at any time).
//!
//! It owns no behaviour: limits, isolation and errors are the host's, and the functions of each module are those of the
//! WIT interface of that name. It also compiles on the host, so that an agent's own logic can be tested there; a call of
//! a host function panics then. With the feature `testing`, storage, cache, configuration and usage are in memory there,
//! and the log on standard error: an agent is called like any other function. See the module `testing`.
//!
//! ```no_run
//! use insula_sdk::prelude::*;
//!
//! struct Greeter;
//!
//! impl Agent for Greeter {
//!     fn invoke(request: Request) -> Result<Response, Error> {
//!         let name = request.text()?.trim();
//!         if name.is_empty() {
//!             return Err(Error::bad_request("send a name as the body"));
//!         }
//!         let times = storage::increment("greetings", name, 1)?;
//!         log::info!("greeting {name}, time {times}");
//!         Ok(Response::text(format!("Hello {name}, for the {times}. time.")))
//!     }
//! }
//!
//! insula_sdk::export!(Greeter);
//! # fn main() {}
//! ```

#[doc(hidden)]
pub mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "agent", pub_export_macro: true });
}

pub mod cache;
pub mod config;
pub mod log;
mod message;
mod or_error;
pub mod storage;
#[cfg(all(feature = "testing", not(target_family = "wasm")))]
pub mod testing;
pub mod usage;

pub use bindings::exports::insula::agent::handler::{Guest as Agent, Metadata, Request, Response};
pub use bindings::insula::agent::types::Error;
pub use or_error::OrError;

/// What most agents need: `use insula_sdk::prelude::*`.
pub mod prelude {
    #[cfg(feature = "json")]
    pub use crate::cache::Cache;
    #[cfg(feature = "json")]
    pub use crate::storage::Bucket;
    pub use crate::{Agent, Error, OrError, Request, Response, cache, config, log, storage, usage};
}

/// Makes a type that implements [`Agent`] the agent of this component. Exactly once in a component.
#[macro_export]
macro_rules! export {
    ($agent:ident) => {
        $crate::bindings::export!($agent with_types_in $crate::bindings);
    };
}
