//! The data directory: the one place that turns a path into a directory handle (A2).
//!
//! It holds `FORMAT`, `LOCK`, `secret`, `catalog.sqlite`, `tenants/` and, once one came, `archives/`. Everything beneath is reached through the
//! handle; libraries that take paths get the handle's own descriptor path.

use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::Dir;

use crate::files;

const FORMAT_FILE: &str = "FORMAT";
const FORMAT_PREFIX: &str = "insula data ";
const FORMAT_VERSION: u32 = 1;
const LOCK_FILE: &str = "LOCK";
const SECRET_FILE: &str = "secret";
const SECRET_LENGTH: usize = 32;
const TENANTS: &str = "tenants";
const ARCHIVES: &str = "archives";
/// What an interrupted first start may have left before `FORMAT`, its last act, came to be.
const UNFINISHED: [&str; 5] = [LOCK_FILE, SECRET_FILE, "secret.new", "FORMAT.new", TENANTS];

/// The open data directory, held by this process alone.
pub struct DataDir {
    path: PathBuf,
    dir: Dir,
    tenants: Arc<Dir>,
    secret: [u8; SECRET_LENGTH],
    lock: Arc<File>,
}

/// Why the data directory was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenDataDirError {
    /// Another host has it open.
    #[error(
        "the data directory {} is in use by another host{}: stop that host first, or use another directory",
        .path.display(), .pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The process that has it, where it wrote its id.
        pid: Option<u32>,
    },
    /// A newer release wrote it.
    #[error("the data directory {} has format {found}, and this release knows up to {known}: use a newer release", .path.display())]
    NewerFormat {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// It holds something else.
    #[error("{} is not a data directory of Insula, and is not empty: use an empty or a new one", .path.display())]
    NotOurs {
        /// The directory.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {operation} in the data directory {}", .path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The directory.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl DataDir {
    /// Opens the data directory, and makes it (mode 0700) if it is absent. One process holds it at a time.
    ///
    /// # Ambient authority
    ///
    /// This is the one function of the crate that opens a path with the authority of the whole process.
    ///
    /// # Errors
    ///
    /// [`OpenDataDirError`], with what to do.
    pub fn open(path: &Path) -> Result<Arc<Self>, OpenDataDirError> {
        let failed = |operation| move |source| OpenDataDirError::Io { operation, path: path.to_owned(), source };
        let dir = open_ambient(path).map_err(failed("open or make the directory"))?;
        // Look before locking: a directory that is not ours is left as it was found.
        let first_start = !check_format(&dir, path)?;
        if first_start {
            check_empty(&dir, path)?;
        }
        let lock = take_lock(&dir, path)?;
        // Look again, now alone: another process may have made its first start in between.
        if !check_format(&dir, path)? {
            make_secret(&dir).map_err(failed("write the host's secret"))?;
            let format = format!("{FORMAT_PREFIX}{FORMAT_VERSION}\n");
            files::replace(&dir, FORMAT_FILE, format.as_bytes()).map_err(failed("write FORMAT"))?;
        }
        let secret = read_secret(&dir).map_err(failed("read the host's secret"))?;
        let tenants = Arc::new(files::make_dir(&dir, TENANTS).map_err(failed("open the directory of tenants"))?);
        Ok(Arc::new(Self { path: path.to_owned(), dir, tenants, secret, lock: Arc::new(lock) }))
    }

    /// Where it is, for messages to people. Opening what is beneath goes through handles.
    #[must_use]
    pub fn path_for_people(&self) -> &Path {
        &self.path
    }

    /// The directory of all tenants, for [`Home`](crate::home::Home) only.
    pub(crate) fn tenants(&self) -> Arc<Dir> {
        Arc::clone(&self.tenants)
    }

    /// The directory of archives on their way in, made if need be.
    pub(crate) fn archives(&self) -> io::Result<Dir> {
        files::make_dir(&self.dir, ARCHIVES)
    }

    /// The host's secret: what keys are derived from. It is never used as a key itself.
    pub(crate) fn secret(&self) -> &[u8; SECRET_LENGTH] {
        &self.secret
    }

    /// A second handle of the directory, for the catalog.
    pub(crate) fn directory(&self) -> io::Result<Dir> {
        self.dir.try_clone()
    }

    /// The lock: whoever keeps a clone keeps other hosts out.
    pub(crate) fn lock(&self) -> Arc<File> {
        Arc::clone(&self.lock)
    }
}

/// The path of a descriptor of this process, for libraries that take paths. Good while the descriptor is open.
pub(crate) fn descriptor_path(descriptor: &impl AsRawFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", descriptor.as_raw_fd()))
}

#[expect(clippy::disallowed_methods, reason = "A2: this is the one place that opens a path")]
fn open_ambient(path: &Path) -> io::Result<Dir> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    Dir::open_ambient_dir(path, cap_std::ambient_authority())
}

/// Whether `FORMAT` is there and is ours.
fn check_format(dir: &Dir, path: &Path) -> Result<bool, OpenDataDirError> {
    let mut text = String::new();
    match files::open_existing(dir, FORMAT_FILE) {
        Ok(None) => return Ok(false),
        Ok(Some(file)) => match file.take(256).read_to_string(&mut text) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => text.clear(),
            Err(source) => {
                return Err(OpenDataDirError::Io { operation: "read FORMAT", path: path.to_owned(), source });
            }
        },
        Err(source) => return Err(OpenDataDirError::Io { operation: "open FORMAT", path: path.to_owned(), source }),
    }
    let version = text.strip_prefix(FORMAT_PREFIX).and_then(|rest| rest.trim_end().parse::<u32>().ok());
    match version {
        Some(FORMAT_VERSION) => Ok(true),
        Some(found) if found > FORMAT_VERSION => {
            Err(OpenDataDirError::NewerFormat { path: path.to_owned(), found, known: FORMAT_VERSION })
        }
        _ => Err(OpenDataDirError::NotOurs { path: path.to_owned() }),
    }
}

/// Without `FORMAT`, only an empty directory or one of an interrupted first start may become ours.
fn check_empty(dir: &Dir, path: &Path) -> Result<(), OpenDataDirError> {
    let failed = |source| OpenDataDirError::Io { operation: "list what is there", path: path.to_owned(), source };
    for entry in dir.entries().map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        // Another process may be making its first start just now: `FORMAT` itself is no stranger.
        if !UNFINISHED.iter().any(|ours| name == *ours) && name != FORMAT_FILE {
            return Err(OpenDataDirError::NotOurs { path: path.to_owned() });
        }
    }
    Ok(())
}

/// Takes the exclusive lock, which the operating system lets go of when the process ends, however it ends.
fn take_lock(dir: &Dir, path: &Path) -> Result<File, OpenDataDirError> {
    let failed = |operation| move |source| OpenDataDirError::Io { operation, path: path.to_owned(), source };
    let opened = dir.open_with(LOCK_FILE, files::read_write().create(true)).map_err(failed("open LOCK"))?;
    let mut lock = opened.into_std();
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // The id is for the message only: a message without it is still true.
            let pid = lock.take(32).read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            return Err(OpenDataDirError::InUse { path: path.to_owned(), pid });
        }
        Err(TryLockError::Error(source)) => return Err(failed("lock LOCK")(source)),
    }
    lock.set_len(0).map_err(failed("write LOCK"))?;
    lock.write_all(format!("{}\n", std::process::id()).as_bytes()).map_err(failed("write LOCK"))?;
    Ok(lock)
}

fn make_secret(dir: &Dir) -> io::Result<()> {
    if files::open_existing(dir, SECRET_FILE)?.is_some() {
        return Ok(());
    }
    let mut secret = [0_u8; SECRET_LENGTH];
    getrandom::fill(&mut secret).map_err(io::Error::other)?;
    files::replace(dir, SECRET_FILE, &secret)
}

fn read_secret(dir: &Dir) -> io::Result<[u8; SECRET_LENGTH]> {
    let mut bytes = Vec::with_capacity(SECRET_LENGTH + 1);
    dir.open(SECRET_FILE)?.into_std().take(SECRET_LENGTH as u64 + 1).read_to_end(&mut bytes)?;
    bytes.try_into().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the secret has not 32 bytes"))
}

impl fmt::Debug for DataDir {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DataDir({})", self.path.display())
    }
}

#[cfg(test)]
mod tests;
