//! Small file operations that every part of the data directory shares: private files, whole replacement, and the
//! synchronisation of a directory after a name in it changed.

use std::io::{self, Write};

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, OpenOptions, OpenOptionsExt};

use crate::digest::hex;

/// Directories are the host's alone.
const DIRECTORY_MODE: u32 = 0o700;
/// Files are the host's alone.
const FILE_MODE: u32 = 0o600;

/// Options for a private file that may be read and written.
pub(crate) fn read_write() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(FILE_MODE);
    options
}

/// Creates a private file that must not exist yet.
pub(crate) fn create_new(dir: &Dir, name: &str) -> io::Result<std::fs::File> {
    Ok(dir.open_with(name, read_write().create_new(true))?.into_std())
}

/// Opens a file for reading; `None` when there is none.
pub(crate) fn open_existing(dir: &Dir, name: &str) -> io::Result<Option<std::fs::File>> {
    absent_is_none(dir.open(name).map(cap_std::fs::File::into_std))
}

/// Opens a directory; `None` when there is none.
pub(crate) fn open_dir(dir: &Dir, name: &str) -> io::Result<Option<Dir>> {
    absent_is_none(dir.open_dir(name))
}

/// Opens a directory, and makes it first if need be. The name is on disk when this returns.
pub(crate) fn make_dir(dir: &Dir, name: &str) -> io::Result<Dir> {
    if let Some(made) = open_dir(dir, name)? {
        return Ok(made);
    }
    match dir.create_dir_with(name, DirBuilder::new().mode(DIRECTORY_MODE)) {
        Ok(()) => sync_dir(dir)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    dir.open_dir(name)
}

/// Makes what happened to the names in a directory durable.
pub(crate) fn sync_dir(dir: &Dir) -> io::Result<()> {
    // A cap-std directory is opened with O_PATH, which cannot be synchronised: open it again for reading.
    dir.open(".")?.sync_all()
}

/// Puts a whole small file in place, or none: written beside it, synchronised, renamed.
pub(crate) fn replace(dir: &Dir, name: &str, bytes: &[u8]) -> io::Result<()> {
    let beside = format!("{name}.new");
    remove_if_there(dir, &beside)?;
    let mut file = create_new(dir, &beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    dir.rename(&beside, dir, name)?;
    sync_dir(dir)
}

/// Removes a file; an absent one is no error.
pub(crate) fn remove_if_there(dir: &Dir, name: &str) -> io::Result<()> {
    absent_is_none(dir.remove_file(name)).map(drop)
}

/// A name that no other file has.
pub(crate) fn random_name() -> io::Result<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(hex(&bytes))
}

/// Whether the disk, or the owner's part of it, is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    // `FileTooLarge` is what a limit on the size of files (`ulimit -f`) looks like.
    matches!(error.kind(), FileTooLarge | StorageFull | QuotaExceeded)
}

fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
