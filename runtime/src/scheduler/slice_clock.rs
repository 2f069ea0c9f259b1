//! How long the slice on this thread has run, in processor time.
//!
//! The kernel's clock of a thread is a system call, and three of them were a tenth of a short call. The clock on the wall is
//! not, and a slice that is shorter than [`SHORT`] by it has had no more than that of the processor, and most likely all of
//! it. So short slices are charged by the wall, and the kernel is asked where a slice is longer: what it has then is the
//! thread's time less what it was charged before. The difference of the two is what the thread did between slices; it is
//! forgotten every few slices, so that no slice pays for many of them.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// A slice that is shorter than this on the wall is charged by the wall.
const SHORT: Duration = Duration::from_micros(30);
/// Slices after which the kernel is asked in any case.
const TRUSTED: u32 = 16;

thread_local! {
    static CLOCK: Cell<Option<SliceClock>> = const { Cell::new(None) };
}

#[derive(Debug, Clone, Copy)]
struct SliceClock {
    begun: Instant,
    /// What the thread had had of the processor when the slice began, as far as it was asked for or charged.
    before: Duration,
    /// Slices since the kernel was asked.
    trusted: u32,
}

/// A slice begins on this thread.
pub(super) fn begin() {
    let clock = match CLOCK.get() {
        Some(clock) if clock.trusted < TRUSTED => clock,
        _ => SliceClock { begun: Instant::now(), before: thread_time(), trusted: 0 },
    };
    CLOCK.set(Some(SliceClock { begun: Instant::now(), trusted: clock.trusted + 1, ..clock }));
}

/// Processor time of the slice that runs on this thread; none where none does.
pub(super) fn so_far() -> Duration {
    CLOCK.get().map_or(Duration::ZERO, |clock| clock.read().0)
}

/// The slice on this thread ends. What it took.
pub(super) fn end() -> Duration {
    let Some(clock) = CLOCK.get() else { return Duration::ZERO };
    let (took, thread) = clock.read();
    let (before, trusted) = thread.map_or((clock.before + took, clock.trusted), |thread| (thread, 0));
    CLOCK.set(Some(SliceClock { before, trusted, ..clock }));
    took
}

impl SliceClock {
    /// What the slice has had, and the thread where it was asked.
    fn read(self) -> (Duration, Option<Duration>) {
        let wall = self.begun.elapsed();
        if wall < SHORT {
            return (wall, None);
        }
        let thread = thread_time();
        (thread.saturating_sub(self.before).min(wall), Some(thread))
    }
}

/// The processor time of this thread.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uses the processor for so long.
    fn burn(time: Duration) {
        let until = thread_time() + time;
        while thread_time() < until {}
    }

    #[test]
    fn slices_together_are_charged_what_the_thread_had_and_little_more() {
        std::thread::spawn(|| {
            let start = thread_time();
            let mut charged = Duration::ZERO;
            for number in 0..400_u32 {
                begin();
                burn(Duration::from_micros(if number % 10 == 0 { 400 } else { 20 }));
                charged += end();
            }
            let had = thread_time() - start;
            // Short slices that lost the processor meanwhile are charged for that too, thirty microseconds each at most.
            assert!(charged <= had + SHORT * 400, "{charged:?} of {had:?}");
            assert!(charged >= had / 2, "{charged:?} of {had:?}");
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_slice_that_waits_is_not_charged_for_the_wait() {
        std::thread::spawn(|| {
            begin();
            std::thread::park_timeout(Duration::from_millis(20));
            assert!(so_far() <= Duration::from_millis(10), "{:?}", so_far());
            assert!(end() <= Duration::from_millis(10));
        })
        .join()
        .unwrap();
    }
}
