//! Why a call had no place: which limit of its tenant, or what the host is short of. And what a tenant's rate leaves it.

/// The limit of its own that a tenant has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TenantLimit {
    /// Calls in a second.
    #[error("has made more calls than its rate of {limit} in a second and its burst allow")]
    Rate {
        /// The limit, in calls a second.
        limit: u64,
    },
    /// Calls in flight: none of them ended while this one waited.
    #[error("has {limit} calls in flight, which is its limit, and none ended while this one waited")]
    Concurrency {
        /// The limit, in calls.
        limit: u64,
    },
    /// Calls that wait for a place.
    #[error("has {limit} calls that wait for a place, which is its limit")]
    Queue {
        /// The limit, in calls.
        limit: u64,
    },
}

impl TenantLimit {
    /// The limit's name, in kebab-case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rate { .. } => "rate",
            Self::Concurrency { .. } => "concurrency",
            Self::Queue { .. } => "queue",
        }
    }

    /// How much it is.
    #[must_use]
    pub fn limit(self) -> u64 {
        match self {
            Self::Rate { limit } | Self::Concurrency { limit } | Self::Queue { limit } => limit,
        }
    }
}

/// What the host was short of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostShortage {
    /// No place became free while the call waited.
    #[error("and no place became free while this call waited")]
    Full,
    /// As many calls wait as may, and this tenant has the most for its weight.
    #[error("and so is its queue; of those that wait, this tenant has the most for its weight")]
    Queue,
    /// The call waited, and gave way to a tenant that has less for its weight.
    #[error("and this call, which waited, gave way to a tenant that has less for its weight")]
    Shed,
}

/// What a tenant may begin at its rate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateQuota {
    /// Calls in a second.
    pub rate: u64,
    /// Calls at once.
    pub burst: u64,
    /// Calls that it may begin now.
    pub left: u64,
}

impl RateQuota {
    /// Whether little is left: less than a quarter of the burst.
    #[must_use]
    pub fn is_low(&self) -> bool {
        self.left < self.burst / 4
    }
}
