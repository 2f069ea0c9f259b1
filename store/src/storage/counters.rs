//! What a tenant's tables count of themselves: kept in the same transaction as what they count.

use super::engine::{Read, Table, Write};
use super::failure::Failure;

const COUNTERS: &[u8] = b"counters";

/// The numbers that every commit reads and writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// The last version given out.
    pub(crate) version: u64,
    /// Buckets, keys, values and overhead, in bytes.
    pub(crate) bytes: u64,
    /// Keys.
    pub(crate) keys: u64,
    /// The latest time that a commit saw, in Unix milliseconds: lives never come back when a clock is set back.
    pub(crate) clock_ms: u64,
}

impl Counters {
    /// The counters as they stand.
    pub(crate) fn read(tables: &impl Read) -> Result<Self, Failure> {
        tables.get(Table::Meta, COUNTERS, Self::decode)?.ok_or(Failure::Malformed("the record of counters"))?
    }

    /// Writes them, in the transaction of what they count.
    pub(crate) fn write(self, tables: &mut impl Write) -> Result<(), Failure> {
        tables.put(Table::Meta, COUNTERS, &self.encode())
    }

    fn encode(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let numbers = [self.version, self.bytes, self.keys, self.clock_ms];
        for (place, number) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(numbers) {
            *place = number.to_be_bytes();
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        match bytes.as_chunks::<8>() {
            ([version, bytes, keys, clock_ms], []) => Ok(Self {
                version: u64::from_be_bytes(*version),
                bytes: u64::from_be_bytes(*bytes),
                keys: u64::from_be_bytes(*keys),
                clock_ms: u64::from_be_bytes(*clock_ms),
            }),
            _ => Err(Failure::Malformed("the record of counters")),
        }
    }

    /// Counts a key that came. `cost` is in bytes.
    pub(crate) fn add(&mut self, cost: u64) {
        self.keys = self.keys.saturating_add(1);
        self.bytes = self.bytes.saturating_add(cost);
    }

    /// Counts a key that went.
    pub(crate) fn subtract(&mut self, cost: u64) {
        self.keys = self.keys.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(cost);
    }
}
