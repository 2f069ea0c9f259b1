//! A tenant's archive: one stream of bytes that holds all that a tenant keeps, and from which another tenant can be made.
//!
//! The format is in docs/archive.md. This module writes and reads it with bounded memory, and touches no disk: whoever
//! holds a tenant's handles brings what goes in and takes what comes out.
//!
//! - **T7** the header is stamped with the id of the tenant that it was made of.
//! - **B1** a frame's length is checked against the limit of its kind before anything is allocated for it, and the memory
//!   for it grows only with the bytes that come.

mod error;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
mod loose;
mod parts;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use loose::{reframe, unframe};

pub use error::{ArchiveError, ArchiveProblem};
pub use parts::{ArchiveHeader, ArchiveTotals, ArchivedAgent, ArchivedVersion, EntryBatch, StorageCounters};
pub use reader::{ArchivePart, ArchiveReader};
pub use writer::ArchiveWriter;

/// The first line of every archive.
const MAGIC: &[u8] = b"insula archive 1\n";
/// The format that this release writes, and the only one that it reads.
const FORMAT: u32 = 1;
/// The most bytes of one piece of a component, and about how many a batch of entries has.
const PIECE: usize = 256 << 10;
/// The most different components of one archive.
const COMPONENTS_LIMIT: usize = 100_000;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Whose archive it is. The first frame, and no other.
    Header,
    /// An agent, its configuration and its versions.
    Agent,
    /// The beginning of a component: its digest and its length.
    Component,
    /// The next bytes of the component.
    Piece,
    /// Some records of storage, in the order of their keys.
    Entries,
    /// The totals. The last frame, and no other.
    End,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Header,
            2 => Self::Agent,
            3 => Self::Component,
            4 => Self::Piece,
            5 => Self::Entries,
            6 => Self::End,
            _ => return None,
        })
    }

    fn byte(self) -> u8 {
        match self {
            Self::Header => 1,
            Self::Agent => 2,
            Self::Component => 3,
            Self::Piece => 4,
            Self::Entries => 5,
            Self::End => 6,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Agent => "agent",
            Self::Component => "component",
            Self::Piece => "piece",
            Self::Entries => "entries",
            Self::End => "end",
        }
    }

    /// The longest payload, in bytes.
    fn limit(self) -> usize {
        match self {
            Self::Header => 64 << 10,
            Self::Agent => 1 << 20,
            Self::Component => 40,
            Self::Piece => PIECE,
            // A value of the greatest length that a limit can be set to goes alone, with its names.
            Self::Entries => (64 << 20) + PIECE,
            Self::End => 1 << 10,
        }
    }
}
