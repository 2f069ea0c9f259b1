//! The functions of `wit/config.wit`, over this thread's memory.

use std::cell::RefCell;
use std::collections::BTreeMap;

thread_local! {
    pub(super) static CONFIG: RefCell<BTreeMap<String, String>> = RefCell::default();
}

/// See `get` in `wit/config.wit`.
#[must_use]
pub fn get(name: &str) -> Option<String> {
    CONFIG.with_borrow(|config| config.get(name).cloned())
}

/// See `all` in `wit/config.wit`.
#[must_use]
pub fn all() -> Vec<(String, String)> {
    CONFIG.with_borrow(|config| config.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
}
