//! How a value lies in the table: a format byte, its version (8 bytes, big-endian), the end of its life where it has one
//! (8 bytes, big-endian, in Unix milliseconds), and the value's bytes.

use super::failure::Failure;

/// A value without an end of life.
const PLAIN: u8 = 1;
/// A value with one.
const EXPIRING: u8 = 2;
/// What the quota counts for each key beyond its bucket's name, its key and its value, in bytes.
pub(crate) const OVERHEAD: u64 = 16;
/// What it counts beyond that for a key with a life, which is in a second table too, in bytes.
const EXPIRY_OVERHEAD: u64 = 16;

/// A value as it lies in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) version: u64,
    /// When its life ends, in Unix milliseconds.
    pub(crate) expires_ms: Option<u64>,
    pub(crate) value: &'a [u8],
}

impl<'a> Record<'a> {
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, Failure> {
        let malformed = || Failure::Malformed("a value's record");
        let (format, rest) = bytes.split_first().ok_or_else(malformed)?;
        let (version, rest) = rest.split_first_chunk::<8>().ok_or_else(malformed)?;
        let (expires_ms, value) = match *format {
            PLAIN => (None, rest),
            EXPIRING => {
                let (expires, value) = rest.split_first_chunk::<8>().ok_or_else(malformed)?;
                (Some(u64::from_be_bytes(*expires)), value)
            }
            _ => return Err(malformed()),
        };
        Ok(Self { version: u64::from_be_bytes(*version), expires_ms, value })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(17 + self.value.len());
        bytes.push(if self.expires_ms.is_some() { EXPIRING } else { PLAIN });
        bytes.extend_from_slice(&self.version.to_be_bytes());
        if let Some(expires) = self.expires_ms {
            bytes.extend_from_slice(&expires.to_be_bytes());
        }
        bytes.extend_from_slice(self.value);
        bytes
    }

    /// Whether its life is over.
    pub(crate) fn is_over(&self, now_ms: u64) -> bool {
        self.expires_ms.is_some_and(|expires| expires <= now_ms)
    }

    /// What is left of its life, in milliseconds.
    pub(crate) fn ttl_ms(&self, now_ms: u64) -> Option<u64> {
        self.expires_ms.map(|expires| expires.saturating_sub(now_ms))
    }

    /// What it costs of the quota under its encoded key, in bytes. The zero byte of the encoded key is part of the
    /// overhead.
    pub(crate) fn cost(&self, encoded_key: &[u8]) -> u64 {
        let name = (encoded_key.len() as u64).saturating_sub(1);
        let life = if self.expires_ms.is_some() { name.saturating_add(EXPIRY_OVERHEAD) } else { 0 };
        name.saturating_add(self.value.len() as u64).saturating_add(OVERHEAD).saturating_add(life)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_from_its_encoding() {
        for value in [&b""[..], b"x", &[0; 1_000]] {
            for expires_ms in [None, Some(0), Some(u64::MAX)] {
                let record = Record { version: u64::MAX - 1, expires_ms, value };
                assert_eq!(Record::decode(&record.encode()).unwrap(), record);
            }
        }
    }

    #[test]
    fn a_record_of_a_format_that_is_not_known_is_refused() {
        for bytes in [&b""[..], &[PLAIN, 0, 0], &[EXPIRING, 0, 0, 0, 0, 0, 0, 0, 0, 1], &[3, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert!(Record::decode(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_life_ends_at_its_last_moment_and_counts_its_key_twice() {
        let record = Record { version: 1, expires_ms: Some(100), value: b"abc" };
        assert!(!record.is_over(99) && record.is_over(100));
        assert_eq!((record.ttl_ms(40), record.ttl_ms(200)), (Some(60), Some(0)));
        assert_eq!(record.cost(b"b\0key"), 4 + 3 + 16 + 4 + 16);
        assert_eq!(Record { expires_ms: None, ..record }.cost(b"b\0key"), 4 + 3 + 16);
    }
}
