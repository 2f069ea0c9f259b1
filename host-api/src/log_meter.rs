//! What a call may still log, whichever way its lines come.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a line counts at least, in bytes: an empty one takes its place in the ring too.
const LINE_FLOOR_BYTES: u64 = 16;

/// Bytes of log that a call may still write, shared between the `log` interface and standard output and error.
pub struct LogMeter {
    limit: u64,
    used: AtomicU64,
    dropped: AtomicU64,
}

impl LogMeter {
    /// Nothing is written yet.
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, used: AtomicU64::new(0), dropped: AtomicU64::new(0) }
    }

    /// Takes room for a line, or counts it as dropped.
    #[must_use]
    pub fn admit(&self, bytes: usize) -> bool {
        let bytes = (bytes as u64).max(LINE_FLOOR_BYTES);
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= self.limit;
        if !fits {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        fits
    }

    /// Bytes written.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The most that may be written, in bytes.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Lines that did not fit.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for LogMeter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "LogMeter({} of {} bytes, {} lines dropped)", self.used(), self.limit, self.dropped())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_beyond_the_limit_are_counted_and_dropped() {
        let log = LogMeter::new(100);
        assert!(log.admit(80));
        assert!(!log.admit(80));
        assert!(log.admit(0), "an empty line fits, and counts");
        assert_eq!((log.used(), log.dropped()), (96, 1));
    }
}
