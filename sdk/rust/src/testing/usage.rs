//! The functions of `wit/usage.wit`: the standard limits, of which nothing is used until a test says so.

use std::cell::RefCell;

use crate::usage::Allowance;

/// The limits of a tenant for whom nothing was set.
const STANDARD: [(&str, u64); 7] = [
    ("fuel", 2_000_000_000),
    ("cpu-us", 2_000_000),
    ("wall-us", 10_000_000),
    ("memory-bytes", 128 << 20),
    ("host-calls", 10_000),
    ("host-bytes", 64 << 20),
    ("log-bytes", 64 << 10),
];

thread_local! {
    pub(super) static USED: RefCell<Vec<(String, u64)>> = const { RefCell::new(Vec::new()) };
}

/// See `report` in `wit/usage.wit`.
#[must_use]
pub fn report() -> Vec<Allowance> {
    let used =
        |name: &str| USED.with_borrow(|used| used.iter().find(|(other, _)| other == name).map_or(0, |one| one.1));
    STANDARD
        .iter()
        .map(|(name, limit)| Allowance { name: (*name).to_owned(), used: used(name), limit: *limit })
        .collect()
}

/// See `remaining` in `wit/usage.wit`.
#[must_use]
pub fn remaining(name: &str) -> u64 {
    report().iter().find(|one| one.name == name).map_or(0, |one| one.limit.saturating_sub(one.used))
}
