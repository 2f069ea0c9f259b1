//! Errors in TOML files that people write: file, line, what is wrong, what to do.

use std::ops::Range;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// A file's text, for errors to point into.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TomlText<'text> {
    pub(crate) text: &'text str,
    pub(crate) path: &'text Path,
}

impl TomlText<'_> {
    /// Reads the whole of it.
    pub(crate) fn read<T: DeserializeOwned>(&self, advice: &str) -> Result<T, Failure> {
        toml::from_str(self.text).map_err(|error| self.failure(error.span(), error.message(), advice))
    }

    /// What is wrong at one place of it.
    pub(crate) fn failure(&self, span: Option<Range<usize>>, message: &str, advice: &str) -> Failure {
        let place = match span.and_then(|span| self.text.get(..span.start)) {
            Some(before) => format!("{}:{}", self.path.display(), before.matches('\n').count() + 1),
            None => self.path.display().to_string(),
        };
        // The library's messages may run over lines; one sentence is enough with the place beside it.
        let message = message.trim().replace('\n', ", ");
        Failure::new(format_args!("{place}: {message}")).advise(advice)
    }
}
