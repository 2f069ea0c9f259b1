//! The host in memory, for the tests of an agent on the machine that builds it (feature `testing`).
//!
//! Each thread has a storage, a cache, a configuration and a budget of its own, and so each test. Storage and cache keep
//! the rules of `wit/`: names, versions, preconditions, lives, pages, leases. There is no quota and nothing is on disk.
//! Log lines go to standard error, where `cargo test` keeps them for tests that fail. What it costs, and what limits do,
//! is for `insula test`, which runs the component on the real host.
//!
//! ```toml
//! [dev-dependencies]
//! insula-sdk = { path = "vendor/sdk/rust", features = ["testing"] }
//! ```
//!
//! ```
//! use insula_sdk::prelude::*;
//! use insula_sdk::testing;
//!
//! struct Greeter;
//!
//! impl Agent for Greeter {
//!     fn invoke(request: Request) -> Result<Response, Error> {
//!         let times = storage::increment("greetings", request.text()?, 1)?;
//!         Ok(Response::text(format!("{}, for the {times}. time", config::get("greeting").unwrap_or_default())))
//!     }
//! }
//!
//! testing::configure("greeting", "Salve");
//! let answer = Greeter::invoke(Request::of_text("Marta"))?;
//! assert_eq!(answer.body_text()?, "Salve, for the 1. time");
//! # Ok::<(), Error>(())
//! ```

pub(crate) mod cache;
pub(crate) mod config;
mod memory;
pub(crate) mod storage;
pub(crate) mod usage;

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

/// Empties all of this thread's, and lets nobody write in between any more: for a test that runs many cases.
pub fn reset() {
    cache::SHARD.take();
    config::CONFIG.take();
    usage::USED.take();
    MEMORY.with_borrow_mut(|memory| *memory = Memory::default());
    BEFORE_COMMIT.set(None);
}

/// Lets time pass for the lives of keys and of cached values, in milliseconds.
pub fn advance(ms: u64) {
    cache::SHARD.with_borrow_mut(|shard| shard.advance(ms));
    MEMORY.with_borrow_mut(|memory| memory.advance(ms));
}

/// Calls `act` before each commit from now on: what it writes comes between what an agent read and what it commits. Its
/// own writes do not call it again.
pub fn before_commit(act: impl FnMut() + 'static) {
    BEFORE_COMMIT.set(Some(Box::new(act)));
}

/// Sets a value of the agent's configuration.
pub fn configure(name: impl Into<String>, value: impl Into<String>) {
    config::CONFIG.with_borrow_mut(|config| config.insert(name.into(), value.into()));
}

/// Says how much of a resource, such as `fuel`, the call has used.
pub fn use_up(name: impl Into<String>, used: u64) {
    let name = name.into();
    usage::USED.with_borrow_mut(|all| {
        all.retain(|(other, _)| *other != name);
        all.push((name, used));
    });
}

/// Forgets every cached value, as a cache may at any time. Leases stay.
pub fn forget_cached() {
    cache::SHARD.with_borrow_mut(cache::Shard::forget);
}

/// Goes on as another version of the agent: what was cached for the present one alone is not found any more.
pub fn activate_another_version() {
    cache::SHARD.with_borrow_mut(cache::Shard::activate_another_version);
}

/// Namespaces of the cache that have entries.
#[must_use]
pub fn namespaces() -> Vec<String> {
    cache::namespaces().into_iter().collect()
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
