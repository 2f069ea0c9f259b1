//! What storage asks of an engine: bytes in, bytes out, atomic transactions, snapshots and ranges. Nothing more, so that
//! another engine can take the place of redb, and so that an engine's own ideas of types never decide what our bytes
//! mean.
//!
//! An engine holds one tenant's tables and knows nothing of tenants, quotas, versions or lives: those are
//! [`Volume`](super::volume::Volume)'s, one floor up. Every engine passes the same [conformance](conformance) suite.

#[cfg(test)]
pub(crate) mod conformance;
#[cfg(test)]
pub(crate) mod memory;
mod redb;

use std::ops::ControlFlow;

use super::failure::Failure;
use super::key::KeyRange;

pub(crate) use redb::Redb;

/// The tables of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// Encoded keys to records.
    Entries,
    /// Ends of life, each followed by the encoded key, to nothing.
    Expiry,
    /// The stamp, the format, the counters.
    Meta,
}

impl Table {
    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 3] = [Self::Entries, Self::Expiry, Self::Meta];

    /// Its name in the engine.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Entries => "entries",
            Self::Expiry => "expiry",
            Self::Meta => "meta",
        }
    }
}

/// Tables as of one instant, or as a transaction sees them.
pub(crate) trait Read {
    /// Hands the value of a key to `look`, where there is one.
    fn get<T>(&self, table: Table, key: &[u8], look: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, Failure>;

    /// Hands keys and values of a range to `visit`, in ascending order of keys or descending, until it breaks.
    fn walk(
        &self,
        table: Table,
        range: &KeyRange,
        reverse: bool,
        visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<(), Failure>;
}

/// The tables of a transaction.
pub(crate) trait Write: Read {
    /// Puts a value in the place of what is there.
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), Failure>;

    /// Removes a key; an absent one is no error.
    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), Failure>;
}

/// What becomes of a transaction whose work went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is made durable, whole.
    Commit,
    /// It never was.
    Abandon,
}

/// One tenant's tables. One transaction writes at a time; snapshots are not disturbed by it, nor it by them.
pub(crate) trait Engine: Send + Sync + Sized + 'static {
    /// The tables as of one instant.
    type Snapshot: Read + Send + Sync + 'static;
    /// The tables of a transaction.
    type Tables<'a>: Write;

    /// The tables as the last transaction left them.
    fn snapshot(&self) -> Result<Self::Snapshot, Failure>;

    /// Does some work in a transaction. When this returns a value with [`Verdict::Commit`] all of it is on disk; in any
    /// other case none of it is, also after a crash in the middle.
    fn transact<T>(
        &self,
        work: impl FnOnce(&mut Self::Tables<'_>) -> Result<(T, Verdict), Failure>,
    ) -> Result<(T, Verdict), Failure>;
}
