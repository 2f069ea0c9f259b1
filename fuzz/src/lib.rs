//! Fuzz targets: what reads foreign bytes, and what takes a guest's arguments.
//!
//! This crate owns the body of the host-call target, and what all targets begin from. It is no part of the product, and
//! nothing depends on it. The bodies are ordinary functions: `cargo test` runs them with random bytes, and the binaries in
//! `targets/` hand them to libFuzzer. How to run: docs/fuzzing.md.

mod acting;
pub mod host_calls;
mod model;
mod plan;
pub mod seeds;
mod world;

pub use world::World;
