//! The engine: its settings, what a guest's store holds, what is linked, and the probes that show that limits bite.

mod artefact;
mod call;
pub(crate) mod config;
mod denied;
mod guest;
pub(crate) mod handler;
mod probe;
mod stdio;
#[cfg(test)]
mod tests;
mod ticker;
mod wasi;

pub(crate) use artefact::{LoadError, load};
pub(crate) use call::{HANDLES, HostPanicked, call, prepare, within};
pub(crate) use config::SharedEngine;
pub(crate) use guest::{GuestState, Interrupted};
pub(crate) use probe::probe;
pub use probe::{Check, Readiness};
pub(crate) use stdio::Output;
pub(crate) use ticker::{Bell, Pulse, Ticker};
pub(crate) use wasi::{ImportStatus, import_status, linker};
