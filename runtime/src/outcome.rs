//! How a call ends: what the caller gets, and the errors of the call and of the way to it.

use std::time::Duration;

use bytes::Bytes;
use insula_host_api::HostCalls;
use insula_tenancy::{InvocationId, VersionId};

use crate::Bill;
use crate::diagnosis::Diagnosis;
use crate::shortage::{HostShortage, RateQuota, TenantLimit};

/// One request to an agent.
#[derive(Debug, Clone)]
pub struct Call {
    /// The body, as it was sent.
    pub body: Bytes,
    /// Its content type.
    pub content_type: String,
    /// Names and values for the agent.
    pub metadata: Vec<(String, String)>,
    /// The caller's idempotency key.
    pub idempotency_key: Option<String>,
}

/// A call that ran.
#[derive(Debug)]
pub struct Invocation {
    /// Its id, as it stands in the log.
    pub id: InvocationId,
    /// The version that answered.
    pub version: VersionId,
    /// The answer, or how it failed.
    pub outcome: Result<Response, CallFailure>,
    /// What it used, also when it failed.
    pub bill: Bill,
    /// The host calls of the bill, by kind.
    pub host_calls: HostCalls,
    /// What its tenant's rate left when it was admitted.
    pub quota: RateQuota,
    /// Where it was and what was left, when the guest did not come to an end of its own.
    pub diagnosis: Option<Box<Diagnosis>>,
}

/// What an agent answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The body.
    pub body: Vec<u8>,
    /// Its content type: visible ASCII.
    pub content_type: String,
    /// Names (`[a-z0-9-]{1,64}`) and values (visible ASCII) for the caller.
    pub metadata: Vec<(String, String)>,
}

/// An error that the agent itself returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentError {
    /// The agent's word for it.
    pub code: String,
    /// The agent's sentence.
    pub message: String,
    /// When trying again may help, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

/// Why a call that ran has no answer. Every one has a bill.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallFailure {
    /// The agent returned an error.
    #[error("the agent returned an error: {}", .0.message)]
    Agent(AgentError),
    /// The guest trapped: it panicked, ran into unreachable code, or broke a contract.
    #[error("the agent trapped: {reason}")]
    Trap {
        /// The engine's word for it.
        reason: String,
    },
    /// Out of fuel.
    #[error("the call used up its {limit} units of fuel")]
    FuelExhausted {
        /// The limit.
        limit: u64,
    },
    /// Out of time on a processor.
    #[error("the call used up its {limit_us} microseconds of processor time")]
    CpuExhausted {
        /// The limit, in microseconds.
        limit_us: u64,
    },
    /// Out of time on the clock.
    #[error("the call did not finish within its {limit_us} microseconds")]
    DeadlineExceeded {
        /// The limit, in microseconds.
        limit_us: u64,
    },
    /// Memories, tables or handles.
    #[error("the call needed more than the {limit} that it may have of `{resource}`")]
    MemoryExhausted {
        /// `memory-bytes`, `table-elements` or `handles`.
        resource: &'static str,
        /// The limit, in the unit of the resource.
        limit: u64,
    },
    /// Too many host calls.
    #[error("the call made more than its {limit} host calls")]
    HostCallsExhausted {
        /// The limit.
        limit: u64,
    },
    /// Too many bytes through host calls, or in one of them.
    #[error("the call moved more bytes through host functions than its {limit} of `{resource}`")]
    HostBytesExhausted {
        /// `host-bytes` for all calls together; `value-bytes` for what was to be lifted for one.
        resource: &'static str,
        /// The limit, in bytes.
        limit: u64,
    },
    /// Too many bytes out of storage.
    #[error("the call read more than its {limit} bytes from storage")]
    StorageReadExhausted {
        /// The limit, in bytes.
        limit: u64,
    },
    /// Too many bytes into storage.
    #[error("the call wrote more than its {limit} bytes to storage")]
    StorageWriteExhausted {
        /// The limit, in bytes.
        limit: u64,
    },
    /// Too many bytes into the cache and out of it.
    #[error("the call moved more than its {limit} bytes into and out of the cache")]
    CacheTrafficExhausted {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The answer is too large.
    #[error("the agent's answer is larger than {limit} bytes")]
    ResponseTooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The answer cannot be sent on.
    #[error("the agent's answer cannot be sent: {reason}")]
    InvalidResponse {
        /// What is wrong with it.
        reason: String,
    },
    /// A fault of the host. The operator's log has the reason.
    #[error("the host failed while the call ran; the fault is the host's")]
    HostFault,
}

impl CallFailure {
    /// The stable word for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Agent(_) => "agent-error",
            Self::Trap { .. } => "agent-trap",
            Self::FuelExhausted { .. } => "fuel-exhausted",
            Self::CpuExhausted { .. } => "cpu-exhausted",
            Self::DeadlineExceeded { .. } => "deadline-exceeded",
            Self::MemoryExhausted { .. } => "memory-exhausted",
            Self::HostCallsExhausted { .. } => "host-calls-exhausted",
            Self::HostBytesExhausted { .. } => "host-bytes-exhausted",
            Self::StorageReadExhausted { .. } => "storage-read-exhausted",
            Self::StorageWriteExhausted { .. } => "storage-write-exhausted",
            Self::CacheTrafficExhausted { .. } => "cache-traffic-exhausted",
            Self::ResponseTooLarge { .. } => "response-too-large",
            Self::InvalidResponse { .. } => "invalid-response",
            Self::HostFault => "host-fault",
        }
    }

    /// Where a limit was met: the limit's name, or `handles`, and its value.
    #[must_use]
    pub fn exhausted(&self) -> Option<(&'static str, u64)> {
        Some(match self {
            Self::FuelExhausted { limit } => ("fuel", *limit),
            Self::CpuExhausted { limit_us } => ("cpu-us", *limit_us),
            Self::DeadlineExceeded { limit_us } => ("wall-us", *limit_us),
            Self::MemoryExhausted { resource, limit } | Self::HostBytesExhausted { resource, limit } => {
                (resource, *limit)
            }
            Self::HostCallsExhausted { limit } => ("host-calls", *limit),
            Self::StorageReadExhausted { limit } => ("storage-read-bytes", *limit),
            Self::StorageWriteExhausted { limit } => ("storage-write-bytes", *limit),
            Self::CacheTrafficExhausted { limit } => ("cache-traffic-bytes", *limit),
            Self::ResponseTooLarge { limit } => ("response-bytes", *limit),
            Self::Agent(_) | Self::Trap { .. } | Self::InvalidResponse { .. } | Self::HostFault => return None,
        })
    }
}

/// Why a call did not run. Nothing was used, but where [`InvokeError::bill`] says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvokeError {
    /// No such agent, or none of this tenant's, or none that is active: from outside they look the same (T6).
    #[error("no active agent of this name")]
    NotFound,
    /// The body is over the limit.
    #[error("the request has more than {limit} bytes")]
    RequestTooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// Too many names and values beside the body.
    #[error("the request has more metadata than 64 entries or 16 KiB")]
    MetadataTooLarge,
    /// The tenant has reached a limit of its own on calls.
    #[error("the tenant {reached}")]
    TenantBusy {
        /// Which one.
        reached: TenantLimit,
        /// When trying again may help.
        retry_after: Duration,
        /// What its rate leaves it.
        quota: RateQuota,
    },
    /// The host has as many calls as it may.
    #[error("the host is full, {shortage}")]
    HostBusy {
        /// What it was short of.
        shortage: HostShortage,
        /// When trying again may help.
        retry_after: Duration,
    },
    /// The host had no instance left for the call.
    #[error("the host is full")]
    NoInstance {
        /// When trying again may help.
        retry_after: Duration,
        /// What a start function used before the pool was empty, of a component that has one.
        bill: Box<Bill>,
    },
    /// The tenant's calls may each use more memory than the host has for all.
    #[error(
        "a call of this tenant may use {needs} bytes of memory, and this host has {limit} for all of them: an operator has \
         to lower the tenant's `memory-bytes` or raise the host's `guest-memory-bytes`"
    )]
    HostTooSmall {
        /// The tenant's limit on a call's memory, in bytes.
        needs: u64,
        /// The host's on all, in bytes.
        limit: u64,
    },
    /// The tenant was suspended while the call waited for its place.
    #[error("the tenant is suspended")]
    Suspended,
    /// The host is going down.
    #[error("the host is shutting down")]
    ShuttingDown,
    /// The catalog or the artefact could not be read. The operator's log has the reason.
    #[error("the agent is not available just now")]
    Unavailable,
}

impl InvokeError {
    /// What was used nevertheless: nothing, most of the time.
    #[must_use]
    pub fn bill(&self) -> Bill {
        match self {
            Self::NoInstance { bill, .. } => **bill,
            _ => Bill::default(),
        }
    }
}
