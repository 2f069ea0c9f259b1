//! One instant, the same for all that one operation looks at, and looked up only when something has a life.

use std::cell::OnceCell;

use crate::clock::Clock;

/// The time of one operation.
pub(crate) struct Moment<'a> {
    clock: &'a dyn Clock,
    /// No time is before this one.
    floor_ms: u64,
    now_ms: OnceCell<u64>,
}

impl<'a> Moment<'a> {
    pub(crate) fn new(clock: &'a dyn Clock, floor_ms: u64) -> Self {
        Self { clock, floor_ms, now_ms: OnceCell::new() }
    }

    /// In Unix milliseconds.
    pub(crate) fn ms(&self) -> u64 {
        *self.now_ms.get_or_init(|| self.clock.unix_ms().max(self.floor_ms))
    }
}
