//! Why an archive was not written or not read, and where in it.

use std::io;

/// An archive that is refused, or could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the archive is refused at frame {frame}, which begins at byte {offset}: {problem}")]
pub struct ArchiveError {
    /// The frame: the header is 1, and the line before it 0.
    pub frame: u64,
    /// Where the frame begins, in bytes from the archive's beginning.
    pub offset: u64,
    /// What is wrong with it.
    pub problem: ArchiveProblem,
}

/// What is wrong with an archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveProblem {
    /// The first line is another.
    #[error("this is not an archive of a tenant, or one of a newer format")]
    NotAnArchive,
    /// It ends too early.
    #[error("the archive was cut short")]
    Truncated,
    /// Bytes were altered, or frames are missing or in another order.
    #[error("the checksum is another: the frame, or one before it, was altered, left out or moved")]
    Checksum,
    /// A kind of frame that this release does not know.
    #[error("there is no frame of kind {0}")]
    UnknownKind(u8),
    /// A frame that is longer than its kind may be.
    #[error("a frame of kind `{kind}` has {length} bytes; {limit} are allowed")]
    TooLong {
        /// Its kind.
        kind: &'static str,
        /// Its length, in bytes.
        length: u64,
        /// The most, in bytes.
        limit: u64,
    },
    /// A frame where none of its kind may be.
    #[error("a frame of kind `{0}` has no place here")]
    OutOfPlace(&'static str),
    /// A payload that is not what its kind says.
    #[error("{0} is malformed")]
    Malformed(&'static str),
    /// Something that is there twice, or not in its order.
    #[error("{0} is there twice, or not in its order")]
    OutOfOrder(&'static str),
    /// Two parts of the archive that say different things.
    #[error("{0} is not what the archive says elsewhere")]
    Disagrees(&'static str),
    /// Something follows the end.
    #[error("there are bytes after the end")]
    Trailing,
    /// The tenant's storage could not be read. The operator's log has the reason.
    #[error("the tenant's storage is not available")]
    Storage,
    /// Reading or writing the archive itself failed.
    #[error("the archive cannot be read or written: {0}")]
    Io(io::Error),
}
