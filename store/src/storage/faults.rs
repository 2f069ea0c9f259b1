//! A backend that fails when a test tells it to: the disk that is full, or gone.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::os::unix::fs::MetadataExt;

use parking_lot::Mutex;
use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

/// How many more writes each file takes before its disk is full; files that are not here never fail.
static WRITES_LEFT: Mutex<Option<HashMap<u64, u64>>> = Mutex::new(None);

/// From the `writes`-th write on, the disk of this file is full.
pub(crate) fn fail_after(inode: u64, writes: u64) {
    WRITES_LEFT.lock().get_or_insert_default().insert(inode, writes);
}

/// The disk of this file has room again.
pub(crate) fn heal(inode: u64) {
    WRITES_LEFT.lock().get_or_insert_default().remove(&inode);
}

#[derive(Debug)]
pub(crate) struct FaultyBackend {
    inode: u64,
    inner: FileBackend,
}

impl FaultyBackend {
    pub(crate) fn new(file: File) -> Self {
        let inode = file.metadata().unwrap().ino();
        Self { inode, inner: FileBackend::new(file).unwrap() }
    }

    fn check(&self) -> io::Result<()> {
        match WRITES_LEFT.lock().as_mut().and_then(|left| left.get_mut(&self.inode)) {
            Some(0) => Err(io::ErrorKind::StorageFull.into()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
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
        self.check()?;
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check()?;
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
