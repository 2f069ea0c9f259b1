//! A backend that does what a test tells it to: fails, or stands still. The disk that is full, broken, or slow.
//!
//! What a test tells it is told by the name of the file's directory, which is its tenant's: tests run side by side.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use insula_tenancy::TenantId;
use parking_lot::{Condvar, Mutex};
use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

/// What goes wrong, counted in changes of the file: writes, changes of its length, synchronisations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// From this one on there is no room.
    FullFrom(u64),
    /// This one fails, and no other.
    BrokenAt(u64),
}

#[derive(Default)]
struct Disk {
    fault: Option<Fault>,
    changes: u64,
    syncs: u64,
}

#[derive(Default)]
struct Shared {
    disk: Mutex<Disk>,
    /// Who holds the disk still, and who waits for it to go on.
    held: Mutex<bool>,
    goes_on: Condvar,
}

static DISKS: Mutex<Option<HashMap<String, Arc<Shared>>>> = Mutex::new(None);

fn of(directory: &str) -> Arc<Shared> {
    Arc::clone(DISKS.lock().get_or_insert_default().entry(directory.to_owned()).or_default())
}

/// From now on this tenant's disk has this fault.
pub(crate) fn inject(tenant: TenantId, fault: Fault) {
    let shared = of(&tenant.to_string());
    let mut disk = shared.disk.lock();
    disk.fault = Some(fault);
    disk.changes = 0;
}

/// This tenant's disk is well again. Answers whether the fault ever showed.
pub(crate) fn heal(tenant: TenantId) -> bool {
    let shared = of(&tenant.to_string());
    let mut disk = shared.disk.lock();
    let changes = disk.changes;
    disk.fault.take().is_some_and(|fault| match fault {
        Fault::FullFrom(from) => changes > from,
        Fault::BrokenAt(at) => changes > at,
    })
}

/// How often this tenant's file was synchronised.
pub(crate) fn syncs(tenant: TenantId) -> u64 {
    of(&tenant.to_string()).disk.lock().syncs
}

/// A disk that stands still until this is dropped.
pub(crate) struct Held(Arc<Shared>);

/// Makes this tenant's disk stand still.
pub(crate) fn hold(tenant: TenantId) -> Held {
    let shared = of(&tenant.to_string());
    *shared.held.lock() = true;
    Held(shared)
}

impl Drop for Held {
    fn drop(&mut self) {
        *self.0.held.lock() = false;
        self.0.goes_on.notify_all();
    }
}

pub(crate) struct FaultyBackend {
    shared: Arc<Shared>,
    inner: FileBackend,
}

impl std::fmt::Debug for FaultyBackend {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("FaultyBackend")
    }
}

impl FaultyBackend {
    pub(crate) fn new(file: File) -> Self {
        let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
        let directory = path.parent().and_then(|parent| parent.file_name()).unwrap_or_default();
        Self { shared: of(&directory.to_string_lossy()), inner: FileBackend::new(file).unwrap() }
    }

    /// One change of the file comes up.
    fn change(&self) -> io::Result<()> {
        self.shared.goes_on.wait_while(&mut self.shared.held.lock(), |held| *held);
        let mut disk = self.shared.disk.lock();
        let number = disk.changes;
        disk.changes += 1;
        match disk.fault {
            Some(Fault::FullFrom(from)) if number >= from => Err(io::ErrorKind::StorageFull.into()),
            // EIO has no kind of its own.
            Some(Fault::BrokenAt(at)) if number == at => Err(io::Error::from_raw_os_error(5)),
            _ => Ok(()),
        }
    }
}

impl StorageBackend for FaultyBackend {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change()?;
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change()?;
        self.shared.disk.lock().syncs += 1;
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change()?;
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}
