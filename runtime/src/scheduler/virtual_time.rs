//! Virtual time: processor time over weight, in whole numbers that neither vanish nor overflow.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Virtual units of a nanosecond at a weight of one: no less than the largest weight, so that no time is rounded to
/// nothing.
const UNITS: u64 = 10_000;
/// The most that one slice can cost. No slice comes near it; with it, sums of what is in flight cannot overflow.
const MOST: u64 = 1 << 56;

/// A tenant's weight as it stands: shared by its calls, and read each time that one of them is queued.
#[derive(Debug)]
pub(crate) struct Weight(AtomicU64);

impl Weight {
    pub(crate) fn new(weight: NonZeroU64) -> Self {
        Self(AtomicU64::new(weight.get()))
    }

    /// The operator changed it.
    pub(crate) fn set(&self, weight: NonZeroU64) {
        self.0.store(weight.get(), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> NonZeroU64 {
        NonZeroU64::new(self.0.load(Ordering::Relaxed)).unwrap_or(NonZeroU64::MIN)
    }
}

/// What so much processor time costs at this weight.
pub(super) fn cost(took: Duration, weight: NonZeroU64) -> u64 {
    let units = took.as_nanos().saturating_mul(u128::from(UNITS)) / u128::from(weight.get());
    u64::try_from(units).unwrap_or(MOST).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_free_and_none_overflows() {
        let [light, heavy] = [1, 10_000].map(|weight| NonZeroU64::new(weight).unwrap());
        assert_eq!(cost(Duration::from_nanos(1), heavy), 1);
        assert_eq!(cost(Duration::from_nanos(1), light), UNITS);
        assert_eq!(cost(Duration::MAX, light), MOST);
        assert_eq!(cost(Duration::from_secs(1), heavy) * 10_000, cost(Duration::from_secs(1), light));
    }
}
