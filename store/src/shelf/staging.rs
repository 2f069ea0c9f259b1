//! What is not finished: files in `staging/` that are gone when they are dropped, and have a name on the shelf only when
//! their bytes are on disk.

use std::fmt;
use std::fs::File;
use std::io::Write;

use cap_std::fs::Dir;
use sha2::{Digest as _, Sha256};

use super::ShelfError;
use crate::Digest;
use crate::files;

/// Removes what an earlier process left.
pub(super) fn sweep(dir: &Dir) -> Result<(), ShelfError> {
    let failed = || ShelfError::during("sweep the staging directory");
    for entry in dir.entries().map_err(failed())? {
        if let Some(name) = entry.map_err(failed())?.file_name().to_str() {
            files::remove_if_there(dir, name).map_err(failed())?;
        }
    }
    Ok(())
}

/// A private file in `staging/`, removed when dropped.
pub(super) struct StagedFile {
    dir: Dir,
    name: String,
    pub(super) file: File,
    kept: bool,
}

impl StagedFile {
    pub(super) fn create(dir: Dir) -> Result<Self, ShelfError> {
        let name = files::random_name().map_err(ShelfError::during("name a staged file"))?;
        let file = files::create_new(&dir, &name).map_err(ShelfError::during("make a staged file"))?;
        Ok(Self { dir, name, file, kept: false })
    }

    /// Gives the file its name on the shelf, on disk when this returns.
    pub(super) fn keep(mut self, shelf: &Dir, name: &str) -> Result<(), ShelfError> {
        self.file.sync_all().map_err(ShelfError::during("synchronise a staged file"))?;
        self.dir.rename(&self.name, shelf, name).map_err(ShelfError::during("put a file on the shelf"))?;
        self.kept = true;
        files::sync_dir(shelf).map_err(ShelfError::during("synchronise the shelf"))
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = files::remove_if_there(&self.dir, &self.name)
        {
            // The next start sweeps it away.
            tracing::warn!(%error, "a staged file stays behind");
        }
    }
}

/// An upload on its way to the shelf: counted and hashed as it comes, and removed if it is dropped.
pub struct Staging {
    file: StagedFile,
    limit: u64,
    length: u64,
    hasher: Sha256,
}

impl Staging {
    pub(super) fn new(file: StagedFile, limit: u64) -> Self {
        Self { file, limit, length: 0, hasher: Sha256::new() }
    }

    /// Adds bytes. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// [`ShelfError::TooLarge`] before anything over the limit is written, [`ShelfError::DiskFull`],
    /// [`ShelfError::Io`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ShelfError> {
        let length = self.length.saturating_add(bytes.len() as u64);
        if length > self.limit {
            return Err(ShelfError::TooLarge { limit: self.limit });
        }
        self.file.file.write_all(bytes).map_err(ShelfError::during("write an upload"))?;
        self.hasher.update(bytes);
        self.length = length;
        Ok(())
    }

    /// Bytes so far.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The digest of the bytes so far.
    #[must_use]
    pub fn digest_so_far(&self) -> Digest {
        Digest::from_bytes(self.hasher.clone().finalize().into())
    }

    /// A second handle of the file, for reading what was written before it is kept.
    ///
    /// The handle shares its position with the upload: read with offsets, or after the last write.
    ///
    /// # Errors
    ///
    /// [`ShelfError::Io`].
    pub fn reader(&self) -> Result<File, ShelfError> {
        self.file.file.try_clone().map_err(ShelfError::during("read an upload"))
    }

    pub(super) fn into_file(self) -> StagedFile {
        self.file
    }
}

impl fmt::Debug for Staging {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Staging({} of {} bytes)", self.length, self.limit)
    }
}
