//! Cross-crate suites: isolation, hostile guests, HTTP, the dev runner.
