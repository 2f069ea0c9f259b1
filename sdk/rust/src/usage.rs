//! What this call has used of its budget, and what is left.

pub use crate::bindings::insula::agent::usage::Allowance;
#[cfg(not(all(feature = "testing", not(target_family = "wasm"))))]
pub use crate::bindings::insula::agent::usage::{remaining, report};
#[cfg(all(feature = "testing", not(target_family = "wasm")))]
pub use crate::testing::usage::{remaining, report};
