//! What the frames hold.

use std::collections::BTreeMap;

use insula_tenancy::TenantId;
use serde::{Deserialize, Deserializer, Serialize};

use super::{FORMAT, PIECE};
use crate::storage::{Counters, Record, decode_key};
use crate::{AgentLimits, AgentName, Digest, Limits, TenantName};

/// What storage counted at the archive's instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StorageCounters {
    /// The last version given out.
    pub version: u64,
    /// Keys.
    pub keys: u64,
    /// Bytes, as the quota counts them.
    pub bytes: u64,
    /// The latest time that a commit saw, in Unix milliseconds.
    pub clock_ms: u64,
}

impl From<Counters> for StorageCounters {
    fn from(counters: Counters) -> Self {
        let Counters { version, keys, bytes, clock_ms } = counters;
        Self { version, keys, bytes, clock_ms }
    }
}

/// Whose archive it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ArchiveHeader {
    pub(super) format: u32,
    /// The tenant that it was made of (T7). A tenant that is made of it has another id.
    pub tenant: TenantId,
    /// The name that the tenant had.
    pub name: TenantName,
    /// What the tenant might use.
    #[serde(deserialize_with = "known_limits")]
    pub limits: Limits,
    /// What its storage counted.
    pub counters: StorageCounters,
    /// When it was made, in Unix microseconds.
    pub made_us: u64,
}

impl ArchiveHeader {
    /// The header of an archive in this release's format.
    #[must_use]
    pub fn new(tenant: TenantId, name: TenantName, limits: Limits, counters: StorageCounters, made_us: u64) -> Self {
        Self { format: FORMAT, tenant, name, limits, counters, made_us }
    }
}

/// Limits that an older or a newer release wrote are read as the catalog reads them, and each must be in its range.
fn known_limits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Limits, D::Error> {
    let stored = serde_json::Value::deserialize(deserializer)?.to_string();
    let limits = Limits::from_stored(&stored).map_err(serde::de::Error::custom)?;
    limits.checked().map_err(serde::de::Error::custom)
}

/// An agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ArchivedAgent {
    /// Its name.
    pub name: AgentName,
    /// Its configuration.
    pub configuration: BTreeMap<String, String>,
    /// Its own limits. Archives of earlier releases, and of agents without, do not name them.
    #[serde(default, skip_serializing_if = "AgentLimits::is_empty")]
    pub limits: AgentLimits,
    /// The number of the version that answers calls.
    pub active: Option<u64>,
    /// Its versions, oldest first.
    pub versions: Vec<ArchivedVersion>,
}

/// One version of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ArchivedVersion {
    /// Its number with its agent.
    pub number: u64,
    /// Its component.
    pub digest: Digest,
    /// The component's size, in bytes.
    pub component_bytes: u64,
}

/// How much an archive holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ArchiveTotals {
    /// Agents.
    pub agents: u64,
    /// Their versions.
    pub versions: u64,
    /// Components: versions may share one.
    pub components: u64,
    /// Keys in storage.
    pub entries: u64,
}

/// Some records of storage, in the order of their keys, as they lie in the table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryBatch {
    entries: Vec<(Vec<u8>, Vec<u8>)>,
    bytes: usize,
}

impl EntryBatch {
    pub(crate) fn push(&mut self, key: &[u8], record: &[u8]) {
        self.bytes = self.bytes.saturating_add(key.len()).saturating_add(record.len()).saturating_add(2 + 4);
        self.entries.push((key.to_vec(), record.to_vec()));
    }

    /// Whether one more record would make it larger than a batch should be.
    pub(crate) fn has_no_room_for(&self, key: &[u8], record: &[u8]) -> bool {
        !self.entries.is_empty() && self.bytes.saturating_add(key.len()).saturating_add(record.len()) > PIECE
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries.iter().map(|(key, record)| (key.as_slice(), record.as_slice()))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// For each record `length of the key u16 BE | key | length of the record u32 BE | record`.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.bytes);
        for (key, record) in &self.entries {
            bytes.extend_from_slice(&u16::try_from(key.len()).ok()?.to_be_bytes());
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(&u32::try_from(record.len()).ok()?.to_be_bytes());
            bytes.extend_from_slice(record);
        }
        Some(bytes)
    }

    /// `None` when the bytes are no batch of records under keys that could have been written here.
    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut batch = Self::default();
        while !bytes.is_empty() {
            let (length, rest) = bytes.split_first_chunk::<2>()?;
            let (key, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            let (length, rest) = rest.split_first_chunk::<4>()?;
            let (record, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
            decode_key(key)?;
            Record::decode(record).ok()?;
            batch.push(key, record);
            bytes = rest;
        }
        (!batch.is_empty()).then_some(batch)
    }
}
