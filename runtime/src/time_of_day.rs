//! The time of day that a tenant's guests are told: the real one, or a moment that stands still, for whoever tests agents
//! that tell the time.
//!
//! It is told to guests and decides nothing: lives, deadlines, leases, logs, audit and bills go by the real clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wasmtime_wasi::HostWallClock;

/// What one tenant's guests are told.
#[derive(Debug, Default)]
pub(crate) struct TimeOfDay {
    /// Nanoseconds since 1970; 0 for the real clock.
    nanos: AtomicU64,
}

impl TimeOfDay {
    /// From the next call on.
    pub(crate) fn set(&self, since_1970: Option<Duration>) {
        let nanos = since_1970.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1));
        self.nanos.store(nanos, Ordering::Relaxed);
    }

    /// The moment that stands still, if there is one.
    pub(crate) fn told(&self) -> Option<Duration> {
        match self.nanos.load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }
}

/// A wall clock that stands still.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StandingStill(pub(crate) Duration);

impl HostWallClock for StandingStill {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_clock_is_told_until_something_else_is_said_and_again_when_that_is_taken_back() {
        let time = TimeOfDay::default();
        assert_eq!(time.told(), None);
        time.set(Some(Duration::from_secs(7)));
        assert_eq!(time.told(), Some(Duration::from_secs(7)));
        time.set(Some(Duration::ZERO));
        assert_eq!(time.told(), Some(Duration::from_nanos(1)), "1970 itself is a moment, too");
        time.set(None);
        assert_eq!(time.told(), None);
    }
}
