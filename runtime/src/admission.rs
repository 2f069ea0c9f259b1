//! Admission: a tenant's slot first, then the host's. What is admitted is released by drop (B3). A tenant that is erased is
//! closed: nothing of it is admitted any more, and what is in flight is told to stop.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::outcome::InvokeError;
use crate::scheduler::CallClock;

/// When trying again may help: calls are short.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The host's slots.
#[derive(Debug)]
pub(crate) struct Admission {
    limit: usize,
    in_flight: AtomicUsize,
    closed: AtomicBool,
    emptied: Notify,
}

/// A tenant's calls in flight.
#[derive(Debug, Default)]
pub(crate) struct TenantSlots {
    in_flight: AtomicUsize,
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

impl TenantSlots {
    /// Admits nothing more, tells what is in flight to stop, and waits until it has.
    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        for clock in self.calls.lock().clocks.values() {
            clock.cancel();
        }
        loop {
            let emptied = self.emptied.notified();
            if self.in_flight.load(Ordering::SeqCst) == 0 {
                return;
            }
            emptied.await;
        }
    }

    fn release(&self) {
        if self.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.emptied.notify_waiters();
        }
    }
}

/// The right to run one call. Dropped, it gives both slots back.
#[derive(Debug)]
pub(crate) struct Admitted {
    tenant: Arc<TenantSlots>,
    host: Arc<Admission>,
    call: Option<u64>,
}

impl Admitted {
    /// The call's clock: by it the call is told to stop when its tenant is closed, also when that is so already.
    pub(crate) fn watch(&mut self, clock: &Arc<CallClock>) {
        let mut calls = self.tenant.calls.lock();
        calls.last += 1;
        let call = calls.last;
        calls.clocks.insert(call, Arc::clone(clock));
        drop(calls);
        self.call = Some(call);
        if self.tenant.closed.load(Ordering::SeqCst) {
            clock.cancel();
        }
    }
}

impl Admission {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, in_flight: AtomicUsize::new(0), closed: AtomicBool::new(false), emptied: Notify::new() })
    }

    /// # Errors
    ///
    /// [`InvokeError::TenantBusy`], [`InvokeError::HostBusy`], [`InvokeError::ShuttingDown`], and
    /// [`InvokeError::NotFound`] for a tenant that is closed.
    pub(crate) fn admit(self: &Arc<Self>, tenant: &Arc<TenantSlots>, limit: u64) -> Result<Admitted, InvokeError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(InvokeError::ShuttingDown);
        }
        if tenant.in_flight.fetch_add(1, Ordering::SeqCst) as u64 >= limit {
            tenant.release();
            return Err(InvokeError::TenantBusy { limit, retry_after: RETRY_AFTER });
        }
        // After the count, so that whoever closes the tenant and then waits for none sees this one or is seen by it.
        if tenant.closed.load(Ordering::SeqCst) {
            tenant.release();
            return Err(InvokeError::NotFound);
        }
        if self.in_flight.fetch_add(1, Ordering::SeqCst) >= self.limit {
            self.release();
            tenant.release();
            return Err(InvokeError::HostBusy { retry_after: RETRY_AFTER });
        }
        Ok(Admitted { tenant: Arc::clone(tenant), host: Arc::clone(self), call: None })
    }

    /// Calls in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Admits nothing more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Waits until no call is in flight.
    pub(crate) async fn emptied(&self) {
        loop {
            let notified = self.emptied.notified();
            if self.in_flight() == 0 {
                return;
            }
            notified.await;
        }
    }

    fn release(&self) {
        if self.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.emptied.notify_waiters();
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some(call) = self.call {
            self.tenant.calls.lock().clocks.remove(&call);
        }
        self.tenant.release();
        self.host.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_at_its_limit_is_refused_and_its_neighbour_is_not() {
        let host = Admission::new(10);
        let (busy, quiet) = (Arc::default(), Arc::default());
        let held: Vec<_> = (0..3).map(|_| host.admit(&busy, 3).unwrap()).collect();
        assert!(matches!(host.admit(&busy, 3), Err(InvokeError::TenantBusy { limit: 3, .. })));
        assert!(host.admit(&quiet, 3).is_ok());
        drop(held);
        assert!(host.admit(&busy, 3).is_ok());
        assert_eq!(host.in_flight(), 0);
    }

    #[test]
    fn a_full_host_refuses_and_forgets_the_refused() {
        let host = Admission::new(1);
        let (one, two) = (Arc::default(), Arc::default());
        let held = host.admit(&one, 9).unwrap();
        for _ in 0..3 {
            assert!(matches!(host.admit(&two, 1), Err(InvokeError::HostBusy { .. })));
        }
        drop(held);
        assert!(host.admit(&two, 1).is_ok());
    }

    #[tokio::test]
    async fn a_closed_tenant_stops_what_is_in_flight_and_its_neighbour_goes_on() {
        let host = Admission::new(10);
        let (ours, theirs) = (Arc::new(TenantSlots::default()), Arc::default());
        let clock = || Arc::new(CallClock::start(Duration::from_secs(60), Duration::from_secs(60)));
        let (early, late, neighbours) = (clock(), clock(), clock());
        let (mut first, mut second) = (host.admit(&ours, 9).unwrap(), host.admit(&ours, 9).unwrap());
        let mut neighbour = host.admit(&theirs, 9).unwrap();
        first.watch(&early);
        neighbour.watch(&neighbours);
        let closing = tokio::spawn({
            let ours = Arc::clone(&ours);
            async move { ours.close().await }
        });
        early.cancelled().await;
        // One that was admitted before and begins after is told as well.
        second.watch(&late);
        assert!(late.is_cancelled() && !neighbours.is_cancelled() && !closing.is_finished());
        assert!(matches!(host.admit(&ours, 9), Err(InvokeError::NotFound)));
        drop((first, second));
        closing.await.unwrap();
        assert!(ours.calls.lock().clocks.is_empty());
        assert!(host.admit(&theirs, 9).is_ok());
        assert_eq!(host.in_flight(), 1);
    }

    #[test]
    fn a_closed_host_admits_nothing() {
        let host = Admission::new(1);
        host.close();
        assert!(matches!(host.admit(&Arc::default(), 1), Err(InvokeError::ShuttingDown)));
    }
}
