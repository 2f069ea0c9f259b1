//! A namespace of the cache whose values are all of one type, as JSON.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Life, clear, delete, get, get_or_make, put};
use crate::{Error, log};

/// How long a call waits for another one that makes the same value, in milliseconds.
const WAIT_MS: u64 = 2_000;

/// Values of one type, with one life. It holds nothing: make it a constant.
///
/// ```no_run
/// use insula_sdk::cache::Life;
/// use insula_sdk::prelude::*;
///
/// // Fresh for a minute; for ten more it may be handed out while one call makes a new one.
/// const REPORTS: Cache<Vec<u64>> = Cache::new("reports", Life::for_ms(60_000).stale_for(600_000).this_version_only());
///
/// # fn count(_: &str) -> Result<Vec<u64>, Error> { Ok(Vec::new()) }
/// # fn main() -> Result<(), Error> {
/// let report = REPORTS.get_or_make("today", || count("today"))?;
/// # let _ = report;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Cache<T> {
    namespace: &'static str,
    life: Life,
    wait_ms: u64,
    of: PhantomData<fn() -> T>,
}

impl<T> Cache<T> {
    /// The namespace of this name, `[a-z0-9][a-z0-9._-]{0,62}`, and the life of what is put there. `this_version_only`
    /// is a good habit: the next version may know another `T`.
    #[must_use]
    pub const fn new(namespace: &'static str, life: Life) -> Self {
        Self { namespace, life, wait_ms: WAIT_MS, of: PhantomData }
    }

    /// How long a call waits for another one that makes the same value, in milliseconds; 2,000 unless told.
    #[must_use]
    pub const fn waiting(mut self, wait_ms: u64) -> Self {
        self.wait_ms = wait_ms;
        self
    }

    /// Forgets one value.
    ///
    /// # Errors
    ///
    /// `invalid-namespace`, `invalid-key`.
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        delete(self.namespace, key)
    }

    /// Forgets all of them.
    ///
    /// # Errors
    ///
    /// `invalid-namespace`.
    pub fn clear(&self) -> Result<(), Error> {
        clear(self.namespace)
    }
}

impl<T: Serialize + DeserializeOwned> Cache<T> {
    /// A fresh value. What is not a `T` is as good as none: any agent of the tenant may have put it there.
    ///
    /// # Errors
    ///
    /// `invalid-namespace`, `invalid-key`.
    pub fn get(&self, key: &str) -> Result<Option<T>, Error> {
        Ok(get(self.namespace, key)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Keeps a value.
    ///
    /// # Errors
    ///
    /// Those of [`put`](super::put), and `internal` where the value has no JSON form.
    pub fn put(&self, key: &str, value: &T) -> Result<(), Error> {
        put(self.namespace, key, &encode(value)?, self.life)
    }

    /// The value of a key; where there is none, of many calls at once one makes it and the others wait for it. With a
    /// life that has a stale part, a value past its freshness is the answer while one call makes a new one.
    ///
    /// # Errors
    ///
    /// Those of `make`, and those of [`get_or_make`].
    pub fn get_or_make(&self, key: &str, make: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
        let bytes = get_or_make(self.namespace, key, self.life, self.wait_ms, || encode(&make()?))?;
        serde_json::from_slice(&bytes).or_else(|error| {
            log::warn!("made {}/{key} anew, since what is cached there is something else: {error}", self.namespace);
            let value = make()?;
            self.put(key, &value)?;
            Ok(value)
        })
    }
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::new("internal", format!("the value has no JSON form: {error}")))
}

impl<T> Clone for Cache<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Cache<T> {}
