//! One call: admitted, given a fresh store (R1), run on the guest threads, billed.

use std::num::NonZeroU64;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use insula_host_api::bindings::exports::insula::agent::handler;
use insula_host_api::{Budget, CallLimits, Grants, Host, HostCalls, Level, LogSink};
use insula_store::{AgentName, CatalogError};
use insula_tenancy::{InvocationId, Invoke, Permit};
use wasmtime::{PoolConcurrencyLimitError, Store};

use crate::admission::Admitted;
use crate::bill::Bill;
use crate::classify::classify;
use crate::components::Loaded;
use crate::diagnosis::{self, Diagnosis};
use crate::engine::{GuestState, call, prepare, within};
use crate::logs::CallLog;
use crate::outcome::{AgentError, Call, CallFailure, Invocation, InvokeError, Response};
use crate::respond::response;
use crate::runtime::Inner;
use crate::scheduler::{CallClock, SchedulerHandle};
use crate::tenants::{ActiveAgent, TenantEntry};
use crate::usage::Meter;

/// Entries of a request's metadata, and their bytes together.
const METADATA_ENTRIES: usize = 64;
const METADATA_BYTES: usize = 16 << 10;
/// When trying again may help a call for which the pool had no instance.
const POOL_RETRY: Duration = Duration::from_secs(1);

/// What a guest thread brings back.
#[expect(
    clippy::large_enum_variant,
    reason = "handed over once a call, and a box would be one allocation more for each"
)]
enum Ran {
    Done(Result<Response, CallFailure>, Bill, HostCalls, Option<Box<Diagnosis>>),
    /// The pool had nothing left: nothing ran, but for a start function perhaps.
    NoInstance(Bill),
}

/// Everything that the guest's thread needs, owned.
struct Job {
    loaded: Arc<Loaded>,
    request: handler::Request,
    grants: Grants,
    log: Arc<CallLog>,
    limits: CallLimits,
    clock: Arc<CallClock>,
    meter: Arc<Meter>,
    scheduler: SchedulerHandle,
    admitted: Admitted,
}

impl Inner {
    pub(crate) async fn invoke(
        &self,
        permit: &Permit<'_, Invoke>,
        agent: &AgentName,
        call: Call,
    ) -> Result<Invocation, InvokeError> {
        let entry = self.tenants.entry(permit).await.map_err(|error| unavailable(&error))?;
        let limits = entry.limits();
        if call.body.len() as u64 > limits.request_bytes.get() {
            return Err(InvokeError::RequestTooLarge { limit: limits.request_bytes.get() });
        }
        check_metadata(&call)?;
        let mut admitted = self.admission.admit(&entry.slots, &limits).await?;
        let clock =
            Arc::new(CallClock::start(micros(limits.wall_us), micros(limits.cpu_us)).telling(entry.time_of_day.told()));
        admitted.watch(&clock);
        let ready = async {
            tokio::select! {
                biased;
                ready = self.ready(permit, &entry, agent) => ready,
                // The tenant is being erased.
                () = clock.cancelled() => Err(InvokeError::NotFound),
            }
        };
        let deadline = tokio::time::Instant::from_std(clock.deadline());
        let (active, loaded) = tokio::time::timeout_at(deadline, ready).await.map_err(|_| {
            tracing::warn!(tenant = %entry.id, agent = %agent, "a component was not loaded within a call's deadline");
            InvokeError::Unavailable
        })??;
        // An agent's own limits are known once the agent is: until here it was the tenant's that counted.
        let limits = active.limits.within(&limits);
        if call.body.len() as u64 > limits.request_bytes.get() {
            return Err(InvokeError::RequestTooLarge { limit: limits.request_bytes.get() });
        }
        clock.tighten(micros(limits.wall_us), micros(limits.cpu_us));
        let id = InvocationId::generate();
        let job = self.job(&entry, &active, loaded, call, id, clock, admitted, limits.call());
        self.run(&entry, active.version, id, job).await
    }

    /// The active version of an agent, loaded.
    async fn ready(
        &self,
        permit: &Permit<'_, Invoke>,
        entry: &TenantEntry,
        agent: &AgentName,
    ) -> Result<(Arc<ActiveAgent>, Arc<Loaded>), InvokeError> {
        let active = self.tenants.active(permit, entry, agent).await.map_err(|error| match error {
            CatalogError::NotFound => InvokeError::NotFound,
            other => unavailable(&other),
        })?;
        let loaded = self.components.get(entry, active.digest).await.map_err(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, tenant = %entry.id, agent = %agent, "a component could not be loaded");
            InvokeError::Unavailable
        })?;
        Ok((active, loaded))
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one call, brought together once")]
    fn job(
        &self,
        entry: &TenantEntry,
        active: &Arc<ActiveAgent>,
        loaded: Arc<Loaded>,
        call: Call,
        id: InvocationId,
        clock: Arc<CallClock>,
        admitted: Admitted,
        limits: CallLimits,
    ) -> Job {
        let log = Arc::new(CallLog {
            logs: Arc::clone(&entry.logs),
            agent: active.name.clone(),
            version: active.version,
            invocation: id,
        });
        let grants = Grants {
            storage: entry.store.storage(),
            cache: Arc::clone(&active.cache),
            log: Arc::clone(&log) as Arc<dyn LogSink>,
            configuration: Arc::clone(&active.configuration),
        };
        Job {
            loaded,
            request: request(call, active, id),
            grants,
            log,
            limits,
            clock,
            meter: Arc::clone(&active.meter),
            scheduler: self.scheduler.clone(),
            admitted,
        }
    }

    async fn run(
        &self,
        entry: &TenantEntry,
        version: insula_tenancy::VersionId,
        id: InvocationId,
        job: Job,
    ) -> Result<Invocation, InvokeError> {
        let (clock, quota) = (Arc::clone(&job.clock), job.admitted.quota);
        match self.scheduler.spawn(entry.id, &entry.weight, clock, job.run_to_its_end()).await {
            Ran::Done(outcome, bill, host_calls, diagnosis) => {
                self.counters.call(outcome.as_ref().map_or_else(CallFailure::code, |_| "ok"));
                if outcome == Err(CallFailure::HostFault) {
                    tracing::error!(tenant = %entry.id, invocation = %id, "a call ended by a fault of the host");
                }
                Ok(Invocation { id, version, outcome, bill, host_calls, quota, diagnosis })
            }
            Ran::NoInstance(bill) => Err(InvokeError::NoInstance { retry_after: POOL_RETRY, bill: Box::new(bill) }),
        }
    }
}

fn micros(limit: NonZeroU64) -> Duration {
    Duration::from_micros(limit.get())
}

fn unavailable(error: &CatalogError) -> InvokeError {
    tracing::error!(error = error as &dyn std::error::Error, "the catalog could not be read for a call");
    InvokeError::Unavailable
}

fn check_metadata(call: &Call) -> Result<(), InvokeError> {
    let bytes: usize = call.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if call.metadata.len() > METADATA_ENTRIES || bytes > METADATA_BYTES {
        return Err(InvokeError::MetadataTooLarge);
    }
    Ok(())
}

fn request(call: Call, active: &ActiveAgent, id: InvocationId) -> handler::Request {
    let mut metadata = call.metadata;
    // Names of the host's own: what a caller sends under them is not believed.
    metadata.retain(|(name, _)| !name.starts_with("insula-"));
    metadata.push(("insula-agent".to_owned(), active.name.to_string()));
    metadata.push(("insula-version".to_owned(), active.version_text.clone()));
    metadata.push(("insula-invocation".to_owned(), id.to_string()));
    handler::Request {
        body: call.body.into(),
        content_type: call.content_type,
        metadata,
        idempotency_key: call.idempotency_key,
    }
}

impl Job {
    /// Runs the call. One that panics outside of its guest is a fault of the host, and has a bill like any other.
    async fn run_to_its_end(self) -> Ran {
        let mut unbilled = Unbilled {
            loaded: Arc::clone(&self.loaded),
            meter: Arc::clone(&self.meter),
            clock: Arc::clone(&self.clock),
            armed: true,
        };
        match AssertUnwindSafe(self.run(&mut unbilled)).catch_unwind().await {
            Ok(ran) => ran,
            Err(_panic) => Ran::Done(Err(CallFailure::HostFault), unbilled.settle(), HostCalls::default(), None),
        }
    }

    async fn run(self, unbilled: &mut Unbilled) -> Ran {
        let request_bytes = self.request.body.len() as u64;
        let (limits, clock, log) = (self.limits, self.clock, self.log);
        let host = Host::new(self.grants, Budget::new(limits), Arc::clone(&clock) as _);
        let state = GuestState::new(host, Arc::clone(&clock), Arc::clone(&log) as _);
        let pre = &self.loaded.pre;
        let mut store = Store::new(pre.engine(), state);
        let outcome = match prepare(&mut store, &limits, self.scheduler) {
            Err(error) => Err(error),
            Ok(()) => within(&clock, call(&mut store, pre, self.request)).await,
        };
        if let Err(error) = &outcome
            && error.is::<PoolConcurrencyLimitError>()
        {
            // An instance that began before the pool was empty may have run a start function.
            let bill = settle(&store, &limits, &clock);
            unbilled.is_billed(&bill);
            if bill.fuel == 0 {
                return Ran::NoInstance(Bill::default());
            }
            unbilled.meter.add(&bill, store.data().host.budget.host_calls_by_kind(), true);
            return Ran::NoInstance(bill);
        }
        let mut stack = None;
        let outcome = match outcome {
            Ok(Ok(answer)) => response(answer, &limits),
            Ok(Err(error)) => Err(CallFailure::Agent(agent_error(error))),
            Err(error) => {
                stack = Some(diagnosis::stack(&error));
                Err(classify(&error, store.data(), &limits))
            }
        };
        let mut bill = settle(&store, &limits, &clock);
        bill.queued_us = u64::try_from(self.admitted.queued.as_micros()).unwrap_or(u64::MAX);
        bill.request_bytes = request_bytes;
        bill.response_bytes = outcome.as_ref().map_or(0, |response| response.body.len() as u64);
        let host_calls = store.data().host.budget.host_calls_by_kind();
        unbilled.is_billed(&bill);
        unbilled.meter.add(&bill, host_calls, outcome.is_err());
        if let Err(failure) = &outcome
            && !matches!(failure, CallFailure::Agent(_))
        {
            log.host(Level::Error, &format!("{}: {failure}", failure.code()));
        }
        let diagnosis = stack.map(|stack| Box::new(Diagnosis::new(stack, &bill, &limits)));
        if let Some(line) = diagnosis.as_ref().and_then(|diagnosis| diagnosis.line()) {
            log.host(Level::Error, &line);
        }
        // The slot in a memory pool is free before the next call is let in for it.
        drop(store);
        drop(self.admitted);
        Ran::Done(outcome, bill, host_calls, diagnosis)
    }
}

/// A call whose future was dropped still took processor time: it is metered as a failure. How much memory it had is not known.
struct Unbilled {
    loaded: Arc<Loaded>,
    meter: Arc<Meter>,
    clock: Arc<CallClock>,
    armed: bool,
}

impl Unbilled {
    /// The call has ended, and has its bill.
    fn is_billed(&mut self, bill: &Bill) {
        self.armed = false;
        self.loaded.ends(bill.peak_memory);
    }

    /// Bills what is known without the store: time.
    fn settle(&mut self) -> Bill {
        let clock = self.clock.as_ref() as &dyn insula_host_api::CallClock;
        let bill = Bill { cpu_us: clock.cpu_us(), wall_us: clock.wall_us(), ..Bill::default() };
        if std::mem::take(&mut self.armed) {
            self.loaded.ends(u64::MAX);
            self.meter.add(&bill, HostCalls::default(), true);
        }
        bill
    }
}

impl Drop for Unbilled {
    fn drop(&mut self) {
        if self.armed {
            self.settle();
        }
    }
}

fn agent_error(error: handler::Error) -> AgentError {
    AgentError { code: error.code, message: error.message, retry_after_ms: error.retry_after_ms }
}

fn settle(store: &Store<GuestState>, limits: &CallLimits, clock: &CallClock) -> Bill {
    let budget = &store.data().host.budget;
    let clock: &dyn insula_host_api::CallClock = clock;
    let fuel_left = store.get_fuel().unwrap_or(0);
    Bill {
        fuel: limits.fuel.get().saturating_sub(fuel_left),
        cpu_us: clock.cpu_us(),
        wall_us: clock.wall_us(),
        queued_us: 0,
        peak_memory: budget.peak_memory(),
        table_elements: budget.table_elements(),
        host_calls: budget.host_calls(),
        host_bytes: budget.host_bytes(),
        storage_read_bytes: budget.storage_read(),
        storage_write_bytes: budget.storage_written(),
        cache_traffic_bytes: budget.cache_moved(),
        log_bytes: budget.log().used(),
        log_dropped: budget.log().dropped(),
        request_bytes: 0,
        response_bytes: 0,
    }
}
