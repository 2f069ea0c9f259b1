//! The bytes of an entry: its encoded name and its value, in one allocation that the shard shares with whoever copies it.

use std::fmt;
use std::iter;
use std::sync::Arc;

use super::name::Name;

/// A name and its value. Clones share the bytes.
#[derive(Clone)]
pub(crate) struct Record {
    bytes: Arc<[u8]>,
    /// The name's part of them.
    name: u16,
}

impl Record {
    pub(crate) fn new(name: &Name<'_>, value: &[u8]) -> Self {
        let encoded = name.encoded_len();
        let mut bytes: Arc<[u8]> = iter::repeat_n(0, encoded + value.len()).collect();
        if let Some((first, rest)) = Arc::get_mut(&mut bytes).and_then(|bytes| bytes.split_at_mut_checked(encoded)) {
            name.encode_into(first);
            rest.copy_from_slice(value);
        }
        // A namespace has 63 bytes at most, and a key 512.
        Self { bytes, name: u16::try_from(encoded).unwrap_or(u16::MAX) }
    }

    /// The encoded name.
    pub(crate) fn name(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.name)).unwrap_or_default()
    }

    pub(crate) fn value(&self) -> &[u8] {
        self.bytes.get(usize::from(self.name)..).unwrap_or_default()
    }

    /// Bytes of namespace, key and value.
    pub(crate) fn size(&self) -> u64 {
        (self.bytes.len() as u64).saturating_sub(1)
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Record({} bytes)", self.bytes.len())
    }
}
