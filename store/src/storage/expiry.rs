//! Lives: which keys have one, in the order in which they end, and the removal of what is over.
//!
//! A key whose life is over is absent from that moment on, since every reader looks at its record. Its room is given back
//! here: a few with every commit, all of them when a commit finds no room, and from time to time by the host (B1: each
//! pass removes a bounded number).

use std::ops::{Bound, ControlFlow};

use super::counters::Counters;
use super::engine::{Read, Table, Write};
use super::failure::Failure;
use super::key::KeyRange;
use super::record::Record;

/// Keys that a commit removes in passing: more than it can add, so that what is over never piles up under writes.
pub(crate) const IN_PASSING: usize = 512;
/// Keys that are removed at a time for want of room, and by the host's own passes.
pub(crate) const IN_BULK: usize = 10_000;

/// The row of a key that ends then.
fn row(expires_ms: u64, encoded_key: &[u8]) -> Vec<u8> {
    [&expires_ms.to_be_bytes(), encoded_key].concat()
}

/// Takes a key's life over into the table: the old end goes, the new one comes.
pub(crate) fn change(
    tables: &mut impl Write,
    encoded_key: &[u8],
    before_ms: Option<u64>,
    after_ms: Option<u64>,
) -> Result<(), Failure> {
    if before_ms == after_ms {
        return Ok(());
    }
    if let Some(before) = before_ms {
        tables.delete(Table::Expiry, &row(before, encoded_key))?;
    }
    if let Some(after) = after_ms {
        tables.put(Table::Expiry, &row(after, encoded_key), &[])?;
    }
    Ok(())
}

/// The rows that are due, oldest first, `most` of them.
fn due(tables: &impl Read, now_ms: u64, most: usize) -> Result<Vec<Vec<u8>>, Failure> {
    let upper = now_ms.checked_add(1).map_or(Bound::Unbounded, |end| Bound::Excluded(end.to_be_bytes().to_vec()));
    let range = KeyRange { lower: Bound::Unbounded, upper };
    let mut rows = Vec::new();
    tables.walk(Table::Expiry, &range, false, |row, _| {
        rows.push(row.to_vec());
        Ok(if rows.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(rows)
}

/// Whether anything is due.
pub(crate) fn is_due(tables: &impl Read, now_ms: u64) -> Result<bool, Failure> {
    Ok(!due(tables, now_ms, 1)?.is_empty())
}

/// Removes up to `most` keys whose life is over; answers how many.
pub(crate) fn purge(
    tables: &mut impl Write,
    counters: &mut Counters,
    now_ms: u64,
    most: usize,
) -> Result<usize, Failure> {
    let rows = due(tables, now_ms, most)?;
    for row in &rows {
        let (_, key) = row.split_first_chunk::<8>().ok_or(Failure::Malformed("the end of a life"))?;
        let cost = tables.get(Table::Entries, key, |bytes| Record::decode(bytes).map(|record| record.cost(key)))?;
        let cost = cost.ok_or(Failure::Malformed("the end of a life"))??;
        counters.subtract(cost);
        tables.delete(Table::Entries, key)?;
        tables.delete(Table::Expiry, row)?;
    }
    Ok(rows.len())
}
