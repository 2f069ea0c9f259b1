//! What a caller holds of a flight: a lease, or a wait for one. Both let go by drop (B3).
//!
//! A wait is woken by whoever settles it and knows no time: deadlines are its caller's.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::flights::Number;
use super::locked::Locked;
use super::name::Name;
use super::nodes::{NewEntry, Version};
use super::record::Record;
use super::sync::Arc;

/// The name that a flight is for, as it is kept.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) encoded: Arc<[u8]>,
    pub(crate) hash: u64,
}

/// A lease that is out. Dropped, it goes on to one of those who wait.
pub(crate) struct Token {
    locked: Arc<Locked>,
    key: Key,
    lease: Number,
    version: Version,
    spent: bool,
}

/// A caller that waits. Dropped, it gives its seat up, and passes on a lease that it did not come for.
pub(crate) struct Wait {
    locked: Arc<Locked>,
    key: Key,
    seat: Number,
    version: Version,
    over: bool,
}

/// What a wait came to.
#[derive(Debug)]
pub(crate) enum Waited {
    Value(Record),
    Lease(Token),
}

/// A value without its name, and its life.
#[derive(Debug)]
pub(crate) struct NewValue {
    pub(crate) value: Vec<u8>,
    pub(crate) ttl_ms: u64,
    pub(crate) stale_ms: u64,
    pub(crate) this_version_only: bool,
}

impl NewValue {
    pub(crate) fn named(self, name: &Name<'_>, version: Version) -> NewEntry {
        let tied_to = self.this_version_only.then_some(version);
        let Self { value, ttl_ms, stale_ms, .. } = self;
        NewEntry { record: Record::new(name, &value), hash: name.hash, ttl_ms, stale_ms, tied_to }
    }
}

impl Token {
    pub(crate) fn new(locked: Arc<Locked>, key: Key, lease: Number, version: Version) -> Self {
        Self { locked, key, lease, version, spent: false }
    }

    /// Keeps a value and hands it to all who wait, if the lease is still in force.
    pub(crate) fn fill(mut self, value: NewValue, now_ms: u64) -> bool {
        self.spent = true;
        let entry = value.named(&Name::decode(&self.key.encoded, self.key.hash), self.version);
        self.locked.fill(self.lease, entry, now_ms)
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        if !self.spent {
            self.locked.let_go(&self.key.encoded, self.lease);
        }
    }
}

impl Wait {
    pub(crate) fn new(locked: Arc<Locked>, key: Key, seat: Number, version: Version) -> Self {
        Self { locked, key, seat, version, over: false }
    }

    /// Waits no longer; answers with what the wait had come to by then.
    pub(crate) fn give_up(mut self) -> Option<Waited> {
        self.leave()
    }

    fn leave(&mut self) -> Option<Waited> {
        if self.over {
            return None;
        }
        self.over = true;
        Locked::leave(&self.locked, &self.key, self.seat, self.version)
    }
}

impl Future for Wait {
    type Output = Waited;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Waited> {
        let polled = Locked::poll(&self.locked, &self.key, self.seat, self.version, context.waker());
        self.over |= polled.is_ready();
        polled
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        // A lease among it is passed on by its own drop.
        self.leave();
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Token({})", self.lease)
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Wait({})", self.seat)
    }
}
