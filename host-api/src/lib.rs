//! What a guest can do: the interfaces of `wit/`, served from handles.
//!
//! This crate owns the bindings of the WIT package, one module a capability, the [`Grants`] that one call may touch,
//! the [`Budget`] that it is charged to, and the errors that a guest can see. It opens no file, no socket and no
//! database, and has no word for whose handles it serves:
//!
//! - **T3** a handle arrives here already cut down to its owner. There is nothing here to look an owner up by.
//! - **T5** authority is in the handle, never in a name that the guest passes.
//! - **B2** every host function charges the budget through [`Host::charge`] before it acts.

pub mod bindings;
mod budget;
mod cache;
mod config;
mod error;
mod grants;
mod limits;
mod log;
mod log_meter;
mod names;
mod storage;
pub mod usage;

pub use budget::{Budget, Exhausted, HOST_CALL_KINDS, HostCall, HostCalls, Refused};
pub use cache::{
    Cache, CacheError, CacheStatistics, FoundOrLease, LEASES_LIMIT, Lease, Life, Patience, WAIT_LIMIT_MS, WAITERS_LIMIT,
};
pub use error::Error;
pub use grants::{CallClock, Configuration, Grants, Host, link};
pub use limits::CallLimits;
pub use log::{Level, LogSink, MESSAGE_LIMIT, Source, clean_message};
pub use log_meter::LogMeter;
pub use names::{BucketName, EntryKey, InvalidName, KEY_LIMIT, NamespaceName};
pub use storage::{
    Answer, Change, Committed, Entry, Expectation, GET_MANY_ANSWER_LIMIT, GET_MANY_LIMIT, LIST_LIMIT, LIST_PAGE_LIMIT,
    Page, Place, Precondition, REWRITE_LIMIT, Selection, Storage, StorageError, TTL_LIMIT_MS, WRITES_LIMIT, Write,
};
