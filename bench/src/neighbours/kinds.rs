//! The ways in which a tenant can be a bad neighbour.

use clap::ValueEnum;
use serde::Serialize;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Loops without end.
    Spin,
    /// Fills all of its memory, again and again.
    MemoryFill,
    /// Grows its memory to the limit and touches it, call after call.
    Grow,
    /// Calls the cheapest host function for ever.
    HostCallFlood,
    /// Writes more to the log than fits.
    LogFlood,
    /// Overwrites large values.
    StorageFlood,
    /// Commits tiny values, one by one.
    FsyncFlood,
    /// Fills its cache shard many times over.
    CacheFlood,
    /// Uploads components that were never seen before.
    UploadFlood,
    /// Uploads components that are made to hurt whoever compiles them.
    CompileBombs,
    /// Sends bodies a byte at a time.
    SlowBody,
    /// Opens connections and leaves.
    ConnectionFlood,
}

impl Kind {
    /// The body of a call to the hostile guest, where that is what it takes.
    pub(super) fn request(self) -> Option<&'static str> {
        match self {
            Self::Spin => Some(r#"{"attack":"spin"}"#),
            Self::MemoryFill => Some(r#"{"attack":"fill-memory"}"#),
            Self::Grow => Some(r#"{"attack":"grow-memory"}"#),
            Self::HostCallFlood => Some(r#"{"attack":"host-call-flood"}"#),
            Self::LogFlood => Some(r#"{"attack":"log-flood","count":9000}"#),
            Self::StorageFlood => Some(r#"{"attack":"storage-flood","bytes":65536,"count":100}"#),
            Self::FsyncFlood => Some(r#"{"attack":"many-keys","count":1000}"#),
            Self::CacheFlood => Some(r#"{"attack":"cache-flood","bytes":16384,"count":3000}"#),
            Self::UploadFlood | Self::CompileBombs | Self::SlowBody | Self::ConnectionFlood => None,
        }
    }

    /// Connections at once: as many as it takes to saturate what it attacks.
    pub(super) fn connections(self) -> usize {
        match self {
            Self::UploadFlood | Self::CompileBombs => 4,
            Self::SlowBody => 200,
            Self::ConnectionFlood => 8,
            _ => 16,
        }
    }

    /// Its name, as it is typed.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}
