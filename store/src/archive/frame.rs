//! Frames: `kind u8 | length u32 BE | payload | 16 bytes of checksum`.
//!
//! Each checksum is the beginning of a BLAKE3 over the checksum before it and the frame, so that a frame that is altered,
//! left out or moved is found where it is. It finds accidents: whoever can write an archive can also compute it.

use std::io::{self, Read, Write};

use super::{ArchiveError, ArchiveProblem, Kind, MAGIC};

const CHECKSUM: usize = 16;

type Checksum = [u8; CHECKSUM];

fn checksum(before: &Checksum, head: &[u8], payload: &[u8]) -> Checksum {
    let mut hasher = blake3::Hasher::new();
    hasher.update(before).update(head).update(payload);
    let mut checksum = [0; CHECKSUM];
    hasher.finalize_xof().fill(&mut checksum);
    checksum
}

/// Where in an archive someone is.
#[derive(Debug, Clone, Copy)]
struct Position {
    frame: u64,
    offset: u64,
    checksum: Checksum,
}

impl Position {
    /// Behind the first line.
    fn start() -> Self {
        Self { frame: 1, offset: MAGIC.len() as u64, checksum: checksum(&[0; CHECKSUM], MAGIC, &[]) }
    }

    fn advance(&mut self, payload: usize, checksum: Checksum) {
        self.frame = self.frame.saturating_add(1);
        self.offset = self.offset.saturating_add((1 + 4 + payload + CHECKSUM) as u64);
        self.checksum = checksum;
    }

    fn error(&self, problem: ArchiveProblem) -> ArchiveError {
        ArchiveError { frame: self.frame, offset: self.offset, problem }
    }
}

/// Writes frames.
#[derive(Debug)]
pub(super) struct FrameWriter<W> {
    sink: W,
    position: Position,
}

impl<W: Write> FrameWriter<W> {
    /// Writes the first line.
    pub(super) fn start(mut sink: W) -> Result<Self, ArchiveError> {
        let position = Position::start();
        sink.write_all(MAGIC).map_err(|error| position.error(ArchiveProblem::Io(error)))?;
        Ok(Self { sink, position })
    }

    pub(super) fn write(&mut self, kind: Kind, payload: &[u8]) -> Result<(), ArchiveError> {
        let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= kind.limit());
        let length = length.ok_or_else(|| {
            let (length, limit) = (payload.len() as u64, kind.limit() as u64);
            self.error(ArchiveProblem::TooLong { kind: kind.name(), length, limit })
        })?;
        let [a, b, c, d] = length.to_be_bytes();
        let head = [kind.byte(), a, b, c, d];
        let checksum = checksum(&self.position.checksum, &head, payload);
        for part in [&head[..], payload, &checksum] {
            self.sink.write_all(part).map_err(|error| self.position.error(ArchiveProblem::Io(error)))?;
        }
        self.position.advance(payload.len(), checksum);
        Ok(())
    }

    /// Hands everything on, and gives the sink back.
    pub(super) fn finish(mut self) -> Result<W, ArchiveError> {
        self.sink.flush().map_err(|error| self.position.error(ArchiveProblem::Io(error)))?;
        Ok(self.sink)
    }

    /// Names the frame that would be the next.
    pub(super) fn error(&self, problem: ArchiveProblem) -> ArchiveError {
        self.position.error(problem)
    }
}

/// Reads frames.
#[derive(Debug)]
pub(super) struct FrameReader<R> {
    source: R,
    position: Position,
    /// The frame that was handed out last, for errors in what it holds.
    last: Position,
    payload: Vec<u8>,
}

impl<R: Read> FrameReader<R> {
    /// Reads the first line.
    pub(super) fn start(mut source: R) -> Result<Self, ArchiveError> {
        let mut line = [0; MAGIC.len()];
        let at_the_start = |problem| ArchiveError { frame: 0, offset: 0, problem };
        source.read_exact(&mut line).map_err(|error| at_the_start(cut_short(error)))?;
        if line != *MAGIC {
            return Err(at_the_start(ArchiveProblem::NotAnArchive));
        }
        let position = Position::start();
        Ok(Self { source, position, last: position, payload: Vec::new() })
    }

    /// The next frame. Its payload is good until the frame after it.
    pub(super) fn next(&mut self) -> Result<(Kind, &[u8]), ArchiveError> {
        self.last = self.position;
        let at = self.position;
        let mut head = [0; 5];
        self.source.read_exact(&mut head).map_err(|error| at.error(cut_short(error)))?;
        let [byte, length @ ..] = head;
        let kind = Kind::of(byte).ok_or_else(|| at.error(ArchiveProblem::UnknownKind(byte)))?;
        let (length, limit) = (u64::from(u32::from_be_bytes(length)), kind.limit() as u64);
        if length > limit {
            return Err(at.error(ArchiveProblem::TooLong { kind: kind.name(), length, limit }));
        }
        // The buffer grows with what comes, not with what was announced; a large one is not kept for small frames.
        self.payload = Vec::new();
        let read = (&mut self.source).take(length).read_to_end(&mut self.payload);
        if read.map_err(|error| at.error(ArchiveProblem::Io(error)))? as u64 != length {
            return Err(at.error(ArchiveProblem::Truncated));
        }
        let mut found = [0; CHECKSUM];
        self.source.read_exact(&mut found).map_err(|error| at.error(cut_short(error)))?;
        if found != checksum(&at.checksum, &head, &self.payload) {
            return Err(at.error(ArchiveProblem::Checksum));
        }
        self.position.advance(self.payload.len(), found);
        Ok((kind, &self.payload))
    }

    /// Checks that nothing follows.
    pub(super) fn finish(&mut self) -> Result<(), ArchiveError> {
        let mut byte = [0];
        match self.source.read_exact(&mut byte) {
            Ok(()) => Err(self.position.error(ArchiveProblem::Trailing)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            Err(error) => Err(self.position.error(ArchiveProblem::Io(error))),
        }
    }

    /// Names the frame that was handed out last.
    pub(super) fn error(&self, problem: ArchiveProblem) -> ArchiveError {
        self.last.error(problem)
    }
}

fn cut_short(error: io::Error) -> ArchiveProblem {
    if error.kind() == io::ErrorKind::UnexpectedEof { ArchiveProblem::Truncated } else { ArchiveProblem::Io(error) }
}
