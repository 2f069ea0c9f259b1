//! Doors for fuzzers: what reads foreign bytes, without a disk behind it.

use crate::archive::{ArchivePart, ArchiveReader};
use crate::storage::{decode_key, encode_key};

/// Reads an archive to its end, or to where it is refused.
pub fn archive(bytes: &[u8]) {
    let Ok(mut reader) = ArchiveReader::start(bytes) else { return };
    while let Ok(part) = reader.next_part() {
        if matches!(part, ArchivePart::End(_)) {
            return;
        }
    }
}

/// Reads an encoded key; what can be read is written as it was.
pub fn key_codec(bytes: &[u8]) {
    if let Some(at) = decode_key(bytes) {
        assert_eq!(encode_key(&at), bytes, "a key has two encodings");
    }
}
