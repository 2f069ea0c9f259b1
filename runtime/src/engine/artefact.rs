//! Loading a compiled artefact: the one place of this workspace with `unsafe` in it.
#![expect(unsafe_code, reason = "wasmtime asks for it where native code is taken from a file; the argument is below")]

use insula_store::VerifiedArtefact;
use wasmtime::Engine;
use wasmtime::component::Component;

/// An artefact did not load.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The engine refused it: made for another engine, or damaged.
    #[error("the engine refused the artefact")]
    Refused(#[source] wasmtime::Error),
}

/// Maps an artefact into memory.
///
/// # Errors
///
/// [`LoadError`], when it was made for another engine.
pub(crate) fn load(engine: &Engine, artefact: &VerifiedArtefact) -> Result<Component, LoadError> {
    // SAFETY: the bytes must be what an `Engine` of this configuration produced, and must not change while mapped.
    // They come from our own compile worker, through a file that only this process writes: the shelf computed a keyed
    // BLAKE3 over them when the worker was done, with a key that only this host has, and a `VerifiedArtefact` exists
    // only after that code was computed again and compared, over the same open file that is mapped here. The data
    // directory is locked for this process and readable by its user alone; who can write there as that user can
    // replace the host itself. A file of another engine version or configuration is recognised by its header.
    let component = unsafe { Component::deserialize_file(engine, artefact.path()) };
    component.map_err(LoadError::Refused)
}
