//! Which limit an error of the engine stands for: one place that reads them all.

use insula_host_api::{CallLimits, Exhausted, Refused};
use wasmtime::component::ResourceTableError;
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::engine::{GuestState, HANDLES, HostPanicked, Interrupted};
use crate::outcome::CallFailure;

/// How a call failed, by the error that ended it.
pub(crate) fn classify(error: &wasmtime::Error, state: &GuestState, limits: &CallLimits) -> CallFailure {
    if let Some(interrupted) = error.downcast_ref::<Interrupted>() {
        return match interrupted {
            Interrupted::Cpu => CallFailure::CpuExhausted { limit_us: limits.cpu_us.get() },
            Interrupted::Deadline => CallFailure::DeadlineExceeded { limit_us: limits.wall_us.get() },
            Interrupted::Cancelled => CallFailure::Trap { reason: interrupted.to_string() },
        };
    }
    if let Some(exhausted) = error.downcast_ref::<Exhausted>() {
        return match exhausted {
            Exhausted::HostBytes { limit } => CallFailure::HostBytesExhausted { resource: "host-bytes", limit: *limit },
            Exhausted::StorageRead { limit } => CallFailure::StorageReadExhausted { limit: *limit },
            Exhausted::StorageWrite { limit } => CallFailure::StorageWriteExhausted { limit: *limit },
            Exhausted::CacheTraffic { limit } => CallFailure::CacheTrafficExhausted { limit: *limit },
            Exhausted::HostCalls { limit } => CallFailure::HostCallsExhausted { limit: *limit },
            other => CallFailure::Trap { reason: other.to_string() },
        };
    }
    if error.is::<HostPanicked>() {
        return CallFailure::HostFault;
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return CallFailure::Trap { reason: format!("it called exit({}); an agent answers instead", exit.0) };
    }
    if matches!(error.downcast_ref::<ResourceTableError>(), Some(ResourceTableError::Full)) || too_many_handles(error) {
        return CallFailure::MemoryExhausted { resource: "handles", limit: HANDLES as u64 };
    }
    if lifted_too_much(error) {
        // Without a frame of the guest on the stack, it is the answer that was being read.
        return if error.downcast_ref::<WasmBacktrace>().is_some() {
            CallFailure::HostBytesExhausted { resource: "value-bytes", limit: limits.value_bytes.get() }
        } else {
            CallFailure::ResponseTooLarge { limit: limits.response_bytes.get() }
        };
    }
    match (error.downcast_ref::<Trap>(), state.host.budget.refused()) {
        (Some(Trap::OutOfFuel), _) => CallFailure::FuelExhausted { limit: limits.fuel.get() },
        (_, Some(Refused::Memory)) => {
            CallFailure::MemoryExhausted { resource: "memory-bytes", limit: limits.memory_bytes.get() }
        }
        (_, Some(Refused::Elements)) => {
            CallFailure::MemoryExhausted { resource: "table-elements", limit: limits.table_elements.get() }
        }
        (Some(trap), None) => CallFailure::Trap { reason: trap.to_string() },
        (None, None) if error.chain().any(|cause| cause.is::<std::io::Error>()) => {
            tracing::error!(error = %format_args!("{error:#}"), "the machine failed under a call");
            CallFailure::HostFault
        }
        (None, None) => CallFailure::Trap { reason: first_line(error) },
    }
}

/// The engine's own type for it is private in 48: known by its text, which a test of a huge answer holds in place.
fn lifted_too_much(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| cause.to_string().contains("fuel allocated for hostcalls"))
}

/// Likewise: the probe of `handles` at start holds it in place.
fn too_many_handles(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| cause.to_string().contains("handle limit exceeded"))
}

/// What the engine says, without its backtrace: that is for the operator's log, not for a caller.
fn first_line(error: &wasmtime::Error) -> String {
    let root = error.root_cause().to_string();
    root.lines().next().unwrap_or_default().chars().take(300).collect()
}
