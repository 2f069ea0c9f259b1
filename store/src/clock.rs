//! The clock that cache and storage read, injected so that no test has to wait.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Time since some start, which never goes back, and the time of day, which may.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since the clock's own start.
    fn now_ms(&self) -> u64;

    /// Milliseconds since 1970 in UTC: what outlives the process is measured by it.
    fn unix_ms(&self) -> u64;
}

/// The operating system's clocks.
#[derive(Debug)]
pub struct MonotonicClock(Instant);

impl MonotonicClock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for MonotonicClock {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn unix_ms(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
    }
}
