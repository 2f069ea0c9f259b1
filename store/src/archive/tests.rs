//! Archives without a disk: what was written is read, and nothing else is.

use std::collections::BTreeMap;
use std::io::{self, Read};

use insula_tenancy::TenantId;
use proptest::prelude::*;

use super::*;
use crate::storage::Record;
use crate::{Digest, Limits, fuzzing};

const COMPONENT: &[u8] = b"a component of few bytes";

fn batch(keys: &[&str]) -> EntryBatch {
    let mut batch = EntryBatch::default();
    for (version, key) in (1..).zip(keys) {
        let record = Record { version, expires_ms: None, value: b"value" };
        batch.push(format!("bucket\0{key}").as_bytes(), &record.encode());
    }
    batch
}

fn counters(batches: &[EntryBatch]) -> StorageCounters {
    let records = || batches.iter().flat_map(EntryBatch::iter);
    let cost = |(key, record): (&[u8], &[u8])| Record::decode(record).unwrap().cost(key);
    StorageCounters { version: 9, keys: records().count() as u64, bytes: records().map(cost).sum(), clock_ms: 1_000 }
}

fn header(counters: StorageCounters) -> ArchiveHeader {
    ArchiveHeader::new(TenantId::generate(), "a".parse().unwrap(), Limits::standard(), counters, 7)
}

fn agent(name: &str) -> ArchivedAgent {
    let version =
        |number| ArchivedVersion { number, digest: Digest::of(COMPONENT), component_bytes: COMPONENT.len() as u64 };
    ArchivedAgent {
        name: name.parse().unwrap(),
        configuration: BTreeMap::from([("name".to_owned(), "value".to_owned())]),
        limits: serde_json::from_str(r#"{"fuel": 5}"#).unwrap(),
        active: Some(2),
        versions: vec![version(2), version(5)],
    }
}

fn archive_of(agents: &[ArchivedAgent], batches: &[EntryBatch]) -> Vec<u8> {
    let mut writer = ArchiveWriter::start(Vec::new(), &header(counters(batches))).unwrap();
    agents.iter().for_each(|agent| writer.agent(agent).unwrap());
    if !agents.is_empty() {
        writer.component(&Digest::of(COMPONENT), COMPONENT.len() as u64, &mut &COMPONENT[..]).unwrap();
    }
    batches.iter().for_each(|batch| writer.entries(batch).unwrap());
    writer.finish().unwrap().0
}

fn small() -> Vec<u8> {
    archive_of(&[agent("one"), agent("two")], &[batch(&["a", "b"]), batch(&["c"])])
}

fn read(source: impl Read) -> Result<Vec<ArchivePart>, ArchiveError> {
    let mut reader = ArchiveReader::start(source)?;
    let mut parts = Vec::new();
    loop {
        let part = reader.next_part()?;
        let done = matches!(part, ArchivePart::End(_));
        parts.push(part);
        if done {
            return Ok(parts);
        }
    }
}

fn refusal(bytes: &[u8]) -> ArchiveProblem {
    read(bytes).unwrap_err().problem
}

#[test]
fn what_is_written_is_read_in_its_order() {
    let length = COMPONENT.len() as u64;
    let expected = vec![
        ArchivePart::Agent(Box::new(agent("one"))),
        ArchivePart::Agent(Box::new(agent("two"))),
        ArchivePart::Component { digest: Digest::of(COMPONENT), length },
        ArchivePart::Piece { bytes: COMPONENT.to_vec(), last: true },
        ArchivePart::Entries(batch(&["a", "b"])),
        ArchivePart::Entries(batch(&["c"])),
        ArchivePart::End(ArchiveTotals { agents: 2, versions: 4, components: 1, entries: 3 }),
    ];
    assert_eq!(read(small().as_slice()).unwrap(), expected);
    assert!(matches!(read(archive_of(&[], &[]).as_slice()).unwrap().as_slice(), [ArchivePart::End(_)]));
}

#[test]
fn a_component_comes_in_pieces_of_a_bounded_length() {
    let component = vec![7; 2 * PIECE + 1];
    let mut one = agent("one");
    one.versions =
        vec![ArchivedVersion { number: 2, digest: Digest::of(&component), component_bytes: component.len() as u64 }];
    let mut writer = ArchiveWriter::start(Vec::new(), &header(StorageCounters::default())).unwrap();
    writer.agent(&one).unwrap();
    writer.component(&Digest::of(&component), component.len() as u64, &mut component.as_slice()).unwrap();
    let parts = read(writer.finish().unwrap().0.as_slice()).unwrap();
    let pieces = parts.iter().filter_map(|part| match part {
        ArchivePart::Piece { bytes, last } => Some((bytes.len(), *last)),
        _ => None,
    });
    assert_eq!(pieces.collect::<Vec<_>>(), [(PIECE, false), (PIECE, false), (1, true)]);
}

#[test]
fn an_archive_with_any_byte_altered_is_refused() {
    let whole = small();
    for at in 0..whole.len() {
        for flip in [1, 0x80, 0xff] {
            let mut altered = whole.clone();
            altered[at] ^= flip;
            let error = read(altered.as_slice()).unwrap_err();
            assert!(error.offset <= at as u64, "byte {at} was altered, and {error}");
        }
    }
}

#[test]
fn an_archive_that_is_cut_anywhere_is_refused() {
    let whole = small();
    for length in 0..whole.len() {
        assert!(matches!(refusal(&whole[..length]), ArchiveProblem::Truncated), "cut to {length} bytes");
    }
}

/// The archive's frames, each with where it begins and ends.
fn frames(archive: &[u8]) -> Vec<std::ops::Range<usize>> {
    let (mut frames, mut at) = (Vec::new(), MAGIC.len());
    while at < archive.len() {
        let length = u32::from_be_bytes(archive[at + 1..at + 5].try_into().unwrap()) as usize;
        frames.push(at..at + 5 + length + 16);
        at += 5 + length + 16;
    }
    frames
}

#[test]
fn a_frame_that_is_left_out_moved_or_of_another_archive_is_refused() {
    let whole = small();
    let frames = frames(&whole);
    for left_out in &frames {
        let without = [&whole[..left_out.start], &whole[left_out.end..]].concat();
        assert!(read(without.as_slice()).is_err(), "without the frame at {}", left_out.start);
    }
    for pair in frames.windows(2) {
        let moved = [&whole[..pair[0].start], &whole[pair[1].clone()], &whole[pair[0].clone()], &whole[pair[1].end..]];
        assert!(read(moved.concat().as_slice()).is_err(), "with the frame at {} moved", pair[0].start);
    }
    let other = small();
    let mixed = [&whole[..frames[2].start], &other[frames[2].start..]].concat();
    let error = read(mixed.as_slice()).unwrap_err();
    assert!(matches!(error.problem, ArchiveProblem::Checksum), "{error}");
    assert_eq!((error.frame, error.offset), (3, frames[2].start as u64));
}

#[test]
fn what_follows_the_end_is_refused() {
    assert!(matches!(refusal(&[small(), vec![0]].concat()), ArchiveProblem::Trailing));
}

#[test]
fn what_is_no_archive_or_one_of_another_format_is_refused() {
    for bytes in [&b"insula archive 2\n...."[..], b"PK\x03\x04 and so on and so on"] {
        assert!(matches!(refusal(bytes), ArchiveProblem::NotAnArchive));
    }
    let newer = ArchiveHeader { format: 2, ..header(StorageCounters::default()) };
    let bytes = ArchiveWriter::start(Vec::new(), &newer).unwrap().finish().unwrap().0;
    assert!(matches!(refusal(&bytes), ArchiveProblem::NotAnArchive));
}

/// Gives a few bytes, and then says how much room it was offered for more.
struct Offered<'a> {
    first: &'a [u8],
    most: usize,
}

impl Read for Offered<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.first.is_empty() {
            self.most = self.most.max(room.len());
            return Ok(0);
        }
        self.first.read(room)
    }
}

#[test]
fn a_length_that_is_only_announced_takes_no_room() {
    for kind in 0..=u8::MAX {
        for length in [u32::MAX, 65 << 20, 64 << 20, 2 << 20] {
            let bytes = [MAGIC, &[kind], &length.to_be_bytes()].concat();
            let mut source = Offered { first: &bytes, most: 0 };
            let error = read(&mut source).unwrap_err();
            assert!(source.most <= 64 << 10, "room for {} bytes of kind {kind}: {error}", source.most);
            let expected = Kind::of(kind).is_none_or(|kind| length as usize > kind.limit());
            assert_eq!(!matches!(error.problem, ArchiveProblem::Truncated), expected, "{error}");
        }
    }
}

#[test]
fn keys_that_are_there_twice_or_out_of_order_are_refused() {
    for batches in [
        vec![batch(&["a", "a"])],
        vec![batch(&["b", "a"])],
        vec![batch(&["a"]), batch(&["a"])],
        vec![batch(&["b"]), batch(&["a"])],
    ] {
        assert!(matches!(refusal(&archive_of(&[], &batches)), ArchiveProblem::OutOfOrder("a key")));
    }
}

#[test]
fn agents_and_versions_that_do_not_agree_are_refused() {
    let with = |change: &dyn Fn(&mut ArchivedAgent)| {
        let mut one = agent("one");
        change(&mut one);
        refusal(&archive_of(&[one], &[]))
    };
    assert!(matches!(with(&|one| one.active = Some(3)), ArchiveProblem::Disagrees("the active version")));
    assert!(matches!(with(&|one| one.versions[1].number = 2), ArchiveProblem::OutOfOrder("a version")));
    assert!(matches!(with(&|one| one.versions.clear()), ArchiveProblem::Malformed("an agent")));
    assert!(matches!(with(&|one| one.versions[1].component_bytes = 1), ArchiveProblem::Disagrees(_)));
    assert!(matches!(with(&|one| one.versions[1].digest = Digest::of(b"")), ArchiveProblem::OutOfPlace("end")));
    let twice = archive_of(&[agent("one"), agent("one")], &[]);
    assert!(matches!(refusal(&twice), ArchiveProblem::OutOfOrder("an agent")));
}

#[test]
fn a_component_with_another_digest_or_that_no_version_names_is_refused() {
    let mut writer = ArchiveWriter::start(Vec::new(), &header(StorageCounters::default())).unwrap();
    writer.agent(&agent("one")).unwrap();
    let other = vec![b'x'; COMPONENT.len()];
    writer.component(&Digest::of(COMPONENT), other.len() as u64, &mut other.as_slice()).unwrap();
    let bytes = writer.finish().unwrap().0;
    assert!(matches!(refusal(&bytes), ArchiveProblem::Disagrees("the digest of a component")));
    let mut writer = ArchiveWriter::start(Vec::new(), &header(StorageCounters::default())).unwrap();
    writer.component(&Digest::of(COMPONENT), COMPONENT.len() as u64, &mut &COMPONENT[..]).unwrap();
    let bytes = writer.finish().unwrap().0;
    assert!(matches!(refusal(&bytes), ArchiveProblem::OutOfOrder("a component")));
}

#[test]
fn counts_that_do_not_add_up_are_refused() {
    let batches = [batch(&["a", "b"])];
    let right = counters(&batches);
    let with = |counters: StorageCounters| {
        let mut writer = ArchiveWriter::start(Vec::new(), &header(counters)).unwrap();
        writer.entries(&batches[0]).unwrap();
        read(writer.finish().unwrap().0.as_slice())
    };
    assert!(with(right).is_ok());
    for wrong in [
        StorageCounters { keys: 1, ..right },
        StorageCounters { bytes: right.bytes + 1, ..right },
        StorageCounters { version: 1, ..right },
    ] {
        assert!(matches!(with(wrong).unwrap_err().problem, ArchiveProblem::Disagrees(_)));
    }
}

#[test]
fn names_that_nobody_could_have_given_are_refused() {
    for key in [&b"bucket"[..], b"BUCKET\0key", b"bucket\0", b"bucket\0\xff", b"../x\0key"] {
        let mut batch = EntryBatch::default();
        batch.push(key, &Record { version: 1, expires_ms: None, value: b"" }.encode());
        let mut writer = ArchiveWriter::start(Vec::new(), &header(StorageCounters::default())).unwrap();
        writer.entries(&batch).unwrap();
        let bytes = writer.finish().unwrap().0;
        assert!(matches!(refusal(&bytes), ArchiveProblem::Malformed("a batch of entries")), "{key:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        fuzzing::archive(&bytes);
        fuzzing::archive(&[MAGIC, &bytes].concat());
        fuzzing::key_codec(&bytes);
    }

    #[test]
    fn no_payload_in_a_right_frame_makes_the_reader_panic(
        kinds in proptest::collection::vec((1_u8..=6, proptest::collection::vec(any::<u8>(), 0..64)), 0..6),
    ) {
        let mut frames = frame::FrameWriter::start(Vec::new()).unwrap();
        let header = serde_json::to_vec(&header(StorageCounters::default())).unwrap();
        frames.write(Kind::Header, &header).unwrap();
        for (kind, payload) in kinds {
            let kind = Kind::of(kind).unwrap();
            frames.write(kind, &payload[..payload.len().min(kind.limit())]).unwrap();
        }
        fuzzing::archive(&frames.finish().unwrap());
    }
}

#[test]
fn an_agent_of_an_earlier_release_has_no_limits_of_its_own() {
    let earlier = r#"{"name": "a", "configuration": {}, "active": null, "versions": []}"#;
    let agent: ArchivedAgent = serde_json::from_str(earlier).unwrap();
    assert!(agent.limits.is_empty());
    assert!(!serde_json::to_string(&agent).unwrap().contains("limits"), "an earlier release reads it too");
    let beyond = r#"{"name": "a", "configuration": {}, "limits": {"fuel": 0}, "active": null, "versions": []}"#;
    assert!(serde_json::from_str::<ArchivedAgent>(beyond).is_err());
}
