//! The clock that the cache reads, injected so that no test has to wait.

use std::time::Instant;

/// Time since some start, which never goes back.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since the clock's own start.
    fn now_ms(&self) -> u64;
}

/// The operating system's monotonic clock.
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
}
