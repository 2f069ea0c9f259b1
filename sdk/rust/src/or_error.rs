//! From what went wrong in an agent to what its caller is told: the word after `or_` is the status.

use std::fmt::Display;

use crate::Error;

/// Turns an absent value, or any error that can be shown, into an [`Error`] with a status of its own.
///
/// ```
/// use insula_sdk::prelude::*;
///
/// fn amount(text: &str) -> Result<u32, Error> {
///     text.parse().or_bad_request("the amount is no number")
/// }
///
/// assert_eq!(amount("7")?, 7);
/// assert_eq!(amount("x").unwrap_err().message, "the amount is no number: invalid digit found in string");
/// assert_eq!(None::<u32>.or_not_found("no such account").unwrap_err().code, "not-found");
/// # Ok::<(), Error>(())
/// ```
pub trait OrError<T>: Sized {
    /// An error of this code. `bad-request`, `not-found`, `conflict` and `unprocessable` have a status of their own.
    ///
    /// # Errors
    ///
    /// Where the value is absent.
    fn or_error(self, code: &str, what: impl Display) -> Result<T, Error>;

    /// The request is wrong in itself: status 400.
    ///
    /// # Errors
    ///
    /// Where the value is absent.
    fn or_bad_request(self, what: impl Display) -> Result<T, Error> {
        self.or_error("bad-request", what)
    }

    /// What the request names is not there: status 404.
    ///
    /// # Errors
    ///
    /// Where the value is absent.
    fn or_not_found(self, what: impl Display) -> Result<T, Error> {
        self.or_error("not-found", what)
    }

    /// The request does not fit what is there: status 409.
    ///
    /// # Errors
    ///
    /// Where the value is absent.
    fn or_conflict(self, what: impl Display) -> Result<T, Error> {
        self.or_error("conflict", what)
    }

    /// The request is well formed, and cannot be done: status 422.
    ///
    /// # Errors
    ///
    /// Where the value is absent.
    fn or_unprocessable(self, what: impl Display) -> Result<T, Error> {
        self.or_error("unprocessable", what)
    }
}

impl<T> OrError<T> for Option<T> {
    fn or_error(self, code: &str, what: impl Display) -> Result<T, Error> {
        self.ok_or_else(|| Error::new(code, what.to_string()))
    }
}

impl<T, E: Display> OrError<T> for Result<T, E> {
    fn or_error(self, code: &str, what: impl Display) -> Result<T, Error> {
        self.map_err(|error| Error::new(code, format!("{what}: {error}")))
    }
}
