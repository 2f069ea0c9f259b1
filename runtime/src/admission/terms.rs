//! What a tenant may do at the desk, and why a call of it has no place.

use std::num::NonZeroU64;
use std::time::Duration;

/// What a tenant may do, as its limits stand when a call of it arrives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) weight: NonZeroU64,
    /// Calls that hold a place at once.
    pub(super) concurrency: u64,
    /// Calls that wait for one.
    pub(super) queue: u64,
    /// Calls in a second, and at once.
    pub(super) rate: NonZeroU64,
    pub(super) burst: NonZeroU64,
    /// Bytes that a call may come to use.
    pub(super) memory: u64,
}

/// Why a call has no place, and does not wait for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The tenant's rate. There is a token again after so long.
    Rate(Duration),
    /// As many calls of the tenant wait as may.
    Queue,
    /// As many calls wait as may, and this tenant has most for its weight.
    Room,
    /// A call of this tenant can never fit.
    Memory,
}

/// Whose limit keeps a tenant's oldest waiting call waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Short {
    Tenant,
    Host,
}
