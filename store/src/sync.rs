//! What cores that share state between threads build on: locks, counters and shared pointers, by one name each.
//!
//! A core is a file that owns its locks and knows no executor, no timer and no disk. It takes these names through
//! `super::sync` and nothing of the kind from anywhere else, so that the tests can compile the same file a second time
//! over names that put every interleaving of threads under control: see `shuttled`, which has the same list.

pub(crate) use std::sync::Arc;
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use parking_lot::Mutex;
