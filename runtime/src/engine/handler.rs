//! Whether a component's handler has the type that `wit/` says.
//!
//! Linking checks the types of imports and that the export is there; the export's own type would be checked by the first
//! call only. An upload should not be taken that no call can use.

use insula_host_api::bindings::exports::insula::agent::handler::{Error, Request, Response};
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;
use wasmtime::{Engine, Result, format_err};

const HANDLER: &str = "insula:agent/handler@0.1.0";

/// Checks the type of the export `handler.invoke`.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn check(engine: &Engine, component: &Component) -> Result<()> {
    let world = component.component_type();
    let handler = world.get_export(engine, HANDLER).map(|export| export.ty);
    let Some(ComponentItem::ComponentInstance(handler)) = handler else {
        return Err(format_err!("`{HANDLER}` is not an interface"));
    };
    let invoke = handler.get_export(engine, "invoke").map(|export| export.ty);
    let Some(ComponentItem::ComponentFunc(invoke)) = invoke else {
        return Err(format_err!("`{HANDLER}` has no function `invoke`"));
    };
    // The same check that a typed call begins with.
    let checked = invoke.typecheck::<(&Request,), (std::result::Result<Response, Error>,)>(&world.instance_type());
    checked.map_err(|error| error.context("`invoke` has another type"))
}
