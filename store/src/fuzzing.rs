//! Doors for fuzzers: what reads foreign bytes, without a disk behind it.

use std::collections::BTreeMap;

use insula_tenancy::TenantId;

use crate::archive::{
    ArchiveError, ArchiveHeader, ArchivePart, ArchiveReader, ArchiveWriter, ArchivedAgent, ArchivedVersion, EntryBatch,
    StorageCounters, reframe, unframe,
};
use crate::storage::{Record, decode_key, encode_key};
use crate::{Digest, Limits};

/// What seeds are made of.
const BYTES: &[u8] = b"a component of few bytes";

/// Reads an archive to its end, or to where it is refused. What is read whole is written again, and reads the same.
pub fn archive(bytes: &[u8]) {
    let Ok((header, parts)) = read(bytes) else { return };
    let again = write(&header, &parts);
    assert!(again.is_ok(), "an archive that was read cannot be written: {again:?}");
    let again = again.and_then(|bytes| read(&bytes));
    assert!(again.as_ref().is_ok_and(|again| *again == (header, joined(parts))), "it reads otherwise: {again:?}");
}

/// The same for an archive whose checksums are right whatever is in it: no search would come past them. Each frame is
/// `kind u8 | length u16 BE | payload` here.
pub fn archive_frames(bytes: &[u8]) {
    archive(&reframe(bytes));
}

fn read(bytes: &[u8]) -> Result<(ArchiveHeader, Vec<ArchivePart>), ArchiveError> {
    let mut reader = ArchiveReader::start(bytes)?;
    let mut parts = Vec::new();
    loop {
        parts.push(reader.next_part()?);
        if let Some(ArchivePart::End(_)) = parts.last() {
            return Ok((reader.header().clone(), joined(parts)));
        }
    }
}

/// The pieces of each component in one: how they were cut is the writer's own affair.
fn joined(parts: Vec<ArchivePart>) -> Vec<ArchivePart> {
    let mut joined: Vec<ArchivePart> = Vec::new();
    for part in parts {
        match (joined.last_mut(), part) {
            (Some(ArchivePart::Piece { bytes, last }), ArchivePart::Piece { bytes: more, last: end }) => {
                bytes.extend_from_slice(&more);
                *last = end;
            }
            (_, part) => joined.push(part),
        }
    }
    joined
}

fn write(header: &ArchiveHeader, parts: &[ArchivePart]) -> Result<Vec<u8>, ArchiveError> {
    let mut writer = ArchiveWriter::start(Vec::new(), header)?;
    let mut component = None;
    for part in parts {
        match part {
            ArchivePart::Agent(agent) => writer.agent(agent)?,
            ArchivePart::Component { digest, length } => component = Some((digest, *length)),
            ArchivePart::Piece { bytes, .. } => {
                if let Some((digest, length)) = component.take() {
                    writer.component(digest, length, &mut bytes.as_slice())?;
                }
            }
            ArchivePart::Entries(batch) => writer.entries(batch)?,
            ArchivePart::End(_) => {}
        }
    }
    Ok(writer.finish()?.0)
}

/// Whole archives to begin from: one without anything in it, and one with some of everything.
#[must_use]
pub fn archive_seeds() -> Vec<Vec<u8>> {
    let empty = (StorageCounters::default(), Vec::new());
    [empty, something()]
        .into_iter()
        .filter_map(|(counters, parts)| {
            let name = "seed".parse().ok()?;
            let header = ArchiveHeader::new(TenantId::generate(), name, Limits::standard(), counters, 7);
            write(&header, &parts).ok()
        })
        .collect()
}

/// The same for [`archive_frames`].
#[must_use]
pub fn archive_frames_seeds() -> Vec<Vec<u8>> {
    archive_seeds().iter().map(|bytes| unframe(bytes)).collect()
}

fn something() -> (StorageCounters, Vec<ArchivePart>) {
    let mut batch = EntryBatch::default();
    let mut counters = StorageCounters { version: 9, clock_ms: 1_000, ..StorageCounters::default() };
    for (version, (key, expires_ms)) in (1..).zip([(b"bucket\0a", None), (b"bucket\0b", Some(9_000))]) {
        let record = Record { version, expires_ms, value: b"value" };
        batch.push(key, &record.encode());
        counters.keys += 1;
        counters.bytes += record.cost(key);
    }
    let (digest, length) = (Digest::of(BYTES), BYTES.len() as u64);
    let version = ArchivedVersion { number: 1, digest, component_bytes: length };
    let configuration = BTreeMap::from([("name".to_owned(), "value".to_owned())]);
    let agent = "one".parse().ok().map(|name| ArchivedAgent {
        name,
        configuration,
        limits: crate::AgentLimits::default(),
        active: Some(1),
        versions: vec![version],
    });
    let component = ArchivePart::Component { digest, length };
    let piece = ArchivePart::Piece { bytes: BYTES.to_vec(), last: true };
    let parts = agent.map(|agent| ArchivePart::Agent(Box::new(agent))).into_iter().chain([
        component,
        piece,
        ArchivePart::Entries(batch),
    ]);
    (counters, parts.collect())
}

/// Reads an encoded key; what can be read is written as it was.
pub fn key_codec(bytes: &[u8]) {
    if let Some(at) = decode_key(bytes) {
        assert_eq!(encode_key(&at), bytes, "a key has two encodings");
    }
}

/// Encoded keys to begin from.
#[must_use]
pub fn key_seeds() -> Vec<Vec<u8>> {
    [&b"bucket\0key"[..], b"a.b_c-d\0\xc3\xa9", b"0\0\0", b"bucket", b"bucket\0\xff"].map(<[u8]>::to_vec).to_vec()
}
