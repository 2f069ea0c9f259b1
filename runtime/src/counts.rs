//! Counts by name that every call adds to, in parts with a lock each: no thread waits for another to count.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

/// Parts; threads share them from the seventeenth on.
const PARTS: usize = 16;

thread_local! {
    /// Which part this thread counts in.
    static PART: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Counts by name.
#[derive(Debug, Default)]
pub(crate) struct Counts([Part; PARTS]);

/// On cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Part(Mutex<BTreeMap<&'static str, u64>>);

impl Counts {
    /// One more of this name.
    pub(crate) fn add(&self, name: &'static str) {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = PART.get().unwrap_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed) % PARTS);
        PART.set(Some(number));
        if let Some(part) = self.0.get(number) {
            *part.0.lock().entry(name).or_default() += 1;
        }
    }

    /// Each name and how often it was added, in order of names.
    pub(crate) fn totals(&self) -> BTreeMap<&'static str, u64> {
        let mut totals = BTreeMap::new();
        for part in &self.0 {
            for (name, count) in part.0.lock().iter() {
                *totals.entry(*name).or_default() += count;
            }
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_threads_count_is_there_together_and_one_name_is_not_another() {
        let counts = Counts::default();
        std::thread::scope(|scope| {
            for thread in 0..3 * PARTS {
                let counts = &counts;
                scope.spawn(move || {
                    (0..100).for_each(|_| counts.add(if thread % 2 == 0 { "ok" } else { "agent-trap" }))
                });
            }
        });
        let half = 100 * 3 * PARTS as u64 / 2;
        assert_eq!(counts.totals(), BTreeMap::from([("ok", half), ("agent-trap", half)]));
    }
}
