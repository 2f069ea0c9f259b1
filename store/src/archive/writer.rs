//! Writing an archive, part by part, in the order of the format.

use std::io::{Read, Write};

use super::frame::FrameWriter;
use super::{ArchiveError, ArchiveHeader, ArchiveProblem, ArchiveTotals, ArchivedAgent, EntryBatch, Kind, PIECE};
use crate::Digest;

/// An archive that is being written. The parts come in the order of its functions.
#[derive(Debug)]
pub struct ArchiveWriter<W> {
    frames: FrameWriter<W>,
    totals: ArchiveTotals,
}

impl<W: Write> ArchiveWriter<W> {
    /// Begins an archive.
    ///
    /// # Errors
    ///
    /// When the sink refuses.
    pub fn start(sink: W, header: &ArchiveHeader) -> Result<Self, ArchiveError> {
        let mut frames = FrameWriter::start(sink)?;
        let payload = json(&frames, header)?;
        frames.write(Kind::Header, &payload)?;
        Ok(Self { frames, totals: ArchiveTotals::default() })
    }

    /// Adds an agent. They come in the order of their names.
    ///
    /// # Errors
    ///
    /// When the sink refuses, or the agent is larger than a frame of one may be.
    pub fn agent(&mut self, agent: &ArchivedAgent) -> Result<(), ArchiveError> {
        let payload = json(&self.frames, agent)?;
        self.frames.write(Kind::Agent, &payload)?;
        self.totals.agents += 1;
        self.totals.versions += agent.versions.len() as u64;
        Ok(())
    }

    /// Adds a component of so many bytes, each that some version names once.
    ///
    /// # Errors
    ///
    /// When the source or the sink refuses, or the source has another length.
    pub fn component(&mut self, digest: &Digest, length: u64, source: &mut dyn Read) -> Result<(), ArchiveError> {
        self.frames.write(Kind::Component, &[&digest.as_bytes()[..], &length.to_be_bytes()].concat())?;
        let mut piece = Vec::with_capacity(PIECE);
        let mut left = length;
        while left > 0 {
            piece.clear();
            let read = (&mut *source).take(left.min(PIECE as u64)).read_to_end(&mut piece);
            let read = read.map_err(|error| self.frames.error(ArchiveProblem::Io(error)))?;
            if read == 0 {
                return Err(self.frames.error(ArchiveProblem::Disagrees("the length of a component")));
            }
            self.frames.write(Kind::Piece, &piece)?;
            left = left.saturating_sub(read as u64);
        }
        self.totals.components += 1;
        Ok(())
    }

    /// Adds records of storage. They come in the order of their keys.
    ///
    /// # Errors
    ///
    /// When the sink refuses.
    pub fn entries(&mut self, batch: &EntryBatch) -> Result<(), ArchiveError> {
        let malformed = || self.frames.error(ArchiveProblem::Malformed("a batch of entries"));
        let payload = batch.encode().ok_or_else(malformed)?;
        self.frames.write(Kind::Entries, &payload)?;
        self.totals.entries += batch.len() as u64;
        Ok(())
    }

    /// Ends the archive.
    ///
    /// # Errors
    ///
    /// When the sink refuses.
    pub fn finish(mut self) -> Result<(W, ArchiveTotals), ArchiveError> {
        let payload = json(&self.frames, &self.totals)?;
        self.frames.write(Kind::End, &payload)?;
        Ok((self.frames.finish()?, self.totals))
    }
}

fn json<W: Write>(frames: &FrameWriter<W>, value: &impl serde::Serialize) -> Result<Vec<u8>, ArchiveError> {
    serde_json::to_vec(value).map_err(|_| frames.error(ArchiveProblem::Malformed("what is to be written")))
}
