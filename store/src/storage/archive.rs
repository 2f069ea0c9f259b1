//! Storage on its way into an archive, and out of one.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use insula_host_api::StorageError;

use super::commit::within;
use super::counters::Counters;
use super::engine::{Read, Table, Verdict, Write};
use super::failure::Failure;
use super::key::{self, KeyRange};
use super::record::Record;
use super::volume::{View, Volume};
use super::{Inner, TenantStorage, expiry};
use crate::archive::{ArchiveError, ArchiveProblem, EntryBatch, StorageCounters};

/// A tenant's storage as of one instant, whatever is committed meanwhile. The pages of that instant stay in the file for
/// as long as it is held.
pub struct StorageSnapshot {
    inner: Arc<Inner>,
    found: Option<(Arc<View>, Arc<Volume>)>,
}

impl TenantStorage {
    /// Storage as the last commit left it. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// [`StorageError::Unavailable`].
    pub fn snapshot(&self) -> Result<StorageSnapshot, StorageError> {
        let found = self.inner.read(|volume| Ok((volume.view(), Arc::clone(volume))));
        let found = found.map_err(self.inner.answered("export"))?;
        Ok(StorageSnapshot { inner: Arc::clone(&self.inner), found })
    }

    /// Puts records of an archive back with their versions and lives, all of the batch or nothing, within the quota. The
    /// counter of versions becomes the archive's, or stays where it is if that is further. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// [`StorageError::DuplicateKey`] for a key that is there, [`StorageError::ValueTooLarge`],
    /// [`StorageError::QuotaExceeded`], [`StorageError::Unavailable`].
    pub fn restore(&self, batch: &EntryBatch, archived: &StorageCounters) -> Result<(), StorageError> {
        self.inner.restore(batch, archived).map_err(self.inner.answered("restore"))
    }
}

impl Inner {
    fn restore(&self, batch: &EntryBatch, archived: &StorageCounters) -> Result<(), Failure> {
        let now_ms = self.clock.unix_ms();
        let _writing = self.writing.lock();
        self.write(|volume| {
            volume.transact(|tables, counters| {
                let before = *counters;
                counters.clock_ms = counters.clock_ms.max(archived.clock_ms).max(now_ms);
                counters.version = counters.version.max(archived.version);
                for (key, record) in batch.iter() {
                    put_back(tables, counters, key, record, self.quota.value_bytes())?;
                }
                within("bytes", before.bytes, counters.bytes, self.quota.storage_bytes())?;
                within("keys", before.keys, counters.keys, self.quota.storage_keys())?;
                Ok(((), Verdict::Commit))
            })
        })
    }
}

fn put_back(
    tables: &mut impl Write,
    counters: &mut Counters,
    key: &[u8],
    bytes: &[u8],
    value_bytes: u64,
) -> Result<(), Failure> {
    let at = key::decode(key).ok_or(Failure::Malformed("the key of an archived record"))?;
    let record = Record::decode(bytes)?;
    let length = record.value.len() as u64;
    if length > value_bytes {
        return Err(StorageError::ValueTooLarge { size: length, limit: value_bytes }.into());
    }
    if tables.get(Table::Entries, key, |_| ())?.is_some() {
        let (bucket, key) = (at.bucket.as_str().to_owned(), at.key.as_str().to_owned());
        return Err(StorageError::DuplicateKey { bucket, key }.into());
    }
    tables.put(Table::Entries, key, bytes)?;
    expiry::change(tables, key, None, record.expires_ms)?;
    counters.version = counters.version.max(record.version);
    counters.add(record.cost(key));
    Ok(())
}

impl StorageSnapshot {
    /// What was counted at its instant.
    #[must_use]
    pub fn counters(&self) -> StorageCounters {
        self.found.as_ref().map(|(view, _)| view.counters.into()).unwrap_or_default()
    }

    /// Hands every record to `sink`, in batches, in the order of their keys; also those whose life is over and that were
    /// not removed yet, since the counters count them. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// What the sink fails with, or [`ArchiveProblem::Storage`], also when the tenant was erased meanwhile: the pages of a
    /// file that was removed can be read for as long as it is open, and are not handed out.
    pub fn export_entries(
        &self,
        sink: &mut dyn FnMut(EntryBatch) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        let Some((view, _)) = &self.found else { return Ok(()) };
        let (mut batch, mut refused) = (EntryBatch::default(), None);
        let walked = view.tables.walk(Table::Entries, &KeyRange::ALL, false, |key, record| {
            if batch.has_no_room_for(key, record) {
                self.check_not_erased()?;
                if let Err(error) = sink(std::mem::take(&mut batch)) {
                    refused = Some(error);
                    return Ok(ControlFlow::Break(()));
                }
            }
            batch.push(key, record);
            Ok(ControlFlow::Continue(()))
        });
        if let Some(error) = refused {
            return Err(error);
        }
        if let Err(failure) = walked.and_then(|()| self.check_not_erased()) {
            drop(failure.into_answer(self.inner.tenant, "export"));
            return Err(ArchiveError { frame: 0, offset: 0, problem: ArchiveProblem::Storage });
        }
        if batch.is_empty() { Ok(()) } else { sink(batch) }
    }
}

impl StorageSnapshot {
    fn check_not_erased(&self) -> Result<(), Failure> {
        if self.inner.slot.source().home().is_removed() { Err(Failure::Removed) } else { Ok(()) }
    }
}

impl fmt::Debug for StorageSnapshot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "StorageSnapshot({})", self.inner.tenant)
    }
}
