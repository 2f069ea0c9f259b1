//! The agent's configuration: names and values that the tenant set for it, as they stood when the call began.

#[cfg(not(all(feature = "testing", not(target_family = "wasm"))))]
pub use crate::bindings::insula::agent::config::{all, get};
#[cfg(all(feature = "testing", not(target_family = "wasm")))]
pub use crate::testing::config::{all, get};

use std::fmt::Display;
use std::str::FromStr;

use crate::Error;

/// A value that is written as text, such as a number; `None` where it is not set.
///
/// # Errors
///
/// `invalid-configuration` where it is set and does not parse: it names the value and says what was wrong.
///
/// ```no_run
/// # use insula_sdk::prelude::*;
/// # fn main() -> Result<(), Error> {
/// let most: usize = config::parsed("most")?.unwrap_or(20);
/// # let _ = most;
/// # Ok(())
/// # }
/// ```
pub fn parsed<T: FromStr<Err: Display>>(name: &str) -> Result<Option<T>, Error> {
    let parse = |value: String| {
        let wrong = |error| Error::new("invalid-configuration", format!("`{name}` is {value:?}: {error}"));
        value.parse().map_err(wrong)
    };
    get(name).map(parse).transpose()
}
