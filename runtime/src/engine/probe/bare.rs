//! What the agent of the probes is given: a log that is measured and not kept, and nothing else. A limit that did not bite
//! would otherwise be tried on what belongs to someone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use insula_host_api::{
    Answer, BucketName, Cache, CacheError, CacheStatistics, Committed, Entry, EntryKey, FoundOrLease, Grants, Level,
    Life, LogSink, NamespaceName, Page, Patience, Place, Precondition, Selection, Source, Storage, StorageError, Write,
};

/// Measures a log.
#[derive(Debug, Default)]
pub(super) struct Sink {
    written: AtomicU64,
}

impl Sink {
    /// Bytes of all messages.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }
}

impl LogSink for Sink {
    fn write(&self, _level: Level, _source: Source, message: &str) {
        self.written.fetch_add(message.len() as u64, Ordering::Relaxed);
    }
}

/// Storage and cache that are not there.
struct Absent;

/// The grants of a probe.
pub(super) fn grants(sink: &Arc<Sink>) -> Grants {
    Grants { log: Arc::clone(sink) as _, ..absent() }
}

/// Grants of nothing.
pub(crate) fn absent() -> Grants {
    let (absent, log) = (Arc::new(Absent), Arc::<Sink>::default());
    Grants { storage: Arc::clone(&absent) as _, cache: absent, log, configuration: Arc::default() }
}

impl Storage for Absent {
    fn get(&self, _at: &Place) -> Answer<Result<Option<Entry>, StorageError>> {
        Answer::Ready(Err(StorageError::Unavailable))
    }

    fn get_many(&self, _at: Vec<Place>) -> Answer<Result<Vec<Option<Entry>>, StorageError>> {
        Answer::Ready(Err(StorageError::Unavailable))
    }

    fn list(&self, _bucket: &BucketName, _selection: Selection) -> Answer<Result<Page, StorageError>> {
        Answer::Ready(Err(StorageError::Unavailable))
    }

    fn buckets(&self, _after: Option<String>, _limit: u32) -> Answer<Result<Vec<String>, StorageError>> {
        Answer::Ready(Err(StorageError::Unavailable))
    }

    fn commit(&self, _pre: Vec<Precondition>, _writes: Vec<Write>) -> Answer<Result<Committed, StorageError>> {
        Answer::Ready(Err(StorageError::Unavailable))
    }
}

impl Cache for Absent {
    fn get(&self, _namespace: &NamespaceName, _key: &EntryKey) -> Option<Vec<u8>> {
        None
    }

    fn put(&self, _: &NamespaceName, _: &EntryKey, value: Vec<u8>, _life: Life) -> Result<(), CacheError> {
        Err(CacheError::ValueTooLarge { size: value.len() as u64, limit: 0 })
    }

    fn get_or_fill(
        &self,
        _namespace: &NamespaceName,
        _key: &EntryKey,
        _patience: Patience,
    ) -> Answer<Result<FoundOrLease, CacheError>> {
        Answer::Ready(Err(CacheError::FillInProgress))
    }

    fn delete(&self, _namespace: &NamespaceName, _key: &EntryKey) {}

    fn clear(&self, _namespace: &NamespaceName) {}

    fn statistics(&self) -> CacheStatistics {
        CacheStatistics {
            hits: 0,
            stale_hits: 0,
            misses: 0,
            leases: 0,
            waits: 0,
            evicted: 0,
            expired: 0,
            removed: 0,
            entries: 0,
            bytes: 0,
            limit_bytes: 0,
        }
    }
}
