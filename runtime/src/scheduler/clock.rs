//! How much time a call has used: on a processor, summed over its slices, and on the clock.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::slice_clock;

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The clock of one call. Shared by its task, its guest and whoever waits for the answer.
pub(crate) struct CallClock {
    admitted: Instant,
    /// Nanoseconds from admission to the deadline.
    wall_limit: AtomicU64,
    /// Nanoseconds on a processor.
    cpu_limit: AtomicU64,
    /// Nanoseconds of the slices that have ended.
    cpu: AtomicU64,
    cancelled: AtomicBool,
    cancellation: Notify,
    /// What the guest is told of the time of day, where that is not the real one.
    time_of_day: Option<Duration>,
}

impl CallClock {
    /// Starts now.
    pub(crate) fn start(wall_limit: Duration, cpu_limit: Duration) -> Self {
        Self {
            admitted: Instant::now(),
            wall_limit: AtomicU64::new(nanos(wall_limit)),
            cpu_limit: AtomicU64::new(nanos(cpu_limit)),
            cpu: AtomicU64::new(0),
            cancelled: AtomicBool::new(false),
            cancellation: Notify::new(),
            time_of_day: None,
        }
    }

    /// The same, whose guest is told this time of day, since 1970, and not the real one.
    pub(crate) fn telling(self, time_of_day: Option<Duration>) -> Self {
        Self { time_of_day, ..self }
    }

    /// What the guest is told of the time of day, where that is not the real one.
    pub(crate) fn time_of_day(&self) -> Option<Duration> {
        self.time_of_day
    }

    /// Less time than it was started with, before the guest runs. It never becomes more.
    pub(crate) fn tighten(&self, wall_limit: Duration, cpu_limit: Duration) {
        self.wall_limit.fetch_min(nanos(wall_limit), Ordering::Relaxed);
        self.cpu_limit.fetch_min(nanos(cpu_limit), Ordering::Relaxed);
    }

    /// When the call must be over.
    pub(crate) fn deadline(&self) -> Instant {
        self.admitted + Duration::from_nanos(self.wall_limit.load(Ordering::Relaxed))
    }

    /// Whether the deadline is over.
    pub(crate) fn is_late(&self) -> bool {
        nanos(self.admitted.elapsed()) >= self.wall_limit.load(Ordering::Relaxed)
    }

    /// Whether the call has had its processor time. On the guest's thread.
    pub(crate) fn is_spent(&self) -> bool {
        nanos(self.cpu_now()) >= self.cpu_limit.load(Ordering::Relaxed)
    }

    /// Processor time of the slice that runs on this thread.
    pub(crate) fn slice_so_far() -> Duration {
        slice_clock::so_far()
    }

    /// The slice on this thread has ended, and was one of this call. What it took.
    pub(crate) fn end_slice(&self) -> Duration {
        let took = slice_clock::end();
        self.cpu.fetch_add(nanos(took), Ordering::Relaxed);
        took
    }

    /// Processor time so far, with the slice that runs now. On the guest's thread.
    pub(crate) fn cpu_now(&self) -> Duration {
        Duration::from_nanos(self.cpu.load(Ordering::Relaxed)) + Self::slice_so_far()
    }

    /// Time since admission.
    pub(crate) fn wall(&self) -> Duration {
        self.admitted.elapsed()
    }

    /// Nobody waits for the answer any more.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
        self.cancellation.notify_one();
    }

    /// Waits until nobody waits for the answer any more. One waiter.
    pub(crate) async fn cancelled(&self) {
        self.cancellation.notified().await;
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

impl insula_host_api::CallClock for CallClock {
    fn cpu_us(&self) -> u64 {
        u64::try_from(self.cpu_now().as_micros()).unwrap_or(u64::MAX)
    }

    fn wall_us(&self) -> u64 {
        u64::try_from(self.wall().as_micros()).unwrap_or(u64::MAX)
    }
}

impl fmt::Debug for CallClock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CallClock({:?})", self.wall())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_tightened_and_never_loosened() {
        let (long, short) = (Duration::from_secs(60), Duration::from_secs(20));
        let clock = CallClock::start(long, long);
        clock.tighten(short, short);
        let deadline = clock.deadline();
        assert_eq!(deadline, clock.admitted + short);
        clock.tighten(long, long);
        assert_eq!(clock.deadline(), deadline);
        assert!(!clock.is_late() && !clock.is_spent());
        clock.tighten(Duration::ZERO, Duration::ZERO);
        assert!(clock.is_late() && clock.is_spent());
    }
}
