//! A token bucket: how many calls a tenant may begin now, at its rate and up to its burst. Pure: time is an argument.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::shortage::RateQuota;

/// Parts of a token, as many as a second has nanoseconds: at a rate of one, a part each.
const TOKEN: u64 = 1_000_000_000;

/// A tenant's bucket. It begins full.
#[derive(Debug)]
pub(super) struct Bucket {
    parts: u64,
    rate: NonZeroU64,
    burst: NonZeroU64,
    /// The time up to which it was filled.
    filled: Duration,
}

impl Bucket {
    pub(super) fn full(rate: NonZeroU64, burst: NonZeroU64, now: Duration) -> Self {
        Self { parts: burst.get().saturating_mul(TOKEN), rate, burst, filled: now }
    }

    /// Fills it up to now, at these terms from now on.
    pub(super) fn fill(&mut self, rate: NonZeroU64, burst: NonZeroU64, now: Duration) {
        let elapsed = u64::try_from(now.saturating_sub(self.filled).as_nanos()).unwrap_or(u64::MAX);
        let more = elapsed.saturating_mul(self.rate.get());
        self.parts = self.parts.saturating_add(more).min(burst.get().saturating_mul(TOKEN));
        (self.rate, self.burst, self.filled) = (rate, burst, self.filled.max(now));
    }

    /// Whole tokens that are left.
    pub(super) fn left(&self) -> u64 {
        self.parts / TOKEN
    }

    pub(super) fn quota(&self) -> RateQuota {
        RateQuota { rate: self.rate.get(), burst: self.burst.get(), left: self.left() }
    }

    /// Takes one, if there is one.
    pub(super) fn take(&mut self) -> bool {
        let Some(parts) = self.parts.checked_sub(TOKEN) else {
            return false;
        };
        self.parts = parts;
        true
    }

    /// How long until there is one.
    pub(super) fn wait(&self) -> Duration {
        Duration::from_nanos(TOKEN.saturating_sub(self.parts).div_ceil(self.rate.get()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(number: u64) -> NonZeroU64 {
        NonZeroU64::new(number).unwrap()
    }

    #[test]
    fn a_burst_goes_at_once_and_then_it_is_the_rate() {
        let mut bucket = Bucket::full(number(4), number(3), Duration::ZERO);
        assert_eq!([(); 4].map(|()| bucket.take()), [true, true, true, false]);
        assert_eq!(bucket.wait(), Duration::from_millis(250));
        bucket.fill(number(4), number(3), Duration::from_millis(249));
        assert!(!bucket.take());
        bucket.fill(number(4), number(3), Duration::from_millis(250));
        assert!(bucket.take() && !bucket.take());
        bucket.fill(number(4), number(3), Duration::from_secs(3_600));
        assert_eq!(bucket.left(), 3, "it holds no more than its burst");
        bucket.fill(number(4), number(1), Duration::from_secs(3_600));
        assert_eq!(bucket.left(), 1, "a smaller burst holds at once");
    }

    proptest! {
        #[test]
        fn no_more_than_burst_and_rate_allow_pass_in_any_time(
            (rate, burst) in (1_u64..=1_000_000, 1_u64..=1_000_000),
            pauses in prop::collection::vec((0_u64..3_000_000_000, 1_u32..2_000), 1..40),
        ) {
            let (rate, burst) = (number(rate), number(burst));
            let (mut now, mut taken) = (Duration::ZERO, 0_u64);
            let mut bucket = Bucket::full(rate, burst, now);
            for (pause, asks) in pauses {
                now += Duration::from_nanos(pause);
                bucket.fill(rate, burst, now);
                for _ in 0..asks {
                    let had = bucket.left();
                    prop_assert_eq!(bucket.take(), had > 0);
                    taken += u64::from(had > 0);
                }
                let allowed = u128::from(burst.get()) + now.as_nanos() * u128::from(rate.get()) / 1_000_000_000;
                prop_assert!(u128::from(taken) <= allowed);
                if bucket.left() == 0 {
                    // The wait that is told is enough, and no longer than it must be.
                    let wait = bucket.wait();
                    bucket.fill(rate, burst, now + wait.saturating_sub(Duration::from_nanos(1)));
                    prop_assert_eq!(bucket.left(), 0);
                    now += wait;
                    bucket.fill(rate, burst, now);
                    prop_assert_eq!(bucket.left(), 1);
                }
            }
        }
    }
}
