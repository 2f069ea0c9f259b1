//! A tenant's calls in flight, and the right to run one (B3).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::register::Key;
use super::waiting::Told;
use super::{Admission, told};
use crate::scheduler::CallClock;
use crate::shortage::RateQuota;

/// A tenant's calls.
#[derive(Debug)]
pub(crate) struct TenantSlots {
    pub(super) key: Key,
    pub(super) host: Arc<Admission>,
    closed: AtomicBool,
    emptied: Notify,
    calls: Mutex<Calls>,
}

/// The clocks by which calls are told to stop. As many as there are slots (B1).
#[derive(Debug, Default)]
struct Calls {
    clocks: HashMap<u64, Arc<CallClock>>,
    last: u64,
}

/// The right to run one call. Dropped, it gives its place back.
#[derive(Debug)]
pub(crate) struct Admitted {
    tenant: Arc<TenantSlots>,
    memory: u64,
    call: Option<u64>,
    /// How long it waited for its place.
    pub(crate) queued: Duration,
    /// What its tenant may still begin.
    pub(crate) quota: RateQuota,
}

impl TenantSlots {
    pub(super) fn new(key: Key, host: &Arc<Admission>) -> Self {
        let (closed, emptied, calls) = (AtomicBool::new(false), Notify::new(), Mutex::default());
        Self { key, host: Arc::clone(host), closed, emptied, calls }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Sends away what waits: the tenant is suspended. What is in flight finishes.
    pub(crate) fn suspend(&self) {
        self.send_away(Told::Suspended);
    }

    /// Admits nothing more, sends away what waits, tells what is in flight to stop, and waits until it has.
    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.send_away(Told::Closed);
        for clock in self.calls.lock().clocks.values() {
            clock.cancel();
        }
        loop {
            let emptied = self.emptied.notified();
            if self.host.state.lock().places.held_by(self.key) == 0 {
                return;
            }
            emptied.await;
        }
    }

    fn send_away(&self, why: Told) {
        let waiting = self.host.change(|state| told(state.places.drain(self.key), why));
        waiting.iter().for_each(|waiter| waiter.wake());
    }

    /// A call has ended, and this many of the tenant's are left.
    pub(super) fn left(&self, left: u64) {
        if left == 0 {
            self.emptied.notify_waiters();
        }
    }
}

impl Drop for TenantSlots {
    fn drop(&mut self) {
        // Calls hold their tenant's slots: none is left.
        self.host.state.lock().places.forget(self.key);
    }
}

impl Admitted {
    pub(super) fn new(tenant: &Arc<TenantSlots>, memory: u64, quota: RateQuota, queued: Duration) -> Self {
        Self { tenant: Arc::clone(tenant), memory, call: None, queued, quota }
    }

    /// The call's clock: by it the call is told to stop when its tenant is closed, also when that is so already.
    pub(crate) fn watch(&mut self, clock: &Arc<CallClock>) {
        let mut calls = self.tenant.calls.lock();
        calls.last += 1;
        let call = calls.last;
        calls.clocks.insert(call, Arc::clone(clock));
        drop(calls);
        self.call = Some(call);
        if self.tenant.is_closed() {
            clock.cancel();
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some(call) = self.call {
            self.tenant.calls.lock().clocks.remove(&call);
        }
        let left = self.tenant.host.change(|state| state.places.release(self.tenant.key, self.memory));
        self.tenant.left(left);
    }
}
