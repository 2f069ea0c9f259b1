//! A bucket whose values are all of one type, as JSON.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Address, Attempt, Commit, Entry, Precondition, Selection, Version, Write, delete, scan, update};
use super::{get_json, put_json, put_json_for};
use crate::Error;

/// How often [`Bucket::update`] tries.
const ATTEMPTS: u32 = 16;

/// A bucket of values of one type. It holds nothing: make it a constant.
///
/// ```no_run
/// use insula_sdk::prelude::*;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Note {
///     text: String,
/// }
///
/// const NOTES: Bucket<Note> = Bucket::new("notes");
///
/// # fn main() -> Result<(), Error> {
/// NOTES.put("today", &Note { text: "buy bread".into() })?;
/// let note = NOTES.get("today")?.or_not_found("there is no note for today")?;
/// log::info!("{} (version {})", note.value.text, note.version);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Bucket<T> {
    name: &'static str,
    of: PhantomData<fn() -> T>,
}

/// A value as it was read, with the version that a later [`Bucket::replace`] must find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    pub value: T,
    pub version: Version,
}

impl<T> Bucket<T> {
    /// The bucket of this name: `[a-z0-9][a-z0-9._-]{0,62}`.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, of: PhantomData }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// A key in it, for a [`Commit`] over several buckets.
    #[must_use]
    pub fn at(&self, key: impl Into<String>) -> Address {
        Address::new(self.name, key)
    }

    /// Deletes a key. Deleting an absent one is no error.
    ///
    /// # Errors
    ///
    /// Those of [`delete`](super::delete).
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        delete(self.name, key)
    }
}

impl<T: Serialize + DeserializeOwned> Bucket<T> {
    /// Reads a value, with its version.
    ///
    /// # Errors
    ///
    /// Those of [`get`](super::get), and `unreadable-value` where something else than a `T` is stored.
    pub fn get(&self, key: &str) -> Result<Option<Versioned<T>>, Error> {
        Ok(get_json(self.name, key)?.map(|(value, version)| Versioned { value, version }))
    }

    /// Writes a value, whatever is there.
    ///
    /// # Errors
    ///
    /// Those of [`put`](super::put).
    pub fn put(&self, key: &str, value: &T) -> Result<Version, Error> {
        put_json(self.name, key, value)
    }

    /// Writes a value that is gone after so many milliseconds.
    ///
    /// # Errors
    ///
    /// Those of [`put_for`](super::put_for).
    pub fn put_for(&self, key: &str, value: &T, ttl_ms: u64) -> Result<Version, Error> {
        put_json_for(self.name, key, value, ttl_ms)
    }

    /// Writes a value where there is none.
    ///
    /// # Errors
    ///
    /// `conflict` (status 409) where there is one, and those of [`put`](super::put).
    pub fn create(&self, key: &str, value: &T) -> Result<Version, Error> {
        self.put_when(Precondition::absent(self.at(key)), key, value)
    }

    /// Writes a value where the present one is still of the version that was read.
    ///
    /// # Errors
    ///
    /// `conflict` (status 409) where it is not, and those of [`put`](super::put).
    pub fn replace(&self, key: &str, value: &T, read: Version) -> Result<Version, Error> {
        self.put_when(Precondition::unchanged(self.at(key), Some(read)), key, value)
    }

    fn put_when(&self, precondition: Precondition, key: &str, value: &T) -> Result<Version, Error> {
        let versions = Commit::new().when(precondition).write(Write::put_json(self.at(key), value)?).run()?;
        Ok(versions.first().copied().unwrap_or_default())
    }

    /// Reads, changes and writes, and does it again where someone else wrote in between: nothing is lost and nothing is
    /// doubled. `change` gets the present value and answers with the new one; `None` leaves all as it is. Returns what
    /// is there afterwards.
    ///
    /// # Errors
    ///
    /// Those of `change`, and those of [`update`](super::update).
    ///
    /// ```no_run
    /// # use insula_sdk::prelude::*;
    /// # fn main() -> Result<(), Error> {
    /// const STOCK: Bucket<u64> = Bucket::new("stock");
    /// let left = STOCK.update("bread", |left| {
    ///     let left = left.unwrap_or(0).checked_sub(1).or_conflict("no bread is left")?;
    ///     Ok(Some(left))
    /// })?;
    /// # let _ = left;
    /// # Ok(())
    /// # }
    /// ```
    pub fn update(
        &self,
        key: &str,
        mut change: impl FnMut(Option<T>) -> Result<Option<T>, Error>,
    ) -> Result<Option<T>, Error> {
        update(ATTEMPTS, || {
            let found = super::get(self.name, key)?;
            let present: Option<T> = found.as_ref().map(Entry::json).transpose()?;
            match change(present)? {
                Some(value) => {
                    let commit = Commit::new().unchanged(self.at(key), found.as_ref());
                    Ok(commit.put_json(self.at(key), &value)?.then(Some(value)))
                }
                None => Ok(Attempt::Done(found.as_ref().map(Entry::json).transpose()?)),
            }
        })
    }

    /// Every key and value of a selection, such as `Selection::prefix("2026/")`, page after page.
    pub fn scan(&self, selection: Selection) -> impl Iterator<Item = Result<(String, T), Error>> + use<T> {
        scan(self.name, selection.with_values()).map(|entry| {
            let entry = entry?;
            let value = entry.json()?;
            Ok((entry.key, value))
        })
    }
}

impl<T> Clone for Bucket<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Bucket<T> {}
