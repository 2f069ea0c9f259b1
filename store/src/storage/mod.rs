//! Durable storage: one file a tenant, opened when it is first used, in a bounded set of open files.
//!
//! Reads of an open file answer at once; everything else goes to the blocking pool. A tenant holds at most one permit
//! of the disk for its commits and one for reads that have to open its file, so that a tenant's flood waits in the
//! tenant's own line (R3). Whatever goes wrong beneath is logged with its cause, and the guest learns only that storage
//! is not available.

mod commit;
mod engine;
mod failure;
#[cfg(test)]
mod faults;
mod key;
mod open_files;
mod read;
mod record;
mod slot;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use insula_host_api::{
    Answer, BucketName, Committed, Entry, Page, Place, Precondition, Selection, Storage, StorageError, Write,
};
use insula_tenancy::TenantId;
use tokio::sync::{Mutex, Semaphore};

pub(crate) use engine::{Counters, Engine};
pub(crate) use failure::{Failure, chain};
pub(crate) use open_files::OpenFiles;
pub(crate) use slot::{Peek, Slot};

use crate::home::Home;
use crate::quota::LiveQuota;

/// What the storages of all tenants share: room for open files, and permits for work on the disk. Neither leads from
/// one tenant's file to another's.
#[derive(Clone)]
pub(crate) struct Disk {
    pub(crate) files: Arc<OpenFiles>,
    pub(crate) permits: Arc<Semaphore>,
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
    /// The line for commits: one at a time, in the order in which they came.
    commits: Arc<Mutex<()>>,
    /// The line for reads that have to open the file.
    reads: Arc<Mutex<()>>,
}

impl TenantStorage {
    pub(crate) fn new(home: Arc<Home>, disk: Disk, quota: Arc<LiveQuota>) -> Self {
        let inner = Inner {
            tenant: home.tenant(),
            slot: Arc::new(Slot::new(home)),
            disk,
            quota,
            commits: Arc::default(),
            reads: Arc::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// What the file counts; nothing where there is no file. Blocks on the disk.
    pub(crate) fn counters(&self) -> Result<Counters, Failure> {
        self.inner.read(|engine| engine.counters()).map(Option::unwrap_or_default)
    }

    /// Removes the tenant's directory if there is nothing in it that counts. Blocks on the disk.
    pub(crate) fn remove_if_empty(
        &self,
        others_empty: impl FnOnce() -> Result<bool, Failure>,
    ) -> Result<(Counters, bool), Failure> {
        let result = self.inner.slot.remove_if_empty(others_empty);
        self.inner.disk.files.forget(&self.inner.slot);
        // If it stays, it is open: it takes its place among the open files again.
        if matches!(result, Ok((_, false))) && self.inner.slot.is_open() {
            self.inner.disk.files.admit(&self.inner.slot);
        }
        result
    }

    /// Reads from the open file at once, or later from one that has to be looked for.
    fn answer<T: Default + Send + 'static>(
        &self,
        operation: &'static str,
        work: impl Fn(&Engine) -> Result<T, Failure> + Send + 'static,
    ) -> Answer<Result<T, StorageError>> {
        match self.inner.slot.peek() {
            Peek::Absent => Answer::Ready(Ok(T::default())),
            Peek::Open(engine) => {
                self.inner.disk.files.touch(&self.inner.slot);
                Answer::Ready(self.inner.use_engine(&engine, work).map_err(self.inner.answered(operation)))
            }
            Peek::Unknown => {
                let inner = Arc::clone(&self.inner);
                Answer::Later(Box::pin(async move {
                    let reader = Arc::clone(&inner);
                    let line = Arc::clone(&inner.reads);
                    let result = inner.in_line(line, move || reader.read(work)).await;
                    result.map(Option::unwrap_or_default).map_err(inner.answered(operation))
                }))
            }
        }
    }
}

impl Inner {
    fn answered(&self, operation: &'static str) -> impl FnOnce(Failure) -> StorageError + use<> {
        let tenant = self.tenant;
        move |failure| failure.into_answer(tenant, operation)
    }

    /// Waits in the tenant's line, then for a permit, then does the work on the blocking pool. Work that has begun ends
    /// also when nobody waits for it any more, and holds its place until then.
    async fn in_line<T: Send + 'static>(
        &self,
        line: Arc<Mutex<()>>,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let turn = line.lock_owned().await;
        let permit = Arc::clone(&self.disk.permits).acquire_owned().await.map_err(|_| Failure::Closed)?;
        let task = tokio::task::spawn_blocking(move || {
            let result = work();
            drop((permit, turn));
            result
        });
        task.await.map_err(Failure::Task)?
    }

    /// Uses an open file, and lets go of the handle if it failed.
    fn use_engine<T>(
        &self,
        engine: &Arc<Engine>,
        work: impl FnOnce(&Engine) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let result = work(engine);
        if result.as_ref().is_err_and(Failure::spoils_handle) {
            self.slot.discard(engine);
            self.disk.files.forget(&self.slot);
        }
        result
    }

    /// Opens the file, if there is one, and reads from it. Blocks on the disk.
    fn read<T>(&self, work: impl FnOnce(&Engine) -> Result<T, Failure>) -> Result<Option<T>, Failure> {
        let Some(engine) = self.slot.open()? else { return Ok(None) };
        self.disk.files.admit(&self.slot);
        self.use_engine(&engine, work).map(Some)
    }

    /// Opens the file, makes it if need be, and commits. Blocks on the disk.
    fn commit(&self, preconditions: &[Precondition], writes: &[Write]) -> Result<Committed, Failure> {
        let engine = self.slot.open_or_create()?;
        self.disk.files.admit(&self.slot);
        self.use_engine(&engine, |engine| commit::commit(engine, &self.quota, preconditions, writes))
    }
}

impl Storage for TenantStorage {
    fn get(&self, at: &Place) -> Answer<Result<Option<Entry>, StorageError>> {
        let at = at.clone();
        self.answer("get", move |engine| read::get(engine, &at))
    }

    fn get_many(&self, at: Vec<Place>) -> Answer<Result<Vec<Option<Entry>>, StorageError>> {
        if let Err(refused) = read::check_get_many(&at) {
            return Answer::Ready(Err(refused));
        }
        self.answer("get-many", move |engine| read::get_many(engine, &at))
    }

    fn buckets(&self, _after: Option<String>, _limit: u32) -> Answer<Result<Vec<String>, StorageError>> {
        Answer::Ready(Ok(Vec::new()))
    }

    fn list(&self, bucket: &BucketName, selection: Selection) -> Answer<Result<Page, StorageError>> {
        if let Err(refused) = read::check_list(&selection) {
            return Answer::Ready(Err(refused));
        }
        let bucket = bucket.clone();
        let listed = self.answer("list", move |engine| read::list(engine, &bucket, &selection).map(Some));
        let or_empty = |page: Option<Page>| page.unwrap_or_else(read::empty_page);
        match listed {
            Answer::Ready(page) => Answer::Ready(page.map(or_empty)),
            Answer::Later(page) => Answer::Later(Box::pin(async move { page.await.map(or_empty) })),
        }
    }

    fn commit(&self, preconditions: Vec<Precondition>, writes: Vec<Write>) -> Answer<Result<Committed, StorageError>> {
        if let Err(refused) = commit::check(&self.inner.quota, &preconditions, &writes) {
            return Answer::Ready(Err(refused));
        }
        let inner = Arc::clone(&self.inner);
        Answer::Later(Box::pin(async move {
            let writer = Arc::clone(&inner);
            let line = Arc::clone(&inner.commits);
            let result = inner.in_line(line, move || writer.commit(&preconditions, &writes)).await;
            result.map_err(inner.answered("commit"))
        }))
    }
}

impl fmt::Debug for TenantStorage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TenantStorage({})", self.inner.tenant)
    }
}
