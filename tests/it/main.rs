//! The suites that look at the whole from outside: public API, HTTP and the real binary. Every one of them has at least
//! two tenants, and a bystander whose data must not change.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what went wrong by failing; clippy's allowance does not reach helpers beside #[test] functions"
)]

mod admission;
mod agent_limits;
mod bills;
mod budgets;
mod cli;
mod dense;
mod dev_parity;
mod dev_runner;
mod erase;
mod guests;
mod harness;
mod hostile;
mod http;
mod isolation;
mod kills;
mod languages;
mod ledger;
mod limits;
mod matrix;
mod newcomer;
mod probes;
mod published;
mod recall;
mod restart;
mod shut_in;
mod tiers;
mod trouble;
mod tutorial;
mod uploads;
mod versions;
