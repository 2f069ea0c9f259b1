//! Reading an archive, part by part, and checking that the parts agree.
//!
//! Whatever comes out was checked against its frame's checksum and against what came before it. That nothing is missing is
//! known only when [`ArchivePart::End`] came: whoever makes something of an archive undoes it when that never comes.

use std::collections::BTreeMap;
use std::io::Read;

use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::frame::FrameReader;
use super::{
    ArchiveError, ArchiveHeader, ArchiveProblem, ArchiveTotals, ArchivedAgent, COMPONENTS_LIMIT, EntryBatch, FORMAT,
    Kind,
};
use crate::storage::Record;
use crate::{AgentName, Digest};

/// One part of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchivePart {
    /// An agent.
    Agent(Box<ArchivedAgent>),
    /// A component begins: some agent's version names it.
    Component {
        /// Its digest. It is checked with the last piece.
        digest: Digest,
        /// Its length, in bytes.
        length: u64,
    },
    /// The next bytes of the component.
    Piece {
        /// The bytes.
        bytes: Vec<u8>,
        /// Whether the component is whole with them, and has its digest.
        last: bool,
    },
    /// Records of storage.
    Entries(EntryBatch),
    /// The archive is whole.
    End(ArchiveTotals),
}

/// A component between its pieces.
#[derive(Debug)]
struct Unfinished {
    digest: Digest,
    left: u64,
    hasher: Sha256,
}

/// An archive that is being read.
#[derive(Debug)]
pub struct ArchiveReader<R> {
    frames: FrameReader<R>,
    header: ArchiveHeader,
    totals: ArchiveTotals,
    last_agent: Option<AgentName>,
    /// Components that versions name and that did not come yet, with their lengths.
    wanted: BTreeMap<Digest, u64>,
    unfinished: Option<Unfinished>,
    last_key: Vec<u8>,
    bytes: u64,
}

impl<R: Read> ArchiveReader<R> {
    /// Reads as far as the header.
    ///
    /// # Errors
    ///
    /// [`ArchiveError`], naming the frame.
    pub fn start(source: R) -> Result<Self, ArchiveError> {
        let mut frames = FrameReader::start(source)?;
        let (kind, payload) = frames.next()?;
        let header = parse(payload);
        if kind != Kind::Header {
            return Err(frames.error(ArchiveProblem::OutOfPlace(kind.name())));
        }
        let header: ArchiveHeader = header.ok_or_else(|| frames.error(ArchiveProblem::Malformed("the header")))?;
        if header.format != FORMAT {
            return Err(frames.error(ArchiveProblem::NotAnArchive));
        }
        let (totals, last_agent, wanted) = (ArchiveTotals::default(), None, BTreeMap::new());
        Ok(Self { frames, header, totals, last_agent, wanted, unfinished: None, last_key: Vec::new(), bytes: 0 })
    }

    /// Whose archive it is.
    #[must_use]
    pub fn header(&self) -> &ArchiveHeader {
        &self.header
    }

    /// The next part; nothing follows [`ArchivePart::End`].
    ///
    /// # Errors
    ///
    /// [`ArchiveError`], naming the frame.
    pub fn next_part(&mut self) -> Result<ArchivePart, ArchiveError> {
        let (kind, payload) = self.frames.next()?;
        let in_place = match kind {
            Kind::Header => false,
            Kind::Piece => self.unfinished.is_some(),
            _ if self.unfinished.is_some() => false,
            Kind::Agent => self.totals.components == 0 && self.totals.entries == 0,
            Kind::Component => self.totals.entries == 0,
            Kind::Entries | Kind::End => self.wanted.is_empty(),
        };
        if !in_place {
            return Err(self.frames.error(ArchiveProblem::OutOfPlace(kind.name())));
        }
        let payload = payload.to_vec();
        let part = match kind {
            Kind::Agent => self.agent(&payload),
            Kind::Component => self.component(&payload),
            Kind::Entries => self.entries(&payload),
            Kind::End => self.end(&payload),
            Kind::Piece | Kind::Header => self.piece(payload),
        };
        let part = part.map_err(|problem| self.frames.error(problem))?;
        if matches!(part, ArchivePart::End(_)) {
            self.frames.finish()?;
        }
        Ok(part)
    }

    fn agent(&mut self, payload: &[u8]) -> Result<ArchivePart, ArchiveProblem> {
        let agent: ArchivedAgent = parse(payload).ok_or(ArchiveProblem::Malformed("an agent"))?;
        if self.last_agent.as_ref().is_some_and(|last| *last >= agent.name) {
            return Err(ArchiveProblem::OutOfOrder("an agent"));
        }
        let mut last = 0;
        for version in &agent.versions {
            if version.number <= last {
                return Err(ArchiveProblem::OutOfOrder("a version"));
            }
            last = version.number;
            if version.component_bytes == 0 {
                return Err(ArchiveProblem::Malformed("a version"));
            }
            let wanted = *self.wanted.entry(version.digest).or_insert(version.component_bytes);
            if wanted != version.component_bytes {
                return Err(ArchiveProblem::Disagrees("the length of a component"));
            }
        }
        if agent.versions.is_empty() || self.wanted.len() > COMPONENTS_LIMIT {
            return Err(ArchiveProblem::Malformed("an agent"));
        }
        if agent.active.is_some_and(|active| !agent.versions.iter().any(|version| version.number == active)) {
            return Err(ArchiveProblem::Disagrees("the active version"));
        }
        self.totals.agents += 1;
        self.totals.versions += agent.versions.len() as u64;
        self.last_agent = Some(agent.name.clone());
        Ok(ArchivePart::Agent(Box::new(agent)))
    }

    fn component(&mut self, payload: &[u8]) -> Result<ArchivePart, ArchiveProblem> {
        let malformed = || ArchiveProblem::Malformed("the beginning of a component");
        let (digest, length) = payload.split_first_chunk::<32>().ok_or_else(malformed)?;
        let length = u64::from_be_bytes(length.try_into().map_err(|_| malformed())?);
        let digest = Digest::from_bytes(*digest);
        match self.wanted.remove(&digest) {
            Some(wanted) if wanted == length => {}
            Some(_) => return Err(ArchiveProblem::Disagrees("the length of a component")),
            None => return Err(ArchiveProblem::OutOfOrder("a component")),
        }
        self.totals.components += 1;
        self.unfinished = Some(Unfinished { digest, left: length, hasher: Sha256::new() });
        Ok(ArchivePart::Component { digest, length })
    }

    fn piece(&mut self, bytes: Vec<u8>) -> Result<ArchivePart, ArchiveProblem> {
        let mut unfinished = self.unfinished.take().ok_or(ArchiveProblem::OutOfPlace("piece"))?;
        unfinished.hasher.update(&bytes);
        unfinished.left = match unfinished.left.checked_sub(bytes.len() as u64) {
            Some(left) if !bytes.is_empty() => left,
            _ => return Err(ArchiveProblem::Disagrees("the length of a component")),
        };
        let last = unfinished.left == 0;
        if !last {
            self.unfinished = Some(unfinished);
        } else if Digest::from_bytes(unfinished.hasher.finalize().into()) != unfinished.digest {
            return Err(ArchiveProblem::Disagrees("the digest of a component"));
        }
        Ok(ArchivePart::Piece { bytes, last })
    }

    fn entries(&mut self, payload: &[u8]) -> Result<ArchivePart, ArchiveProblem> {
        let malformed = || ArchiveProblem::Malformed("a batch of entries");
        let batch = EntryBatch::decode(payload).ok_or_else(malformed)?;
        let mut last = self.last_key.as_slice();
        for (key, record) in batch.iter() {
            // In the order of their bytes: what is there twice is found without remembering more than one.
            if key <= last {
                return Err(ArchiveProblem::OutOfOrder("a key"));
            }
            last = key;
            let record = Record::decode(record).map_err(|_| malformed())?;
            if record.version > self.header.counters.version {
                return Err(ArchiveProblem::Disagrees("the version of a key"));
            }
            self.bytes = self.bytes.saturating_add(record.cost(key));
        }
        self.last_key = last.to_vec();
        self.totals.entries = self.totals.entries.saturating_add(batch.len() as u64);
        Ok(ArchivePart::Entries(batch))
    }

    fn end(&mut self, payload: &[u8]) -> Result<ArchivePart, ArchiveProblem> {
        let totals: ArchiveTotals = parse(payload).ok_or(ArchiveProblem::Malformed("the end"))?;
        let counted = (self.header.counters.keys, self.header.counters.bytes);
        if totals != self.totals || counted != (self.totals.entries, self.bytes) {
            return Err(ArchiveProblem::Disagrees("a total"));
        }
        Ok(ArchivePart::End(totals))
    }
}

fn parse<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    serde_json::from_slice(payload).ok()
}
