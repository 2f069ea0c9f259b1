//! Read, change, commit; and again, where someone else wrote in between.

use super::{Address, Entry, Precondition, Version, Write, commit};
use crate::Error;

/// When to send a request again that met too many others, in milliseconds.
const RETRY_MS: u64 = 100;

/// What one attempt of [`update`] came to.
#[derive(Debug)]
pub enum Attempt<T> {
    /// Nothing needs to be written: this is the answer.
    Done(T),
    /// This is the answer, if the commit goes through.
    Commit(Commit, T),
}

/// Reads, changes and commits, `attempts` times at most: `attempt` is made again whenever a precondition of its commit
/// did not hold, and must read again then.
///
/// One of those who meet always gets through, so that the work as a whole goes on. It does not wait between attempts.
///
/// # Errors
///
/// Those of `attempt`, at once and also where their code is `conflict`; those of [`commit`] but `conflict`; and after the
/// last attempt a `conflict` with `retry-after-ms`.
///
/// ```no_run
/// use insula_sdk::prelude::*;
/// use insula_sdk::storage::{Address, Attempt, Commit, update};
///
/// # fn main() -> Result<(), Error> {
/// let left = update(8, || {
///     let at = Address::new("stock", "bread");
///     let found = storage::get(&at.bucket, &at.key)?;
///     let left: u64 = found.as_ref().map(|entry| entry.json()).transpose()?.unwrap_or(0);
///     let Some(left) = left.checked_sub(1) else { return Ok(Attempt::Done(None)) };
///     Ok(Commit::new().unchanged(at.clone(), found.as_ref()).put(at, left.to_string()).then(Some(left)))
/// })?;
/// # let _ = left;
/// # Ok(())
/// # }
/// ```
pub fn update<T>(attempts: u32, mut attempt: impl FnMut() -> Result<Attempt<T>, Error>) -> Result<T, Error> {
    for _ in 0..attempts {
        let (commit, answer) = match attempt()? {
            Attempt::Done(answer) => return Ok(answer),
            Attempt::Commit(commit, answer) => (commit, answer),
        };
        match commit.run() {
            Ok(_) => return Ok(answer),
            Err(error) if error.code == "conflict" => {}
            Err(error) => return Err(error),
        }
    }
    let message = format!("others changed the same at the same time, {attempts} times in a row: send it again");
    Err(Error::conflict(message).after(RETRY_MS))
}

/// A commit, put together: preconditions and writes, in the order in which they were added.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    preconditions: Vec<Precondition>,
    writes: Vec<Write>,
}

impl Commit {
    /// One without preconditions and writes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more precondition.
    #[must_use]
    pub fn when(mut self, precondition: Precondition) -> Self {
        self.preconditions.push(precondition);
        self
    }

    /// Only when the key is as it was read: at that version, or absent where nothing was found.
    #[must_use]
    pub fn unchanged(self, at: Address, read: Option<&Entry>) -> Self {
        self.when(Precondition::unchanged(at, read.map(|entry| entry.version)))
    }

    /// With one more write. At most one for each key.
    #[must_use]
    pub fn write(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// With a value that stays until it is deleted.
    #[must_use]
    pub fn put(self, at: Address, value: impl Into<Vec<u8>>) -> Self {
        self.write(Write::put(at, value))
    }

    /// With a value as JSON.
    ///
    /// # Errors
    ///
    /// `internal` where the value has no JSON form.
    #[cfg(feature = "json")]
    pub fn put_json<T: serde::Serialize + ?Sized>(self, at: Address, value: &T) -> Result<Self, Error> {
        Ok(self.write(Write::put_json(at, value)?))
    }

    /// With a deletion.
    #[must_use]
    pub fn delete(self, at: Address) -> Self {
        self.write(Write::delete(at))
    }

    /// With an addition to a number.
    #[must_use]
    pub fn increment(self, at: Address, delta: i64) -> Self {
        self.write(Write::increment(at, delta))
    }

    /// How many writes it has. One commit takes 256.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.writes.len()
    }

    /// As an attempt of [`update`], with the answer for when it goes through.
    #[must_use]
    pub fn then<T>(self, answer: T) -> Attempt<T> {
        Attempt::Commit(self, answer)
    }

    /// Commits it, once.
    ///
    /// # Errors
    ///
    /// Those of [`commit`].
    pub fn run(&self) -> Result<Vec<Version>, Error> {
        commit(&self.preconditions, &self.writes)
    }
}
