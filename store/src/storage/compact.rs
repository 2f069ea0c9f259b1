//! Compaction: a file that is mostly empty is written anew, as small as what is in it.
//!
//! The engine gives freed pages to later writes and never to the file system, so a tenant that deleted much keeps a large
//! file. The engine's own compaction needs the file to itself for as long as it takes. This one copies what is there to
//! a new file while readers go on, keeps only this tenant's commits waiting, for [`PAUSE`] at most, and then puts the new
//! file in place with one rename. It gives up, and changes nothing, when the pause would be longer.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Inner;
use super::counters::Counters;
use super::engine::{Engine, Read, Redb, Table, Write};
use super::failure::Failure;
use super::key::KeyRange;
use super::volume::View;

/// The longest that a tenant's commits wait for a compaction.
pub(crate) const PAUSE: Duration = Duration::from_secs(5);
/// A file is worth compacting when it is so many times as large as what is counted in it...
const WORTH_FACTOR: u64 = 3;
/// ...and this much larger, in bytes.
const WORTH_BYTES: u64 = 4 << 20;
/// Entries between two looks at the clock.
const STRIDE: u64 = 256;

/// What a compaction did, in bytes of the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Compacted {
    /// The file's length before.
    pub bytes_before: u64,
    /// The file's length after; the same where nothing was done.
    pub bytes_after: u64,
    /// How long commits waited, in microseconds.
    pub pause_us: u64,
}

impl Inner {
    /// Whether the file is worth it. Blocks on the disk.
    pub(super) fn is_worth_compacting(&self, view: &View) -> Result<bool, Failure> {
        let length = self.slot.source().length().map_err(Failure::file("look at the storage file"))?;
        Ok(length > view.counters.bytes.saturating_mul(WORTH_FACTOR).saturating_add(WORTH_BYTES))
    }

    /// Writes the file anew. Commits of this tenant wait for it, readers do not. Blocks on the disk.
    pub(super) fn compact(&self) -> Result<Compacted, Failure> {
        let length = || self.slot.source().length().map_err(Failure::file("look at the storage file"));
        let _writing = self.writing.lock();
        let began = Instant::now();
        let bytes_before = length()?;
        let Some(volume) = self.slot.open()? else { return Ok(Compacted::default()) };
        let view = volume.view();
        let unplaced = self.slot.source().prepare(|tables| copy(&view, tables, began + PAUSE))?;
        self.slot.replace(&volume, || unplaced.place())?;
        self.disk.files.admit(&self.slot);
        let pause_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        Ok(Compacted { bytes_before, bytes_after: length()?, pause_us })
    }
}

/// Copies every table but the stamp, which the new file has of its own.
fn copy(view: &View, tables: &mut <Redb as Engine>::Tables<'_>, deadline: Instant) -> Result<Counters, Failure> {
    let mut copied = 0_u64;
    for table in [Table::Entries, Table::Expiry] {
        view.tables.walk(table, &KeyRange::ALL, false, |key, value| {
            tables.put(table, key, value)?;
            copied += 1;
            if copied.is_multiple_of(STRIDE) && Instant::now() >= deadline {
                return Err(Failure::TooLong(PAUSE));
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(view.counters)
}
