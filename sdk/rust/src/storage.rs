//! Durable storage: the tenant's buckets of keys and values. All agents of one tenant share them.
//!
//! [`commit`] is the one way to write; the others are commits of one write. [`update`] reads, changes and commits, and
//! does it again where someone else wrote in between: what an agent needs that must lose and double nothing.
//!
//! What a write acknowledged is on disk. What no function here does: wait for someone else's write, or undo one that was
//! acknowledged when the call fails later. Errors that any function may answer are `invalid-bucket`, `invalid-key` and
//! `storage-unavailable`; `wit/storage.wit` has the rest.
//!
//! ```no_run
//! use insula_sdk::prelude::*;
//! use insula_sdk::storage::Selection;
//!
//! # fn main() -> Result<(), Error> {
//! storage::put("notes", "today/1", b"buy bread")?;
//! storage::put_for("sessions", "s-17", b"marta", 30 * 60_000)?;
//! let visits = storage::increment("counters", "visits", 1)?;
//! for entry in storage::scan("notes", Selection::prefix("today/").with_values()) {
//!     log::info!("{} of {visits}", entry?.key);
//! }
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "json")]
mod bucket;
mod scan;
mod update;

#[cfg(feature = "json")]
pub use bucket::{Bucket, Versioned};
pub use host::{buckets, commit, delete, get, get_many, list};
pub use scan::{Scan, scan};
pub use update::{Attempt, Commit, update};

pub use crate::bindings::insula::agent::storage::{
    Addition, Address, Change, Content, Entry, Expectation, Page, Precondition, Selection, Version, Write,
};

use crate::Error;
#[cfg(not(all(feature = "testing", not(target_family = "wasm"))))]
use crate::bindings::insula::agent::storage as host;
#[cfg(all(feature = "testing", not(target_family = "wasm")))]
use crate::testing::storage as host;

/// The most entries of one page.
const PAGE: u32 = 1_000;

/// Writes a value that stays until it is deleted.
///
/// # Errors
///
/// `quota-exceeded`, `value-too-large`.
pub fn put(bucket: &str, key: &str, value: &[u8]) -> Result<Version, Error> {
    host::put(bucket, key, value, None)
}

/// Writes a value that is gone after so many milliseconds, 1 to 315,360,000,000.
///
/// # Errors
///
/// Those of [`put`], and `invalid-ttl`.
pub fn put_for(bucket: &str, key: &str, value: &[u8], ttl_ms: u64) -> Result<Version, Error> {
    host::put(bucket, key, value, Some(ttl_ms))
}

/// Adds to a number and returns the sum. An absent key counts as 0.
///
/// # Errors
///
/// `not-a-number` where the value is not 8 bytes, `overflow`, `quota-exceeded`.
pub fn increment(bucket: &str, key: &str, delta: i64) -> Result<i64, Error> {
    host::increment(bucket, key, delta, None)
}

/// Counts within a window: the number is gone so many milliseconds after its first increment, however many follow.
///
/// # Errors
///
/// Those of [`increment`], and `invalid-ttl`.
pub fn increment_for(bucket: &str, key: &str, delta: i64, ttl_ms: u64) -> Result<i64, Error> {
    host::increment(bucket, key, delta, Some(ttl_ms))
}

/// Reads a few values as of one instant: [`get_many`] where their number is known.
///
/// # Errors
///
/// Those of [`get_many`].
///
/// ```no_run
/// # use insula_sdk::prelude::*;
/// # use insula_sdk::storage::Address;
/// # fn main() -> Result<(), Error> {
/// let [customer, order] = storage::get_these([Address::new("customers", "c-1"), Address::new("orders", "o-7")])?;
/// # let _ = (customer, order);
/// # Ok(())
/// # }
/// ```
pub fn get_these<const N: usize>(at: [Address; N]) -> Result<[Option<Entry>; N], Error> {
    let found = get_many(&at)?;
    found.try_into().map_err(|found: Vec<_>| {
        Error::new("internal", format!("{N} values were asked for, and {} were answered", found.len()))
    })
}

impl Address {
    /// A key in a bucket.
    #[must_use]
    pub fn new(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self { bucket: bucket.into(), key: key.into() }
    }
}

impl Precondition {
    /// The key must be as it was read: at this version, or absent where nothing was found.
    #[must_use]
    pub fn unchanged(at: Address, read: Option<Version>) -> Self {
        Self { at, expect: read.map_or(Expectation::Absent, Expectation::Version) }
    }

    /// The key must not exist.
    #[must_use]
    pub fn absent(at: Address) -> Self {
        Self { at, expect: Expectation::Absent }
    }

    /// The key must exist, at any version.
    #[must_use]
    pub fn present(at: Address) -> Self {
        Self { at, expect: Expectation::Present }
    }
}

impl Write {
    /// Puts a value that stays until it is deleted.
    #[must_use]
    pub fn put(at: Address, value: impl Into<Vec<u8>>) -> Self {
        Self { at, change: Change::Put(Content { value: value.into(), ttl_ms: None }) }
    }

    /// Puts a value that is gone after so many milliseconds.
    #[must_use]
    pub fn put_for(at: Address, value: impl Into<Vec<u8>>, ttl_ms: u64) -> Self {
        Self { at, change: Change::Put(Content { value: value.into(), ttl_ms: Some(ttl_ms) }) }
    }

    /// Deletes a key. Deleting an absent one is no error.
    #[must_use]
    pub fn delete(at: Address) -> Self {
        Self { at, change: Change::Delete }
    }

    /// Adds to a number. An absent key counts as 0.
    #[must_use]
    pub fn increment(at: Address, delta: i64) -> Self {
        Self { at, change: Change::Increment(Addition { delta, ttl_ms: None }) }
    }

    /// Adds to a number, which is gone so many milliseconds after the addition that brought it into being.
    #[must_use]
    pub fn increment_for(at: Address, delta: i64, ttl_ms: u64) -> Self {
        Self { at, change: Change::Increment(Addition { delta, ttl_ms: Some(ttl_ms) }) }
    }

    /// The same write with this life, in milliseconds, or with one that has no end. A deletion stays what it is.
    #[must_use]
    pub fn with_life(mut self, ttl_ms: Option<u64>) -> Self {
        match &mut self.change {
            Change::Put(content) => content.ttl_ms = ttl_ms,
            Change::Increment(addition) => addition.ttl_ms = ttl_ms,
            Change::Expire(life) => *life = ttl_ms,
            Change::Delete => {}
        }
        self
    }

    /// Gives a key a new life of so many milliseconds from now on. Its value stays.
    #[must_use]
    pub fn expire(at: Address, ttl_ms: u64) -> Self {
        Self { at, change: Change::Expire(Some(ttl_ms)) }
    }

    /// Gives a key a life without an end. Its value stays.
    #[must_use]
    pub fn keep(at: Address) -> Self {
        Self { at, change: Change::Expire(None) }
    }
}

impl Selection {
    /// A whole bucket: keys only, ascending, in pages of 1,000.
    #[must_use]
    pub fn all() -> Self {
        Self::prefix("")
    }

    /// The keys that start with this.
    #[must_use]
    pub fn prefix(prefix: impl Into<String>) -> Self {
        let prefix = prefix.into();
        Self { prefix, start: None, end: None, after: None, reverse: false, values: false, limit: PAGE }
    }

    /// The keys from `start` on, `end` and what follows it left out.
    #[must_use]
    pub fn range(start: impl Into<String>, end: impl Into<String>) -> Self {
        Self { start: Some(start.into()), end: Some(end.into()), ..Self::all() }
    }

    /// Only what follows this key in the order of the listing: the `next` of the page before.
    #[must_use]
    pub fn after(mut self, cursor: impl Into<String>) -> Self {
        self.after = Some(cursor.into());
        self
    }

    /// From the last key to the first.
    #[must_use]
    pub fn reversed(mut self) -> Self {
        self.reverse = true;
        self
    }

    /// With values.
    #[must_use]
    pub fn with_values(mut self) -> Self {
        self.values = true;
        self
    }

    /// At most so many entries in one page, 1 to 1,000.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }
}

impl Entry {
    /// The value as the number that [`increment`] adds to.
    ///
    /// # Errors
    ///
    /// `unreadable-value` where it is not 8 bytes.
    pub fn number(&self) -> Result<i64, Error> {
        let bytes = <[u8; 8]>::try_from(self.value.as_slice());
        bytes.map(i64::from_le_bytes).map_err(|_| self.unreadable("a number of 8 bytes"))
    }

    /// The error for a value that is not what this agent writes: another agent of the tenant, or another version of this
    /// one, wrote it.
    #[must_use]
    pub fn unreadable(&self, expected: impl std::fmt::Display) -> Error {
        Error::new("unreadable-value", format!("the stored value of key {:?} is not {expected}", self.key))
    }
}

#[cfg(feature = "json")]
mod json {
    //! Stored values as JSON.

    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::{Address, Entry, Version, Write, get, put, put_for};
    use crate::Error;

    impl Entry {
        /// The value as JSON.
        ///
        /// # Errors
        ///
        /// `unreadable-value` where it is not: another agent of the tenant, or another version of this one, wrote it.
        pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
            serde_json::from_slice(&self.value)
                .map_err(|error| self.unreadable(format_args!("the JSON that is expected: {error}")))
        }
    }

    impl Write {
        /// Puts a value as JSON.
        ///
        /// # Errors
        ///
        /// `internal` where the value has no JSON form, such as a map whose keys are not text.
        pub fn put_json<T: Serialize + ?Sized>(at: Address, value: &T) -> Result<Self, Error> {
            let value = encode(&at.key, value)?;
            Ok(Self::put(at, value))
        }
    }

    /// Reads a value as JSON, with its version for a later [`Precondition`](super::Precondition).
    ///
    /// # Errors
    ///
    /// Those of [`get`], and `unreadable-value` as in [`Entry::json`].
    pub fn get_json<T: DeserializeOwned>(bucket: &str, key: &str) -> Result<Option<(T, Version)>, Error> {
        get(bucket, key)?.map(|entry| Ok((entry.json()?, entry.version))).transpose()
    }

    /// Writes a value as JSON, until it is deleted.
    ///
    /// # Errors
    ///
    /// Those of [`put`], and `internal` where the value has no JSON form.
    pub fn put_json<T: Serialize + ?Sized>(bucket: &str, key: &str, value: &T) -> Result<Version, Error> {
        put(bucket, key, &encode(key, value)?)
    }

    /// Writes a value as JSON that is gone after so many milliseconds.
    ///
    /// # Errors
    ///
    /// Those of [`put_for`], and `internal` where the value has no JSON form.
    pub fn put_json_for<T: Serialize + ?Sized>(
        bucket: &str,
        key: &str,
        value: &T,
        ttl_ms: u64,
    ) -> Result<Version, Error> {
        put_for(bucket, key, &encode(key, value)?, ttl_ms)
    }

    fn encode<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(value)
            .map_err(|error| Error::new("internal", format!("the value for key {key:?} has no JSON form: {error}")))
    }
}

#[cfg(feature = "json")]
pub use json::{get_json, put_json, put_json_for};
