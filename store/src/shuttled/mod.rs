//! The cores of this crate a second time, over locks and counters whose interleavings a scheduler decides and replays
//! (shuttle). In the ordinary test binary: no feature, no flag, no second build of what they depend on.
//!
//! [`sync`] has the names of [`crate::sync`]. Each other file here stands for a folder of the crate: it takes this `sync`
//! in where the folder takes the other, and names the folder's cores by `#[path]`. What they hold is checked there too.
//! Nothing of shuttle works outside of [`check`].
#![expect(
    dead_code,
    unreachable_pub,
    clippy::duplicate_mod,
    reason = "the same source on purpose, and of what it offers the crate only what the checks here need"
)]

mod cache;
#[path = "../quota.rs"]
mod quota;
mod storage;
mod sync;

/// Executions of each check. The schedules are drawn anew in every run; a failure prints the one to replay.
const EXECUTIONS: usize = 1_000;
/// Preemptions that the second scheduler places at will: most bugs need fewer.
const PREEMPTIONS: usize = 3;

/// Runs a body under many schedules: drawn at random, and drawn for few preemptions at unlikely places.
fn check(body: impl Fn() + Send + Sync + Copy + 'static) {
    shuttle::check_random(body, EXECUTIONS);
    shuttle::check_pct(body, EXECUTIONS, PREEMPTIONS);
}

#[test]
fn a_check_finds_an_update_that_is_lost_between_two_locks() {
    let found = std::panic::catch_unwind(|| {
        check(|| {
            let count = sync::Arc::new(sync::Mutex::new(0));
            let add = |count: &sync::Mutex<u64>| {
                let before = *count.lock();
                *count.lock() = before + 1;
            };
            let shared = sync::Arc::clone(&count);
            let thread = shuttle::thread::spawn(move || add(&shared));
            add(&count);
            thread.join().unwrap();
            assert_eq!(*count.lock(), 2);
        });
    });
    assert!(found.is_err(), "a check that finds nothing holds nothing");
}
