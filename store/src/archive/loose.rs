//! Frames without checksums, for fuzzers: `kind u8 | length u16 BE | payload`. No search would find a right checksum, so
//! they are put to what the search came up with.

use super::Kind;
use super::frame::{FrameReader, FrameWriter};

/// The archive with these frames; as far as they are frames of a known kind and of a length that it may have.
pub(crate) fn reframe(mut bytes: &[u8]) -> Vec<u8> {
    let Ok(mut frames) = FrameWriter::start(Vec::new()) else { return Vec::new() };
    while let Some(([byte, high, low], rest)) = bytes.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (payload, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        bytes = rest;
        let Some(kind) = Kind::of(byte % 8) else { continue };
        if frames.write(kind, payload).is_err() {
            break;
        }
    }
    frames.finish().unwrap_or_default()
}

/// The frames of an archive.
pub(crate) fn unframe(archive: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let Ok(mut frames) = FrameReader::start(archive) else { return bytes };
    while let Ok((kind, payload)) = frames.next() {
        let Ok(length) = u16::try_from(payload.len()) else { break };
        bytes.push(kind.byte());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(payload);
    }
    bytes
}
