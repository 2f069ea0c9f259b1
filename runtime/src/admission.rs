//! Admission: a place of the host for each call, or a wait for one, or a refusal with its reason. What is admitted, reserved
//! or waits is given back by drop (B3). A tenant that is erased is closed: nothing of it is admitted any more, what waits is
//! sent away, and what is in flight is told to stop.
//!
//! Who gets a place is decided in `desk.rs`, which is pure. Here is the lock around it, taken once when a call comes and once
//! when it goes; wakers are called with the lock let go.

mod bucket;
mod desk;
mod register;
mod share;
mod slots;
mod tenant;
mod terms;
mod waiting;

use std::sync::Arc;
use std::time::{Duration, Instant};

use insula_store::Limits;
use parking_lot::Mutex;
use tokio::sync::Notify;

use self::desk::Desk;
use self::share::House;
pub(crate) use self::slots::{Admitted, TenantSlots};
use self::terms::{Refusal, Terms};
use self::waiting::{Told, Waiter, Waiting};
use crate::outcome::InvokeError;
use crate::shortage::{HostShortage, RateQuota, TenantLimit};

/// When trying again may help: calls are short.
const PAUSE: Duration = Duration::from_secs(1);

/// Bytes of the pool that stay resident in slots that no call uses, as the engine counts them.
pub(crate) type Resident = Box<dyn Fn() -> u64 + Send + Sync>;

/// The host's places.
pub(crate) struct Admission {
    opened: Instant,
    resident: Resident,
    state: Mutex<State>,
    emptied: Notify,
}

#[derive(Debug)]
struct State {
    places: Desk<Arc<Waiter>>,
    closed: bool,
    refused: Refused,
}

/// Calls that had no place, by why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) tenant_rate: u64,
    pub(crate) tenant_queue: u64,
    pub(crate) tenant_concurrency: u64,
    pub(crate) host_queue: u64,
    pub(crate) host_full: u64,
    pub(crate) host_memory: u64,
    pub(crate) shed: u64,
}

/// What is held just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) calls: u64,
    pub(crate) waiting: u64,
    pub(crate) memory: u64,
    pub(crate) memory_limit: u64,
    /// Beside what calls hold.
    pub(crate) resident: u64,
}

impl Terms {
    fn of(limits: &Limits) -> Self {
        Self {
            weight: limits.weight,
            concurrency: limits.concurrency.get(),
            queue: limits.queue.get(),
            rate: limits.rate,
            burst: limits.burst,
            memory: limits.memory_bytes.get(),
        }
    }
}

impl Admission {
    /// A host of so many places, with so much memory for guests, in which so many calls may wait. `resident` must not take
    /// long, and call nothing of this: it is asked under the lock.
    pub(crate) fn new(slots: usize, memory: u64, queue: usize, resident: Resident) -> Arc<Self> {
        let house = House { slots: slots as u64, memory, room: queue as u64, resident: 0 };
        let state = State { places: Desk::new(house), closed: false, refused: Refused::default() };
        Arc::new(Self { opened: Instant::now(), resident, state: Mutex::new(state), emptied: Notify::new() })
    }

    /// The slots of a tenant that nothing is known of.
    pub(crate) fn tenant(self: &Arc<Self>, limits: &Limits) -> Arc<TenantSlots> {
        let key = self.state.lock().places.register(Terms::of(limits), self.opened.elapsed());
        Arc::new(TenantSlots::new(key, self))
    }

    /// A place for a call of this tenant, with these limits. It waits for one as long as they allow.
    ///
    /// # Errors
    ///
    /// [`InvokeError::TenantBusy`], [`InvokeError::HostBusy`], [`InvokeError::HostTooSmall`],
    /// [`InvokeError::ShuttingDown`]; [`InvokeError::Suspended`] and [`InvokeError::NotFound`] for a tenant that is
    /// suspended while the call waits, or closed.
    pub(crate) async fn admit(&self, tenant: &Arc<TenantSlots>, limits: &Limits) -> Result<Admitted, InvokeError> {
        let waiting = match self.ask(tenant, &Terms::of(limits))? {
            Ok(admitted) => return Ok(admitted),
            Err(waiting) => waiting,
        };
        waiting.place(Duration::from_micros(limits.queue_us.get())).await
    }

    /// A place, if there is one to be had at once, or else a turn.
    fn ask(&self, tenant: &Arc<TenantSlots>, terms: &Terms) -> Result<Result<Admitted, Waiting>, InvokeError> {
        let now = self.opened.elapsed();
        let mut state = self.state.lock();
        state.check_open(tenant)?;
        self.look(&mut state, terms.memory);
        let arrived = state.places.arrive(tenant.key, terms, now);
        let quota = state.quota(tenant);
        drop(state);
        match arrived {
            Ok(true) => Ok(Ok(Admitted::new(tenant, terms.memory, quota, Duration::ZERO))),
            Ok(false) => self.wait(tenant, terms, quota).map(Err),
            Err(refusal) => Err(self.change(|state| state.refuse(refusal, terms, quota))),
        }
    }

    /// A turn. It may come at once: another's call may be next that does not fit yet, where this one does.
    fn wait(&self, tenant: &Arc<TenantSlots>, terms: &Terms, quota: RateQuota) -> Result<Waiting, InvokeError> {
        let waiter = Arc::new(Waiter::default());
        let (ticket, shed) = self.change(|state| {
            state.check_open(tenant)?;
            let waits = state.places.wait(tenant.key, Arc::clone(&waiter));
            let (ticket, shed) = waits.map_err(|refusal| state.refuse(refusal, terms, quota))?;
            if let Some(shed) = &shed {
                shed.tell(Told::Shed);
                state.refused.shed += 1;
            }
            Ok((ticket, shed))
        })?;
        if let Some(shed) = shed {
            shed.wake();
        }
        Ok(Waiting::new(tenant, *terms, ticket, waiter))
    }

    /// Changes something at the desk, and lets in whoever can come in then.
    fn change<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let mut come = Vec::new();
        let mut state = self.state.lock();
        let done = act(&mut state);
        self.look(&mut state, 0);
        while let Some(waiter) = state.places.next() {
            waiter.tell(Told::Come);
            come.push(waiter);
        }
        let empty = state.places.totals().0.calls == 0;
        drop(state);
        for waiter in come {
            waiter.wake();
        }
        if empty {
            self.emptied.notify_waiters();
        }
        done
    }

    /// Looks how much is resident, where it could keep a call out.
    fn look(&self, state: &mut State, memory: u64) {
        if state.places.is_pressed(memory) {
            state.places.keeps((self.resident)());
        }
    }

    /// What is resident beside what calls hold, beyond a quarter of the memory, in bytes: to be taken back.
    pub(crate) fn excess(&self) -> u64 {
        let mut state = self.state.lock();
        state.places.keeps((self.resident)());
        state.places.house().excess()
    }

    /// Lets in whoever can come in, after something was taken back.
    pub(crate) fn look_again(&self) {
        self.change(|_| ());
    }

    /// What is held just now.
    pub(crate) fn held(&self) -> Held {
        let resident = (self.resident)();
        let state = self.state.lock();
        let (held, waiting) = state.places.totals();
        Held { calls: held.calls, waiting, memory: held.memory, memory_limit: state.places.house().memory, resident }
    }

    /// Calls that had no place since the host started.
    pub(crate) fn refused(&self) -> Refused {
        self.state.lock().refused
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Admits nothing more, and sends away what waits.
    pub(crate) fn close(&self) {
        let waiting = self.change(|state| {
            state.closed = true;
            told(state.places.drain_all(), Told::ShuttingDown)
        });
        waiting.iter().for_each(|waiter| waiter.wake());
    }

    /// Waits until no call is in flight.
    pub(crate) async fn emptied(&self) {
        loop {
            let notified = self.emptied.notified();
            if self.held().calls == 0 {
                return;
            }
            notified.await;
        }
    }
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Admission").field("state", &self.state).finish_non_exhaustive()
    }
}

impl State {
    fn check_open(&self, tenant: &TenantSlots) -> Result<(), InvokeError> {
        if self.closed {
            return Err(InvokeError::ShuttingDown);
        }
        // Closed under no lock, and before its calls are sent away: whoever comes after that sees it.
        if tenant.is_closed() { Err(InvokeError::NotFound) } else { Ok(()) }
    }

    /// What a tenant may still begin.
    fn quota(&self, tenant: &TenantSlots) -> RateQuota {
        self.places.quota(tenant.key)
    }

    fn refuse(&mut self, refusal: Refusal, terms: &Terms, quota: RateQuota) -> InvokeError {
        let refused = &mut self.refused;
        match refusal {
            Refusal::Rate(retry_after) => {
                refused.tenant_rate += 1;
                InvokeError::TenantBusy { reached: TenantLimit::Rate { limit: quota.rate }, retry_after, quota }
            }
            Refusal::Queue => {
                refused.tenant_queue += 1;
                let reached = TenantLimit::Queue { limit: terms.queue };
                InvokeError::TenantBusy { reached, retry_after: PAUSE, quota }
            }
            Refusal::Room => {
                refused.host_queue += 1;
                InvokeError::HostBusy { shortage: HostShortage::Queue, retry_after: PAUSE }
            }
            Refusal::Memory => {
                refused.host_memory += 1;
                InvokeError::HostTooSmall { needs: terms.memory, limit: self.places.house().memory }
            }
        }
    }
}

/// Tells all of them the same. To be woken once the lock is let go.
fn told(waiters: Vec<Arc<Waiter>>, what: Told) -> Vec<Arc<Waiter>> {
    waiters.iter().for_each(|waiter| waiter.tell(what));
    waiters
}

#[cfg(test)]
mod tests;
