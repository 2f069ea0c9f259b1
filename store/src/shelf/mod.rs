//! The shelf: one tenant's components and compiled artefacts, by digest, under `tenants/<ten_..>/`.
//!
//! `components/` holds what was uploaded, named by its SHA-256; `artefacts/` holds what the compile worker made of it,
//! each with a code of authenticity that is bound to the tenant, the digest and the engine (T7); `staging/` holds what is
//! not finished. A file is synchronised before it gets its name, so a name always stands for whole bytes. Every function
//! here blocks on the disk.

mod artefact;
mod mac;
mod staging;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

pub use artefact::{StagedArtefact, VerifiedArtefact};
pub(crate) use mac::ArtefactKey;
pub use staging::Staging;

use crate::files;
use crate::home::Home;
use crate::{DataDir, Digest};
use staging::StagedFile;

const COMPONENTS: &str = "components";
const ARTEFACTS: &str = "artefacts";
const STAGING: &str = "staging";
const COMPONENT_SUFFIX: &str = ".wasm";
/// How much is read or copied at a time, in bytes.
const CHUNK: usize = 256 << 10;

/// Why the shelf did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShelfError {
    /// More bytes than allowed were given.
    #[error("the upload is over its limit of {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The disk is full.
    #[error("the host's disk is full")]
    DiskFull,
    /// A file is not what was put there.
    #[error("a file on the shelf is not the one that was put there; it was left where it is")]
    NotAuthentic,
    /// The file system refused.
    #[error("cannot {operation}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl ShelfError {
    /// Names the operation that failed; a full disk has a name of its own.
    fn during(operation: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| if files::is_full(&source) { Self::DiskFull } else { Self::Io { operation, source } }
    }
}

/// One tenant's components and artefacts.
pub struct Shelf {
    home: Arc<Home>,
    key: ArtefactKey,
    /// Whether what an earlier process left unfinished was swept away.
    swept: Mutex<bool>,
}

impl Shelf {
    pub(crate) fn new(home: Arc<Home>, key: ArtefactKey) -> Self {
        Self { home, key, swept: Mutex::new(false) }
    }

    /// Begins an upload of at most `limit_bytes` bytes.
    ///
    /// # Errors
    ///
    /// [`ShelfError::DiskFull`] or [`ShelfError::Io`].
    pub fn stage(&self, limit_bytes: u64) -> Result<Staging, ShelfError> {
        Ok(Staging::new(self.staged_file()?, limit_bytes))
    }

    /// Puts an upload on the shelf, on disk when this returns. An upload that is there already is put there again.
    ///
    /// # Errors
    ///
    /// [`ShelfError::DiskFull`] or [`ShelfError::Io`].
    pub fn keep_component(&self, staging: Staging) -> Result<Digest, ShelfError> {
        let digest = staging.digest_so_far();
        let components = self.home.make_section(COMPONENTS).map_err(ShelfError::during("make the shelf"))?;
        staging.into_file().keep(&components, &component_name(&digest))?;
        Ok(digest)
    }

    /// Opens a component for reading, from its beginning; `None` when there is none of that digest.
    ///
    /// The bytes are hashed first: what comes back is what the digest names.
    ///
    /// # Errors
    ///
    /// [`ShelfError::NotAuthentic`] when the bytes have another digest, [`ShelfError::Io`].
    pub fn component(&self, digest: &Digest) -> Result<Option<File>, ShelfError> {
        let failed = || ShelfError::during("open a component");
        let Some(components) = self.home.open_section(COMPONENTS).map_err(failed())? else { return Ok(None) };
        let Some(mut file) = files::open_existing(&components, &component_name(digest)).map_err(failed())? else {
            return Ok(None);
        };
        let mut hasher = Sha256::new();
        read_chunks(&mut file, |chunk| hasher.update(chunk)).map_err(ShelfError::during("read a component"))?;
        if Digest::from_bytes(hasher.finalize().into()) != *digest {
            tracing::error!(tenant = %self.home.tenant(), %digest, "a component on the shelf has another digest");
            return Err(ShelfError::NotAuthentic);
        }
        file.rewind().map_err(ShelfError::during("read a component"))?;
        Ok(Some(file))
    }

    /// Removes a component and all that was compiled from it. Absent ones are no error.
    ///
    /// # Errors
    ///
    /// [`ShelfError::Io`].
    pub fn remove(&self, digest: &Digest) -> Result<(), ShelfError> {
        let failed = || ShelfError::during("remove a component");
        if let Some(components) = self.home.open_section(COMPONENTS).map_err(failed())? {
            files::remove_if_there(&components, &component_name(digest)).map_err(failed())?;
        }
        if let Some(artefacts) = self.home.open_section(ARTEFACTS).map_err(failed())? {
            let prefix = digest.hex();
            for entry in artefacts.entries().map_err(failed())? {
                let name = entry.map_err(failed())?.file_name();
                if let Some(name) = name.to_str().filter(|name| name.starts_with(&prefix)) {
                    files::remove_if_there(&artefacts, name).map_err(failed())?;
                }
            }
        }
        Ok(())
    }

    /// Every digest that has a component or an artefact for any engine here, each once, in their order. Also one that was
    /// kept a moment ago and that no version names yet: whoever removes what nobody names lets no upload in meanwhile.
    ///
    /// # Errors
    ///
    /// [`ShelfError::Io`].
    pub fn digests(&self) -> Result<Vec<Digest>, ShelfError> {
        let failed = || ShelfError::during("list the shelf");
        let mut digests = BTreeSet::new();
        for section in [COMPONENTS, ARTEFACTS] {
            let Some(dir) = self.home.open_section(section).map_err(failed())? else { continue };
            for entry in dir.entries().map_err(failed())? {
                let name = entry.map_err(failed())?.file_name();
                // `<digest>.wasm`, or `<digest>-<engine>` with the suffix of an artefact or of its code.
                let digits = name.to_str().and_then(|name| name.split(['.', '-']).next());
                digests.extend(digits.and_then(|digits| Digest::from_hex(digits).ok()));
            }
        }
        Ok(digests.into_iter().collect())
    }

    /// How many components and artefacts there are.
    pub(crate) fn counts(&self) -> io::Result<(u64, u64)> {
        let count = |section: &str, suffix: &str| -> io::Result<u64> {
            let Some(dir) = self.home.open_section(section)? else { return Ok(0) };
            let mut count = 0;
            for entry in dir.entries()? {
                count += u64::from(entry?.file_name().to_str().is_some_and(|name| name.ends_with(suffix)));
            }
            Ok(count)
        };
        Ok((count(COMPONENTS, COMPONENT_SUFFIX)?, count(ARTEFACTS, artefact::SUFFIX)?))
    }

    /// Files that are not finished.
    pub(crate) fn staged(&self) -> io::Result<u64> {
        match self.home.open_section(STAGING)? {
            Some(dir) => dir.entries()?.try_fold(0, |count, entry| entry.map(|_| count + 1)),
            None => Ok(0),
        }
    }

    /// A new file in `staging/`. The first one sweeps away what an earlier process left there: this process has the data
    /// directory to itself, and nothing of its own is there yet.
    fn staged_file(&self) -> Result<StagedFile, ShelfError> {
        let mut swept = self.swept.lock();
        let dir = self.home.make_section(STAGING).map_err(ShelfError::during("make the staging directory"))?;
        if !*swept {
            staging::sweep(&dir)?;
            *swept = true;
        }
        StagedFile::create(dir)
    }
}

/// Begins to stage an archive of at most `limit_bytes` bytes, which belongs to no tenant yet. The first one of a process
/// sweeps away what an earlier process left.
pub(crate) fn stage_archive(dir: &DataDir, swept: &Mutex<bool>, limit_bytes: u64) -> Result<Staging, ShelfError> {
    let mut swept = swept.lock();
    let archives = dir.archives().map_err(ShelfError::during("make the directory of archives"))?;
    if !*swept {
        staging::sweep(&archives)?;
        *swept = true;
    }
    Ok(Staging::new(StagedFile::create(archives)?, limit_bytes))
}

fn component_name(digest: &Digest) -> String {
    format!("{}{COMPONENT_SUFFIX}", digest.hex())
}

/// Reads from where the file stands to its end, a chunk at a time. Answers how many bytes there were.
fn read_chunks(file: &mut File, mut take: impl FnMut(&[u8])) -> io::Result<u64> {
    let mut buffer = vec![0_u8; CHUNK];
    let mut length = 0_u64;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(length),
            Ok(count) => {
                take(buffer.get(..count).unwrap_or_default());
                length += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Shelf({})", self.home.tenant())
    }
}
