//! Durable storage: one volume a tenant, opened when it is first used, in a bounded set of open ones.
//!
//! Reads of an open volume answer at once; everything else goes to the blocking pool. A tenant holds at most one permit of
//! the disk for its commits, which go in groups, and one for reads that have to open its file, so that a tenant's flood
//! waits in the tenant's own line (R3). Whatever goes wrong beneath is logged with its cause, and the guest learns only
//! that storage is not available.

mod archive;
mod commit;
mod compact;
mod counters;
mod engine;
mod expiry;
mod failure;
#[cfg(test)]
mod faults;
mod file;
mod group;
mod key;
mod moment;
mod open_files;
mod queue;
mod read;
mod record;
mod slot;
#[cfg(test)]
mod tests;
mod volume;

use std::fmt;
use std::sync::Arc;

use insula_host_api::{
    Answer, BucketName, Committed, Entry, Page, Place, Precondition, Selection, Storage, StorageError, Write,
};
use insula_tenancy::TenantId;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

pub use archive::StorageSnapshot;
pub use compact::Compacted;
pub(crate) use counters::Counters;
pub(crate) use failure::{Failure, chain};
pub(crate) use key::decode as decode_key;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use key::encode as encode_key;
pub(crate) use record::Record;

use self::compact::{PAUSE, TooMuch};
use self::engine::Verdict;
use self::file::VolumeFile;
use self::group::CommitQueue;
use self::moment::Moment;
use self::slot::Peek;
use self::volume::{View, Volume};
use crate::clock::Clock;
use crate::home::Home;
use crate::quota::LiveQuota;
use crate::sync;

type Slot = slot::Slot<VolumeFile>;
type OpenFiles = open_files::OpenFiles<VolumeFile>;

/// What the storages of all tenants share: room for open files, and permits for work on the disk. Neither leads from
/// one tenant's file to another's.
#[derive(Clone)]
pub(crate) struct Disk {
    files: Arc<OpenFiles>,
    permits: Arc<Semaphore>,
}

impl Disk {
    /// Room for so many open files, and so much work at the disk at once.
    pub(crate) fn new(open_files: std::num::NonZeroUsize, permits: usize) -> Self {
        Self { files: Arc::new(OpenFiles::new(open_files)), permits: Arc::new(Semaphore::new(permits)) }
    }

    /// Files that are open now.
    pub(crate) fn open_files(&self) -> usize {
        self.files.count()
    }
}

/// One tenant's durable storage.
pub struct TenantStorage {
    inner: Arc<Inner>,
}

struct Inner {
    tenant: TenantId,
    slot: Arc<Slot>,
    disk: Disk,
    quota: Arc<LiveQuota>,
    clock: Arc<dyn Clock>,
    /// Commits that wait, and who leads them.
    queue: CommitQueue,
    /// Held by whoever writes to the volume, puts another in its place, or ends it.
    writing: Mutex<()>,
    /// What a compaction took too long for.
    too_much: TooMuch,
    /// The line for reads that have to open the file.
    reads: Arc<tokio::sync::Mutex<()>>,
}

impl TenantStorage {
    pub(crate) fn new(home: Arc<Home>, disk: Disk, quota: Arc<LiveQuota>, clock: Arc<dyn Clock>) -> Self {
        let inner = Inner {
            tenant: home.tenant(),
            slot: Arc::new(Slot::new(VolumeFile::new(home))),
            disk,
            quota,
            clock,
            queue: CommitQueue::new(),
            writing: Mutex::default(),
            too_much: TooMuch::new(),
            reads: Arc::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// What the volume counts; nothing where there is none. Blocks on the disk.
    pub(crate) fn counters(&self) -> Result<Counters, Failure> {
        self.inner.read(|volume| Ok(volume.view().counters)).map(Option::unwrap_or_default)
    }

    /// Removes the tenant's directory if there is nothing in it that counts. Blocks on the disk.
    pub(crate) fn remove_if_empty(
        &self,
        others_empty: impl FnOnce() -> Result<bool, Failure>,
    ) -> Result<(Counters, bool), Failure> {
        self.end(|volume| {
            // Whoever uses it now would be told of a success that is gone a moment later.
            if volume.as_ref().is_some_and(|volume| Arc::strong_count(volume) > 2) {
                return Err(Failure::InUse);
            }
            let counters = volume.as_ref().map_or_else(Counters::default, |volume| volume.view().counters);
            drop(volume);
            Ok((counters, counters.keys == 0 && others_empty()?))
        })
    }

    /// Removes the tenant's directory with all that is in it. Handles that are still out find nothing afterwards, and can
    /// write nothing. Blocks on the disk.
    pub(crate) fn remove(&self) -> Result<(), Failure> {
        let Inner { slot, disk, writing, .. } = &*self.inner;
        let _writing = writing.lock();
        let home = slot.source().home();
        let removed = slot.remove(|| home.remove().map_err(Failure::file("remove the tenant's directory")));
        disk.files.forget(slot);
        removed
    }

    fn end(
        &self,
        decide: impl FnOnce(Option<Arc<Volume>>) -> Result<(Counters, bool), Failure>,
    ) -> Result<(Counters, bool), Failure> {
        let Inner { slot, disk, writing, .. } = &*self.inner;
        let ended = {
            let _writing = writing.lock();
            slot.end(|volume| {
                let (counters, remove) = decide(volume)?;
                if remove {
                    slot.source().home().remove().map_err(Failure::file("remove the tenant's directory"))?;
                }
                Ok(((counters, remove), remove))
            })
        };
        disk.files.forget(slot);
        // If it stays, it is open: it takes its place among the open files again.
        if matches!(ended, Ok((_, false))) && slot.is_open() {
            disk.files.admit(slot);
        }
        ended
    }

    /// Removes keys whose life is over, and writes a file that is mostly empty anew, if it is open. Answers how many keys
    /// went. Blocks on the disk.
    pub(crate) fn tidy_up(&self) -> Result<usize, Failure> {
        // Looking does not count as use: it must not keep an idle file open in the place of another.
        let Peek::Open(volume) = self.inner.slot.peek() else { return Ok(0) };
        let view = volume.view();
        let due = expiry::is_due(&view.tables, self.inner.clock.unix_ms());
        let (due, worth_it) = (self.inner.mind(&volume, due)?, self.inner.is_worth_compacting(&view)?);
        drop((view, volume));
        let removed = if due { self.inner.purge()? } else { 0 };
        if worth_it {
            self.compact()?;
        }
        Ok(removed)
    }

    /// Writes the file anew, whatever it is worth. Blocks on the disk.
    pub(crate) fn compact(&self) -> Result<Compacted, Failure> {
        self.inner.compact_within(PAUSE)
    }

    /// Reads from the open volume at once, where that is known without waiting.
    fn at_once<T: Default>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&View, &Moment<'_>) -> Result<T, Failure>,
    ) -> Option<Result<T, StorageError>> {
        match self.inner.slot.peek() {
            Peek::Absent => Some(Ok(T::default())),
            Peek::Open(volume) => {
                self.inner.disk.files.touch(&self.inner.slot);
                Some(self.inner.look(&volume, work).map_err(self.inner.answered(operation)))
            }
            Peek::Unknown => None,
        }
    }

    /// The same later, from a volume that has to be looked for.
    fn later<T: Default + Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&View, &Moment<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Answer<Result<T, StorageError>> {
        let inner = Arc::clone(&self.inner);
        Answer::Later(Box::pin(async move {
            let reader = Arc::clone(&inner);
            let found = inner.in_line(move || reader.read(|volume| reader.look(volume, work))).await;
            found.map(Option::unwrap_or_default).map_err(inner.answered(operation))
        }))
    }
}

impl Inner {
    fn answered(&self, operation: &'static str) -> impl FnOnce(Failure) -> StorageError + use<> {
        let tenant = self.tenant;
        move |failure| failure.into_answer(tenant, operation)
    }

    /// Waits in the tenant's line of readers, then for a permit, then does the work on the blocking pool. Work that has
    /// begun ends also when nobody waits for it any more, and holds its place until then.
    async fn in_line<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let turn = Arc::clone(&self.reads).lock_owned().await;
        let permit = Arc::clone(&self.disk.permits).acquire_owned().await.map_err(|_| Failure::Closed)?;
        let task = tokio::task::spawn_blocking(move || {
            let result = work();
            drop((permit, turn));
            result
        });
        task.await.map_err(Failure::Task)?
    }

    /// Looks at what is there now, all of it as of one instant.
    fn look<T>(
        &self,
        volume: &Arc<Volume>,
        work: impl FnOnce(&View, &Moment<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let view = volume.view();
        let moment = Moment::new(&*self.clock, view.counters.clock_ms);
        self.mind(volume, work(&view, &moment))
    }

    /// Lets go of a handle that failed.
    fn mind<T>(&self, volume: &Arc<Volume>, result: Result<T, Failure>) -> Result<T, Failure> {
        if result.as_ref().is_err_and(Failure::spoils_handle) {
            self.slot.discard(volume);
            self.disk.files.forget(&self.slot);
        }
        result
    }

    /// Opens the volume, if there is one, and reads from it. Blocks on the disk.
    fn read<T>(&self, work: impl FnOnce(&Arc<Volume>) -> Result<T, Failure>) -> Result<Option<T>, Failure> {
        let Some(volume) = self.slot.open()? else { return Ok(None) };
        self.disk.files.admit(&self.slot);
        let result = work(&volume);
        self.mind(&volume, result).map(Some)
    }

    /// Opens the volume, makes it if need be, and writes to it. Blocks on the disk.
    fn write<T>(&self, work: impl FnOnce(&Volume) -> Result<T, Failure>) -> Result<T, Failure> {
        let volume = self.slot.open_or_create()?;
        self.disk.files.admit(&self.slot);
        let result = work(&volume);
        self.mind(&volume, result)
    }

    /// Removes keys whose life is over, a bounded number; answers how many. Blocks on the disk.
    fn purge(&self) -> Result<usize, Failure> {
        let now_ms = self.clock.unix_ms();
        let _writing = self.writing.lock();
        let purged = self.read(|volume| {
            volume.transact(|tables, counters| {
                counters.clock_ms = counters.clock_ms.max(now_ms);
                let now_ms = counters.clock_ms;
                Ok((expiry::purge(tables, counters, now_ms, expiry::IN_BULK)?, Verdict::Commit))
            })
        });
        purged.map(Option::unwrap_or_default)
    }
}

impl Storage for TenantStorage {
    fn get(&self, at: &Place) -> Answer<Result<Option<Entry>, StorageError>> {
        if let Some(answer) = self.at_once("get", |view, moment| read::get(view, at, moment)) {
            return Answer::Ready(answer);
        }
        let at = at.clone();
        self.later("get", move |view, moment| read::get(view, &at, moment))
    }

    fn get_many(&self, at: Vec<Place>) -> Answer<Result<Vec<Option<Entry>>, StorageError>> {
        if let Err(refused) = read::check_get_many(&at) {
            return Answer::Ready(Err(refused));
        }
        let count = at.len();
        // Nothing at all is there where there is no volume: as many absent keys as were asked for.
        let all_absent = move |mut entries: Vec<Option<Entry>>| {
            entries.resize_with(count, || None);
            entries
        };
        if let Some(answer) = self.at_once("get-many", |view, moment| read::get_many(view, &at, moment)) {
            return Answer::Ready(answer.map(all_absent));
        }
        let later = self.later("get-many", move |view, moment| read::get_many(view, &at, moment));
        Answer::Later(Box::pin(async move { later.wait().await.map(all_absent) }))
    }

    fn list(&self, bucket: &BucketName, selection: Selection) -> Answer<Result<Page, StorageError>> {
        if let Err(refused) = read::check_limit(selection.limit) {
            return Answer::Ready(Err(refused));
        }
        let or_empty = |page: Option<Page>| page.unwrap_or_else(read::empty_page);
        if let Some(page) = self.at_once("list", |view, moment| read::list(view, bucket, &selection, moment).map(Some))
        {
            return Answer::Ready(page.map(or_empty));
        }
        let bucket = bucket.clone();
        let later = self.later("list", move |view, moment| read::list(view, &bucket, &selection, moment).map(Some));
        Answer::Later(Box::pin(async move { later.wait().await.map(or_empty) }))
    }

    fn buckets(&self, after: Option<String>, limit: u32) -> Answer<Result<Vec<String>, StorageError>> {
        let parsed = after.as_deref().map_or(Ok(None), |name| BucketName::parse(name).map(Some));
        let after = match (parsed, read::check_limit(limit)) {
            (Ok(after), Ok(())) => after,
            (Err(invalid), _) => return Answer::Ready(Err(invalid.into())),
            (_, Err(refused)) => return Answer::Ready(Err(refused)),
        };
        let work =
            move |view: &View, _: &Moment<'_>| read::buckets(view, after.as_ref().map(BucketName::as_str), limit);
        match self.at_once("buckets", &work) {
            Some(answer) => Answer::Ready(answer),
            None => self.later("buckets", work),
        }
    }

    fn commit(&self, preconditions: Vec<Precondition>, writes: Vec<Write>) -> Answer<Result<Committed, StorageError>> {
        if let Err(refused) = commit::check(&self.inner.quota, &preconditions, &writes) {
            return Answer::Ready(Err(refused));
        }
        Answer::Later(Box::pin(Arc::clone(&self.inner).line_up(preconditions, writes)))
    }
}

impl fmt::Debug for TenantStorage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TenantStorage({})", self.inner.tenant)
    }
}
