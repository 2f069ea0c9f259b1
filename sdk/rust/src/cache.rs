//! The tenant's cache: fast, in memory, and free to forget anything at any time. All agents of one tenant share it.
//!
//! [`get_or_make`] is what most agents need: of many calls that miss the same value at once, one makes it, and the
//! others wait for it; [`Cache`] is the same for values of one type. Beneath it is [`get_or_fill`], which gives a [`Lease`] to the one that should make the value.
//!
//! A cache is never the only place of anything, and never fails a call that could do without it: helpers here answer
//! with the value also where it could not be kept.

#[cfg(feature = "json")]
mod typed;

pub use host::{Lease, Lookup, StaleValue, clear, delete, get, get_or_fill, put, stats};
#[cfg(feature = "json")]
pub use typed::Cache;

pub use crate::bindings::insula::agent::cache::{Life, Statistics};

#[cfg(not(all(feature = "testing", not(target_family = "wasm"))))]
use crate::bindings::insula::agent::cache as host;
#[cfg(all(feature = "testing", not(target_family = "wasm")))]
use crate::testing::cache as host;
use crate::{Error, log};

impl Life {
    /// Fresh for so many milliseconds, 1 to 2,592,000,000 (30 days), then gone; for every version of every agent.
    #[must_use]
    pub const fn for_ms(ttl_ms: u64) -> Self {
        Self { ttl_ms, stale_ms: 0, this_version_only: false }
    }

    /// And then so many milliseconds more, in which [`get_or_fill`] may hand it out as stale while a new one is made.
    #[must_use]
    pub const fn stale_for(mut self, stale_ms: u64) -> Self {
        self.stale_ms = stale_ms;
        self
    }

    /// Found by calls of the agent version that wrote it only: for a value whose form another version may not know.
    #[must_use]
    pub const fn this_version_only(mut self) -> Self {
        self.this_version_only = true;
        self
    }
}

impl Lease {
    /// Keeps the value, and hands it to everyone who waits for it. False when it was not kept, since the key was written,
    /// deleted or cleared after the lease was given out.
    ///
    /// A lease that is dropped instead goes on to one of those who wait.
    ///
    /// # Errors
    ///
    /// `value-too-large` (over a quarter of the tenant's `cache-bytes`), `invalid-ttl`.
    pub fn fill(self, value: &[u8], life: Life) -> Result<bool, Error> {
        host::fill(self, value, life)
    }
}

/// Answers with the value of a key, and makes it where it is not there.
///
/// - A fresh value is the answer.
/// - A stale one is the answer too; the first call that is given it makes a new one first. Where that fails, it logs why
///   and answers with the stale one.
/// - Where there is none, one call makes it, and the others wait for it for up to `wait_ms` milliseconds.
/// - A call that waited for nothing, or may not wait because it holds a lease itself, makes the value for itself and does
///   not keep it.
///
/// # Errors
///
/// Those of `make`, and of a cache that was asked for what cannot be: `invalid-namespace`, `invalid-key`, `invalid-ttl`.
///
/// ```no_run
/// use insula_sdk::cache::Life;
/// use insula_sdk::prelude::*;
///
/// # fn report() -> Result<Vec<u8>, Error> { Ok(Vec::new()) }
/// # fn main() -> Result<(), Error> {
/// let life = Life::for_ms(60_000).stale_for(600_000);
/// let report = cache::get_or_make("reports", "today", life, 2_000, || report())?;
/// # let _ = report;
/// # Ok(())
/// # }
/// ```
pub fn get_or_make(
    namespace: &str,
    key: &str,
    life: Life,
    wait_ms: u64,
    make: impl FnOnce() -> Result<Vec<u8>, Error>,
) -> Result<Vec<u8>, Error> {
    match get_or_fill(namespace, key, wait_ms) {
        Ok(Lookup::Hit(value) | Lookup::Stale(StaleValue { value, lease: None })) => Ok(value),
        Ok(Lookup::Fill(lease)) => keep(lease, make()?, life),
        Ok(Lookup::Stale(StaleValue { value, lease: Some(lease) })) => match make() {
            Ok(renewed) => keep(lease, renewed, life),
            Err(error) => {
                log::warn!("answered from the stale value of {namespace}/{key}: {}: {}", error.code, error.message);
                Ok(value)
            }
        },
        Err(error) if without_it(&error) => make(),
        Err(error) => Err(error),
    }
}

/// Keeps a value, and answers with it also where it was not kept.
fn keep(lease: Lease, value: Vec<u8>, life: Life) -> Result<Vec<u8>, Error> {
    match lease.fill(&value, life) {
        Err(error) if error.code != "value-too-large" => Err(error),
        Ok(_) | Err(_) => Ok(value),
    }
}

/// Whether a call can go on by itself: others are in its way, and nothing is wrong with what it asked.
fn without_it(error: &Error) -> bool {
    matches!(error.code.as_str(), "fill-in-progress" | "lease-held" | "too-many")
}
