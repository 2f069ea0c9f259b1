//! How a guest is held to its limits: what every store is told before its guest starts, and what ends a call from outside.
//!
//! One place for calls and for the probes at start, so that no probe shows of another set-up that it holds (B5).

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::task::Poll;

use futures_util::FutureExt as _;
use insula_host_api::CallLimits;
use insula_host_api::bindings::AgentPre;
use insula_host_api::bindings::exports::insula::agent::handler;
use wasmtime::{Store, UpdateDeadline};

use super::{GuestState, Interrupted};
use crate::scheduler::{CallClock, SchedulerHandle};

/// What a host call may lift beside the largest value: names, records, the list's own words.
const LIFT_SLACK: u64 = 64 << 10;
/// Component-model handles of one call.
pub(crate) const HANDLES: usize = 1_024;
/// How much fuel a guest takes at once. Generated code counts it in a register, and writes it back only when it calls out
/// or has used its share: of a call that the epoch ends, the bill may miss this much at most. About a millisecond.
const FUEL_STRIDE: u64 = 1_000_000;

/// Puts a fresh store under the limits of its call. The probes at start go through here too (B5).
///
/// # Errors
///
/// When the engine refuses a setting: a fault of the host.
pub(crate) fn prepare(
    store: &mut Store<GuestState>,
    limits: &CallLimits,
    scheduler: SchedulerHandle,
) -> wasmtime::Result<()> {
    let largest = limits.response_bytes.max(limits.value_bytes).get();
    store.limiter(|state| state);
    store.set_fuel(limits.fuel.get())?;
    store.fuel_async_yield_interval(Some(FUEL_STRIDE))?;
    store.set_hostcall_fuel(usize::try_from(largest.saturating_add(LIFT_SLACK))?);
    store.set_max_component_handles(HANDLES);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |context| {
        let clock = &context.data().clock;
        if clock.is_cancelled() {
            Err(Interrupted::Cancelled.into())
        } else if clock.is_spent() {
            Err(Interrupted::Cpu.into())
        } else if clock.is_late() {
            Err(Interrupted::Deadline.into())
        } else if scheduler.gives_way() {
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(to_the_back())))
        } else {
            Ok(UpdateDeadline::Continue(1))
        }
    });
    Ok(())
}

/// Wakes itself and waits once: the task goes to the back of its own tenant's queue.
async fn to_the_back() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

pub(crate) type Answer = Result<handler::Response, handler::Error>;

/// Makes the instance (R1) and calls it.
///
/// # Errors
///
/// What ended it.
pub(crate) async fn call(
    store: &mut Store<GuestState>,
    pre: &AgentPre<GuestState>,
    request: handler::Request,
) -> wasmtime::Result<Answer> {
    let agent = pre.instantiate_async(&mut *store).await?;
    agent.insula_agent_handler().call_invoke(&mut *store, &request).await
}

/// Runs a call up to its deadline, and turns a panic of a host function into an error. The epoch callback stops a guest
/// that spins; the timer here stops one that waits.
///
/// # Errors
///
/// What ended the call.
pub(crate) async fn within(
    clock: &CallClock,
    call: impl Future<Output = wasmtime::Result<Answer>>,
) -> wasmtime::Result<Answer> {
    if clock.is_cancelled() {
        return Err(Interrupted::Cancelled.into());
    }
    if clock.is_late() {
        return Err(Interrupted::Deadline.into());
    }
    let deadline = tokio::time::Instant::from_std(clock.deadline());
    tokio::select! {
        biased;
        outcome = AssertUnwindSafe(call).catch_unwind() => match outcome {
            Ok(outcome) => outcome,
            Err(_panic) => Err(HostPanicked.into()),
        },
        () = clock.cancelled() => Err(Interrupted::Cancelled.into()),
        () = tokio::time::sleep_until(deadline) => Err(Interrupted::Deadline.into()),
    }
}

/// A host function panicked. The panic hook has logged where.
#[derive(Debug, thiserror::Error)]
#[error("a host function panicked")]
pub(crate) struct HostPanicked;
