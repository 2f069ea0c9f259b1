//! Storage in memory, for the tests of an agent on the machine that builds it (feature `testing`).
//!
//! Each thread has a storage of its own, and so each test. It keeps the rules of `wit/storage.wit`: names, versions,
//! preconditions, lives, pages. It has no quota and keeps nothing on disk. Log lines go to standard error, where `cargo
//! test` keeps them for tests that fail. The other interfaces are not there: a test calls the parts of its agent that need
//! storage and nothing else.
//!
//! ```toml
//! [dev-dependencies]
//! insula-sdk = { path = "../../sdk/rust", features = ["testing"] }
//! ```

mod memory;
pub(crate) mod storage;

#[cfg(test)]
mod tests;

use std::cell::RefCell;

use memory::Memory;

use crate::log::Level;

type Act = Box<dyn FnMut()>;

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
    static BEFORE_COMMIT: RefCell<Option<Act>> = const { RefCell::new(None) };
}

/// Empties this thread's storage, and lets nobody write in between any more: for a test that runs many cases.
pub fn reset() {
    MEMORY.with_borrow_mut(|memory| *memory = Memory::default());
    BEFORE_COMMIT.set(None);
}

/// Lets time pass for the lives of keys, in milliseconds.
pub fn advance(ms: u64) {
    MEMORY.with_borrow_mut(|memory| memory.advance(ms));
}

/// Calls `act` before each commit from now on: what it writes comes between what an agent read and what it commits. Its
/// own writes do not call it again.
pub fn before_commit(act: impl FnMut() + 'static) {
    BEFORE_COMMIT.set(Some(Box::new(act)));
}

/// Every key that is there, as (bucket, key).
#[must_use]
pub fn keys() -> Vec<(String, String)> {
    MEMORY.with_borrow(Memory::keys)
}

/// Writes a line of the log to standard error.
pub fn write(level: Level, message: &str) {
    eprintln!("{level:?}: {message}");
}

/// Lets the others write first.
fn let_others_write() {
    let Some(mut act) = BEFORE_COMMIT.take() else { return };
    act();
    BEFORE_COMMIT.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Some(act);
        }
    });
}
