//! A call that waits for a place: told once, or gone. Dropped, it waits no longer, and gives back a place that it was
//! given meanwhile (B3).

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::tenant::Ticket;
use super::terms::{Short, Terms};
use super::{Admitted, PAUSE, State, TenantSlots};
use crate::outcome::InvokeError;
use crate::shortage::{HostShortage, TenantLimit};

/// What a waiting call is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// It has a place.
    Come,
    /// It was shed for a tenant with less.
    Shed,
    /// Its tenant is suspended.
    Suspended,
    /// Its tenant is closed.
    Closed,
    /// The host is going down.
    ShuttingDown,
}

/// How a waiting call is reached: the desk has one end, the call the other.
#[derive(Debug, Default)]
pub(super) struct Waiter {
    /// Written and read under the desk's lock.
    told: OnceLock<Told>,
    woken: Notify,
}

impl Waiter {
    /// Decides what becomes of it. Under the desk's lock.
    pub(super) fn tell(&self, told: Told) {
        // It left the desk's queue, so that nobody tells it a second time.
        let _ = self.told.set(told);
    }

    /// Wakes it, with the lock let go.
    pub(super) fn wake(&self) {
        self.woken.notify_one();
    }
}

/// The guard of a call that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    tenant: Arc<TenantSlots>,
    terms: Terms,
    ticket: Ticket,
    waiter: Arc<Waiter>,
    since: Instant,
    /// The place is another guard's, or there is none and it waits no longer.
    over: bool,
}

impl Waiting {
    pub(super) fn new(tenant: &Arc<TenantSlots>, terms: Terms, ticket: Ticket, waiter: Arc<Waiter>) -> Self {
        Self { tenant: Arc::clone(tenant), terms, ticket, waiter, since: Instant::now(), over: false }
    }

    /// Waits for a place, and no longer than `patience`.
    pub(super) async fn place(mut self, patience: Duration) -> Result<Admitted, InvokeError> {
        let _ = tokio::time::timeout(patience, self.waiter.woken.notified()).await;
        let (host, terms, waiter) = (Arc::clone(&self.tenant.host), self.terms, Arc::clone(&self.waiter));
        let (told, short, quota) = host.change(|state| {
            let key = self.tenant.key;
            let told = waiter.told.get().copied();
            let short = state.places.short(key);
            if told.is_none() {
                state.places.give_up(key, self.ticket);
                match short {
                    Short::Tenant => state.refused.tenant_concurrency += 1,
                    Short::Host => state.refused.host_full += 1,
                }
            }
            self.over = true;
            (told, short, state.places.quota(key))
        });
        let shortage = |shortage| InvokeError::HostBusy { shortage, retry_after: PAUSE };
        Err(match told {
            Some(Told::Come) => return Ok(Admitted::new(&self.tenant, terms.memory, quota, self.since.elapsed())),
            Some(Told::Shed) => shortage(HostShortage::Shed),
            Some(Told::Suspended) => InvokeError::Suspended,
            Some(Told::Closed) => InvokeError::NotFound,
            Some(Told::ShuttingDown) => InvokeError::ShuttingDown,
            None if short == Short::Host => shortage(HostShortage::Full),
            None => {
                let reached = TenantLimit::Concurrency { limit: terms.concurrency };
                InvokeError::TenantBusy { reached, retry_after: PAUSE, quota }
            }
        })
    }

    fn leave(&self, state: &mut State) -> u64 {
        match self.waiter.told.get() {
            None => state.places.give_up(self.tenant.key, self.ticket),
            Some(Told::Come) => return state.places.release(self.tenant.key, self.terms.memory),
            Some(_) => {}
        }
        state.places.held_by(self.tenant.key)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.over {
            let left = self.tenant.host.change(|state| self.leave(state));
            self.tenant.left(left);
        }
    }
}
