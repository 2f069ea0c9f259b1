//! The functions of `wit/storage.wit`, over this thread's memory.

use super::{MEMORY, let_others_write};
use crate::Error;
use crate::storage::{Addition, Address, Change, Content, Entry, Page, Precondition, Selection, Version, Write};

/// See `get` in `wit/storage.wit`.
///
/// # Errors
///
/// Those that are listed there.
pub fn get(bucket: &str, key: &str) -> Result<Option<Entry>, Error> {
    MEMORY.with_borrow(|memory| memory.get(&Address::new(bucket, key)))
}

/// See `get-many` in `wit/storage.wit`.
///
/// # Errors
///
/// Those that are listed there.
pub fn get_many(at: &[Address]) -> Result<Vec<Option<Entry>>, Error> {
    MEMORY.with_borrow(|memory| memory.get_many(at))
}

/// See `list` in `wit/storage.wit`.
///
/// # Errors
///
/// Those that are listed there.
pub fn list(bucket: &str, selection: &Selection) -> Result<Page, Error> {
    MEMORY.with_borrow(|memory| memory.list(bucket, selection))
}

/// See `buckets` in `wit/storage.wit`.
///
/// # Errors
///
/// Those that are listed there.
pub fn buckets(after: Option<&str>, limit: u32) -> Result<Vec<String>, Error> {
    MEMORY.with_borrow(|memory| memory.buckets(after, limit))
}

/// See `commit` in `wit/storage.wit`.
///
/// # Errors
///
/// Those that are listed there.
pub fn commit(preconditions: &[Precondition], writes: &[Write]) -> Result<Vec<Version>, Error> {
    let_others_write();
    MEMORY.with_borrow_mut(|memory| memory.commit(preconditions, writes))
}

/// See `delete` in `wit/storage.wit`.
///
/// # Errors
///
/// Those that are listed there.
pub fn delete(bucket: &str, key: &str) -> Result<(), Error> {
    commit(&[], &[Write::delete(Address::new(bucket, key))]).map(drop)
}

pub(crate) fn put(bucket: &str, key: &str, value: &[u8], ttl_ms: Option<u64>) -> Result<Version, Error> {
    let change = Change::Put(Content { value: value.to_vec(), ttl_ms });
    let versions = commit(&[], &[Write { at: Address::new(bucket, key), change }])?;
    Ok(versions.first().copied().unwrap_or_default())
}

pub(crate) fn increment(bucket: &str, key: &str, delta: i64, ttl_ms: Option<u64>) -> Result<i64, Error> {
    let at = Address::new(bucket, key);
    commit(&[], &[Write { at, change: Change::Increment(Addition { delta, ttl_ms }) }])?;
    get(bucket, key)?.map_or(Ok(0), |entry| entry.number())
}
