//! The limits that are tried, one by one: what the guest is told to do, how much it may, and how that must end.

use std::num::NonZeroU64;
use std::sync::Arc;

use insula_host_api::bindings::AgentPre;
use insula_host_api::bindings::exports::insula::agent::handler;
use insula_host_api::{Budget, CallLimits, Host};
use insula_store::Limits;
use wasmtime::{Store, Trap, WasmBacktrace};

use super::bare::{Sink, grants};
use crate::classify::classify;
use crate::engine::{GuestState, Interrupted, call, within};
use crate::outcome::{CallFailure, Response};
use crate::respond::response;
use crate::scheduler::{CallClock, SchedulerHandle};

/// How a store is put under its limits: [`prepare`](crate::engine::prepare).
pub(super) type Preparation = fn(&mut Store<GuestState>, &CallLimits, SchedulerHandle) -> wasmtime::Result<()>;

/// One limit.
#[derive(Clone, Copy)]
pub(super) struct Attempt {
    pub(super) name: &'static str,
    /// What the guest does: the first byte of its request. See `probe.wat`.
    act: u8,
    /// Sets the limit low.
    tighten: fn(&mut CallLimits),
    /// What must come of it.
    must: Must,
}

/// How a probe must end.
#[derive(Clone, Copy)]
enum Must {
    /// The call fails with this code.
    Fail(&'static str),
    /// The guest's stack is full.
    Overflow,
    /// The guest is interrupted between two instructions.
    Interrupt(Interrupted),
    /// The call goes on, and its output is cut.
    Cut,
}

/// What became of a probe.
pub(super) struct Seen {
    outcome: Result<Response, Failed>,
    limits: CallLimits,
    written: u64,
    dropped: u64,
}

/// A failure, and the engine's error behind it. An answer that could not be sent has none.
struct Failed {
    failure: CallFailure,
    error: Option<wasmtime::Error>,
}

/// Every limit, in the order in which `readyz` lists them.
pub(super) const ATTEMPTS: &[Attempt] = &[
    Attempt::new("fuel", b's', Must::Fail("fuel-exhausted"), |limits| limits.fuel = amount(10_000)),
    Attempt::new("cpu", b's', Must::Interrupt(Interrupted::Cpu), |limits| limits.cpu_us = amount(2_000)),
    Attempt::new("epoch", b's', Must::Interrupt(Interrupted::Deadline), |limits| limits.wall_us = amount(2_000)),
    Attempt::new("deadline", b'w', Must::Fail("deadline-exceeded"), |limits| limits.wall_us = amount(5_000)),
    Attempt::new("stack", b'd', Must::Overflow, |_| {}),
    Attempt::new("memory", b'm', Must::Fail("memory-exhausted"), |limits| limits.memory_bytes = amount(300_000)),
    Attempt::new("table", b't', Must::Fail("memory-exhausted"), |limits| limits.table_elements = amount(10)),
    Attempt::new("handles", b'h', Must::Fail("memory-exhausted"), few_instructions),
    Attempt::new("resources", b'r', Must::Fail("memory-exhausted"), few_instructions),
    Attempt::new("lift", b'l', Must::Fail("host-bytes-exhausted"), |limits| {
        (limits.value_bytes, limits.response_bytes) = (amount(1), amount(1));
    }),
    Attempt::new("host-calls", b'c', Must::Fail("host-calls-exhausted"), |limits| limits.host_calls = amount(10)),
    Attempt::new("host-bytes", b'b', Must::Fail("host-bytes-exhausted"), |limits| limits.host_bytes = amount(5_000)),
    Attempt::new("output", b'o', Must::Cut, |limits| limits.log_bytes = amount(1_000)),
    Attempt::new("response", b'a', Must::Fail("response-too-large"), |limits| limits.response_bytes = amount(100)),
];

/// Handles are few, and each takes memory of the host: where their number does not stop the guest, this does.
fn few_instructions(limits: &mut CallLimits) {
    limits.fuel = amount(100_000);
}

const fn amount(of: u64) -> NonZeroU64 {
    NonZeroU64::MIN.saturating_add(of.saturating_sub(1))
}

impl Attempt {
    const fn new(name: &'static str, act: u8, must: Must, tighten: fn(&mut CallLimits)) -> Self {
        Self { name, act, tighten, must }
    }

    /// What the guest may use: of everything but the one limit more than it needs, and not so much that a host would be
    /// long in starting on which that limit does not bite.
    pub(super) fn limits(&self) -> CallLimits {
        // A guest that is to be interrupted has fuel for seconds: on a busy machine the epoch may be late.
        let fuel = if matches!(self.must, Must::Interrupt(_)) { 4_000_000_000 } else { 20_000_000 };
        let (fuel, cpu_us) = (amount(fuel), amount(1_000_000));
        let mut limits = CallLimits { fuel, cpu_us, ..Limits::standard().call() };
        (self.tighten)(&mut limits);
        limits
    }

    /// The same with another limit.
    #[cfg(test)]
    pub(super) fn but(self, tighten: fn(&mut CallLimits)) -> Self {
        Self { tighten, ..self }
    }

    /// Calls the agent as any agent is called.
    pub(super) fn run(
        &self,
        pre: AgentPre<GuestState>,
        limits: CallLimits,
        clock: Arc<CallClock>,
        scheduler: SchedulerHandle,
        prepare: Preparation,
    ) -> impl Future<Output = Seen> + Send + 'static {
        let body = vec![self.act];
        async move {
            let sink = Arc::new(Sink::default());
            let log = Arc::clone(&sink) as _;
            let host = Host::new(grants(&sink), Budget::new(limits), Arc::clone(&clock) as _);
            let mut store = Store::new(pre.engine(), GuestState::new(host, Arc::clone(&clock), log));
            let request =
                handler::Request { body, content_type: String::new(), metadata: Vec::new(), idempotency_key: None };
            let answer = match prepare(&mut store, &limits, scheduler) {
                Err(error) => Err(error),
                Ok(()) => within(&clock, call(&mut store, &pre, request)).await,
            };
            let outcome = match answer {
                Ok(Ok(answer)) => response(answer, &limits).map_err(|failure| Failed { failure, error: None }),
                Ok(Err(error)) => {
                    Err(CallFailure::Trap { reason: error.message }).map_err(|failure| Failed { failure, error: None })
                }
                Err(error) => Err(Failed { failure: classify(&error, store.data(), &limits), error: Some(error) }),
            };
            let dropped = store.data().host.budget.log().dropped();
            // What was printed without a line's end is written when the store goes.
            drop(store);
            Seen { outcome, limits, written: sink.written(), dropped }
        }
    }

    /// Whether the limit was tried: not where the time was over before the guest had begun, nor where a guest that should
    /// be interrupted was ended from outside first, at one of the waits by which it takes more fuel.
    pub(super) fn was_tried(&self, seen: &Seen) -> bool {
        let error = seen.outcome.as_ref().err().and_then(|failed| failed.error.as_ref());
        let from_outside = error.is_some_and(|error| error.is::<Interrupted>() && !error.is::<WasmBacktrace>());
        seen.written > 0 && !(from_outside && matches!(self.must, Must::Interrupt(_)))
    }

    /// Whether it ended as it must, and what happened.
    pub(super) fn judge(&self, seen: &Seen) -> Result<String, String> {
        let failed = match (&self.must, &seen.outcome) {
            (Must::Cut, Ok(_)) => return seen.cut(),
            (_, Ok(_)) => return Err("nothing stopped the guest".to_owned()),
            (_, Err(failed)) => failed,
        };
        let error = failed.error.as_ref();
        let as_it_must = match &self.must {
            Must::Fail(code) => failed.failure.code() == *code,
            Must::Overflow => {
                error.and_then(|error| error.downcast_ref::<Trap>()).is_some_and(|trap| *trap == Trap::StackOverflow)
            }
            // With a frame of the guest on the stack: what ends a call from outside, where it waits, is another limit.
            Must::Interrupt(interrupted) => error.is_some_and(|error| {
                error.downcast_ref::<Interrupted>() == Some(interrupted) && error.is::<WasmBacktrace>()
            }),
            Must::Cut => false,
        };
        if as_it_must {
            Ok(format!("it bit: {}", failed.failure))
        } else {
            Err(format!("something else stopped the guest: {}: {}", failed.failure.code(), failed.failure))
        }
    }
}

impl Seen {
    fn cut(&self) -> Result<String, String> {
        let (limit, written, dropped) = (self.limits.log_bytes, self.written, self.dropped);
        if written <= limit.get() && dropped > 0 {
            Ok(format!("it bit: {written} bytes were kept, and {dropped} lines dropped"))
        } else {
            Err(format!("of {limit} bytes {written} were written, and {dropped} lines dropped"))
        }
    }
}
