//! Compaction: a file that is mostly empty is written anew, as small as what is in it.
//!
//! The engine gives freed pages to later writes and never to the file system, so a tenant that deleted much keeps a large
//! file. The engine's own compaction needs the file to itself for as long as it takes. This one copies what is there to
//! a new file while readers go on, keeps only this tenant's commits waiting, for [`PAUSE`] at most, and then puts the new
//! file in place with one rename. It gives up, and changes nothing, when the pause would be longer.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// What a compaction that takes too long is not tried with again.
pub(super) struct TooMuch(AtomicU64);

impl TooMuch {
    /// Nothing has been too much yet.
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }

    /// So much took too long, in bytes as the quota counts them.
    fn learn(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    /// Whether so much is worth a try: at most half of what took too long.
    fn admits(&self, bytes: u64) -> bool {
        bytes <= self.0.load(Ordering::Relaxed) / 2
    }
}

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
    /// Whether the file is worth it, and has a chance: what was given up would only keep the tenant waiting again. Blocks on
    /// the disk.
    pub(super) fn is_worth_compacting(&self, view: &View) -> Result<bool, Failure> {
        if !self.too_much.admits(view.counters.bytes) {
            return Ok(false);
        }
        let length = self.slot.source().length().map_err(Failure::file("look at the storage file"))?;
        Ok(length > view.counters.bytes.saturating_mul(WORTH_FACTOR).saturating_add(WORTH_BYTES))
    }

    /// Writes the file anew. Commits of this tenant wait for it, so long at most, and readers do not. Blocks on the
    /// disk.
    pub(super) fn compact_within(&self, pause: Duration) -> Result<Compacted, Failure> {
        let length = || self.slot.source().length().map_err(Failure::file("look at the storage file"));
        let _writing = self.writing.lock();
        let began = Instant::now();
        let bytes_before = length()?;
        let Some(volume) = self.slot.open()? else { return Ok(Compacted::default()) };
        let view = volume.view();
        let prepared = self.slot.source().prepare(|tables| copy(&view, tables, began, pause));
        if matches!(prepared, Err(Failure::TooLong(_))) {
            self.too_much.learn(view.counters.bytes);
        }
        let unplaced = prepared?;
        self.slot.replace(&volume, || unplaced.place())?;
        self.disk.files.admit(&self.slot);
        let pause_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        Ok(Compacted { bytes_before, bytes_after: length()?, pause_us })
    }
}

/// Copies every table but the stamp, which the new file has of its own.
fn copy(
    view: &View,
    tables: &mut <Redb as Engine>::Tables<'_>,
    began: Instant,
    pause: Duration,
) -> Result<Counters, Failure> {
    let mut copied = 0_u64;
    for table in [Table::Entries, Table::Expiry] {
        view.tables.walk(table, &KeyRange::ALL, false, |key, value| {
            tables.put(table, key, value)?;
            copied += 1;
            if copied.is_multiple_of(STRIDE) && began.elapsed() >= pause {
                return Err(Failure::TooLong(pause));
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(view.counters)
}
