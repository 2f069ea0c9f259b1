//! Admission: a tenant's slot first, then the host's. What is admitted is released by drop (B3).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::outcome::InvokeError;

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

/// A tenant's count of calls in flight.
#[derive(Debug, Default)]
pub(crate) struct TenantSlots {
    in_flight: AtomicUsize,
}

/// The right to run one call. Dropped, it gives both slots back.
#[derive(Debug)]
pub(crate) struct Admitted {
    tenant: Arc<TenantSlots>,
    host: Arc<Admission>,
}

impl Admission {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, in_flight: AtomicUsize::new(0), closed: AtomicBool::new(false), emptied: Notify::new() })
    }

    /// # Errors
    ///
    /// [`InvokeError::TenantBusy`], [`InvokeError::HostBusy`] or [`InvokeError::ShuttingDown`].
    pub(crate) fn admit(self: &Arc<Self>, tenant: &Arc<TenantSlots>, limit: u64) -> Result<Admitted, InvokeError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(InvokeError::ShuttingDown);
        }
        if tenant.in_flight.fetch_add(1, Ordering::SeqCst) as u64 >= limit {
            tenant.in_flight.fetch_sub(1, Ordering::SeqCst);
            return Err(InvokeError::TenantBusy { limit, retry_after: RETRY_AFTER });
        }
        if self.in_flight.fetch_add(1, Ordering::SeqCst) >= self.limit {
            self.release();
            tenant.in_flight.fetch_sub(1, Ordering::SeqCst);
            return Err(InvokeError::HostBusy { retry_after: RETRY_AFTER });
        }
        Ok(Admitted { tenant: Arc::clone(tenant), host: Arc::clone(self) })
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
        self.tenant.in_flight.fetch_sub(1, Ordering::SeqCst);
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

    #[test]
    fn a_closed_host_admits_nothing() {
        let host = Admission::new(1);
        host.close();
        assert!(matches!(host.admit(&Arc::default(), 1), Err(InvokeError::ShuttingDown)));
    }
}
