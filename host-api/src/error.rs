//! The error that a guest sees.

use crate::bindings::insula::agent::types;

pub use crate::bindings::insula::agent::types::Error;

impl Error {
    /// An error with a stable word for programs and a sentence for people.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), retry_after_ms: None }
    }

    /// The same, when trying again after this many milliseconds may help.
    #[must_use]
    pub fn after(mut self, milliseconds: u64) -> Self {
        self.retry_after_ms = Some(milliseconds);
        self
    }
}

impl types::Host for crate::Host {}
