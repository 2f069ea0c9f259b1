//! How a value lies in the table: a format byte, its version (8 bytes, big-endian), and the value's bytes.

use super::failure::Failure;

/// A value with a version and nothing else. A later format adds what it needs between the two.
const PLAIN: u8 = 1;
const HEADER: usize = 1 + 8;
/// What the quota counts for each key beyond its bucket's name, its key and its value, in bytes.
pub(crate) const OVERHEAD: u64 = 16;

/// A value as it lies in the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) version: u64,
    pub(crate) value: &'a [u8],
}

impl<'a> Record<'a> {
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, Failure> {
        let malformed = || Failure::Malformed("a value's record");
        let (format, rest) = bytes.split_first().ok_or_else(malformed)?;
        let (version, value) = rest.split_first_chunk::<8>().ok_or_else(malformed)?;
        if *format != PLAIN {
            return Err(malformed());
        }
        Ok(Self { version: u64::from_be_bytes(*version), value })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.value.len());
        bytes.push(PLAIN);
        bytes.extend_from_slice(&self.version.to_be_bytes());
        bytes.extend_from_slice(self.value);
        bytes
    }
}

/// What one key costs of the quota, in bytes. The length byte of the encoded key is part of the overhead.
pub(crate) fn cost(encoded_key: &[u8], value: &[u8]) -> u64 {
    (encoded_key.len().saturating_sub(1) as u64).saturating_add(value.len() as u64).saturating_add(OVERHEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_from_its_encoding() {
        for value in [&b""[..], b"x", &[0; 1_000]] {
            let bytes = Record { version: u64::MAX - 1, value }.encode();
            let record = Record::decode(&bytes).unwrap();
            assert_eq!((record.version, record.value), (u64::MAX - 1, value));
        }
    }

    #[test]
    fn a_record_of_a_format_that_is_not_known_is_refused() {
        for bytes in [&b""[..], &[PLAIN, 0, 0], &[2, 0, 0, 0, 0, 0, 0, 0, 0, 1]] {
            assert!(Record::decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
