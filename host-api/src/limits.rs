//! The limits of one call, as plain numbers.

use std::num::NonZeroU64;

/// What one call may use at most. Every field is required and none can be zero: there is no "unlimited".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// Fuel: one unit for most instructions. Deterministic.
    pub fuel: NonZeroU64,
    /// Time on a processor, in microseconds.
    pub cpu_us: NonZeroU64,
    /// Time on the clock from admission to answer, in microseconds.
    pub wall_us: NonZeroU64,
    /// All linear memories and tables together, in bytes.
    pub memory_bytes: NonZeroU64,
    /// Elements of all tables together.
    pub table_elements: NonZeroU64,
    /// Host functions called, of all kinds together.
    pub host_calls: NonZeroU64,
    /// Bytes that cross into host functions and back, together.
    pub host_bytes: NonZeroU64,
    /// Keys and values that storage answers with, in bytes.
    pub storage_read_bytes: NonZeroU64,
    /// Buckets, keys, values and conditions that storage is asked to write, in bytes.
    pub storage_write_bytes: NonZeroU64,
    /// Namespaces, keys and values into the cache and out of it, in bytes.
    pub cache_traffic_bytes: NonZeroU64,
    /// Bytes of log messages.
    pub log_bytes: NonZeroU64,
    /// The body of the answer, in bytes.
    pub response_bytes: NonZeroU64,
    /// One value in storage or cache, in bytes.
    pub value_bytes: NonZeroU64,
}
