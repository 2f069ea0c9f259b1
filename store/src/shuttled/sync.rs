//! The names of [`crate::sync`], under shuttle.

pub(crate) use std::sync::{Arc, PoisonError};

pub(crate) use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::sync::{Mutex as Lock, MutexGuard};

/// A lock whose guard comes without a result: a core never unwinds while it holds one, and a check that fails is over.
#[derive(Default)]
pub(crate) struct Mutex<T>(Lock<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Lock::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
