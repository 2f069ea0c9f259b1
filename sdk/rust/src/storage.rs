//! Durable storage: the tenant's buckets of keys and values. All agents of one tenant share them.
//!
//! [`commit`] is the one way to write; the others are commits of one write. To change what was read, commit with the
//! version that was read as the precondition, and read again on `conflict`.

pub use crate::bindings::insula::agent::storage::{
    Address, Change, Entry, Expectation, Page, Precondition, Selection, Version, Write, commit, delete, get, get_many,
    increment, list, put,
};

#[cfg(feature = "json")]
use crate::Error;

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
}

impl Write {
    /// Puts a value.
    #[must_use]
    pub fn put(at: Address, value: impl Into<Vec<u8>>) -> Self {
        Self { at, change: Change::Put(value.into()) }
    }

    /// Deletes a key.
    #[must_use]
    pub fn delete(at: Address) -> Self {
        Self { at, change: Change::Delete }
    }
}

impl Entry {
    /// The value as JSON.
    ///
    /// # Errors
    ///
    /// `unreadable-value` where it is not: another agent of the tenant, or an older version of this one, wrote it.
    #[cfg(feature = "json")]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.value).map_err(|error| {
            let message = format!("the stored value of key {:?} is not the JSON that is expected: {error}", self.key);
            Error::new("unreadable-value", message)
        })
    }
}

/// Reads a value as JSON, with its version for a later [`Precondition`].
///
/// # Errors
///
/// Those of [`get`], and `unreadable-value` as in [`Entry::json`].
#[cfg(feature = "json")]
pub fn get_json<T: serde::de::DeserializeOwned>(bucket: &str, key: &str) -> Result<Option<(T, Version)>, Error> {
    get(bucket, key)?.map(|entry| Ok((entry.json()?, entry.version))).transpose()
}

/// Writes a value as JSON.
///
/// # Errors
///
/// Those of [`put`], and `internal` where the value has no JSON form.
#[cfg(feature = "json")]
pub fn put_json<T: serde::Serialize + ?Sized>(bucket: &str, key: &str, value: &T) -> Result<Version, Error> {
    let value = serde_json::to_vec(value)
        .map_err(|error| Error::new("internal", format!("the value for key {key:?} has no JSON form: {error}")))?;
    put(bucket, key, &value)
}
