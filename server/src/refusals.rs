//! What becomes which problem: one `From` for each error of the rooms below. The only place where an error meets a
//! status.

use std::time::Duration;

use http::StatusCode;
use insula_runtime::storage::{InvalidName, StorageError};
use insula_runtime::{
    AgentError, ArchiveError, ArchiveProblem, CallFailure, CatalogError, ControlError, DeployError, InvalidLimit,
    InvokeError,
};
use insula_tenancy::{Denied, Forbidden, InvalidCredential, LookupFailed};

use crate::body::BodyError;
use crate::memory::NoRoom;
use crate::problem::Problem;
use crate::rate_limit;
use crate::tenants::HoldingsView;
use crate::turns::{AT_ONCE, NoTurn};

const PAUSE: Duration = Duration::from_secs(1);
/// The most bytes of what an agent says about a failure, and of its code for it. The rest is left out.
const MESSAGE_BYTES: usize = 8 << 10;
const CODE_BYTES: usize = 128;

impl From<InvalidCredential> for Problem {
    fn from(error: InvalidCredential) -> Self {
        Self::unauthenticated(error.to_string())
    }
}

impl From<Denied> for Problem {
    fn from(error: Denied) -> Self {
        match error {
            Denied::Unknown => Self::unauthenticated(error.to_string()),
            Denied::WrongKind => Self::forbidden(error.to_string()),
            Denied::Suspended => Self::new(StatusCode::FORBIDDEN, "tenant-suspended", error.to_string()),
            Denied::LookupFailed(failed) => failed.into(),
            _ => Self::unauthenticated(error.to_string()),
        }
    }
}

impl From<LookupFailed> for Problem {
    fn from(_: LookupFailed) -> Self {
        Self::unavailable()
    }
}

impl From<Forbidden> for Problem {
    fn from(error: Forbidden) -> Self {
        Self::forbidden(error.to_string()).with("permission", error.missing().name())
    }
}

impl From<NoRoom> for Problem {
    fn from(error: NoRoom) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "host-busy", error.to_string()).retry_after(PAUSE)
    }
}

impl From<NoTurn> for Problem {
    fn from(error: NoTurn) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "tenant-busy", error.to_string())
            .with("limit", AT_ONCE)
            .retry_after(PAUSE)
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let detail = error.to_string();
        match error {
            BodyError::TooLarge { limit } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "request-too-large", detail).with("limit", limit)
            }
            BodyError::Stalled { .. } | BodyError::TooSlow { .. } => {
                Self::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", detail)
            }
            BodyError::Incomplete => Self::bad_request("incomplete-body", detail),
            BodyError::NoRoom(error) => error.into(),
        }
    }
}

impl From<InvalidName> for Problem {
    fn from(error: InvalidName) -> Self {
        Self::bad_request(error.code(), error.to_string())
    }
}

impl From<InvalidLimit> for Problem {
    fn from(error: InvalidLimit) -> Self {
        Self::bad_request("invalid-limit", error.to_string())
    }
}

impl From<CatalogError> for Problem {
    fn from(error: CatalogError) -> Self {
        let detail = error.to_string();
        match error {
            CatalogError::NotFound => Self::not_found(),
            CatalogError::Conflict { .. } => Self::new(StatusCode::CONFLICT, "conflict", detail),
            CatalogError::Invalid { .. } => Self::bad_request("invalid", detail),
            CatalogError::LimitReached { limit, .. } => {
                Self::new(StatusCode::CONFLICT, "limit-reached", detail).with("limit", limit)
            }
            CatalogError::WrongRealm => Self::host_fault().because(&error),
            _ => Self::unavailable().because(&error),
        }
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        let detail = error.to_string();
        match error {
            ControlError::Catalog(error) => error.into(),
            ControlError::InvalidLimit(error) => error.into(),
            // The runtime has logged the reason.
            ControlError::Uncounted | ControlError::Unrecorded => Self::unavailable(),
            ControlError::StillRunning => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "still-running", detail).retry_after(PAUSE)
            }
            ControlError::NotErased => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-erased", detail).retry_after(PAUSE)
            }
            ControlError::Remains { erasure } => {
                let places = serde_json::to_value(&erasure.places).unwrap_or_default();
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "not-erased", detail).with("places", places)
            }
            ControlError::NotCompacted => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-compacted", detail).retry_after(PAUSE)
            }
            ControlError::Archive(error) => error.into(),
            ControlError::ArchiveTooLarge { limit } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "archive-too-large", detail).with("limit", limit)
            }
            ControlError::ImportsBusy => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "imports-busy", detail).retry_after(PAUSE)
            }
            ControlError::Storage(error) => error.into(),
            ControlError::Component(error) => error.into(),
            ControlError::DataRemains { holdings } => {
                let holdings = serde_json::to_value(HoldingsView::from(holdings)).unwrap_or_default();
                Self::new(StatusCode::CONFLICT, "data-remains", detail).with("holdings", holdings)
            }
            _ => Self::host_fault().because(&error),
        }
    }
}

impl From<ArchiveError> for Problem {
    fn from(error: ArchiveError) -> Self {
        match error.problem {
            ArchiveProblem::Io(_) | ArchiveProblem::Storage => Self::unavailable().because(&error),
            _ => Self::bad_request("invalid-archive", error.to_string())
                .with("frame", error.frame)
                .with("offset", error.offset),
        }
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        let (code, detail) = (error.code(), error.to_string());
        match error {
            StorageError::InvalidName(error) => error.into(),
            StorageError::Conflict { .. } => Self::new(StatusCode::PRECONDITION_FAILED, code, detail),
            StorageError::QuotaExceeded { used, limit, unit, .. } => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, code, detail)
                    .with("used", used)
                    .with("limit", limit)
                    .with("unit", unit)
            }
            StorageError::ValueTooLarge { limit, .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, code, detail).with("limit", limit)
            }
            StorageError::Unavailable => Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(PAUSE),
            _ => Self::bad_request(code, detail),
        }
    }
}

impl From<InvokeError> for Problem {
    fn from(error: InvokeError) -> Self {
        let detail = error.to_string();
        match error {
            InvokeError::NotFound => Self::not_found(),
            InvokeError::RequestTooLarge { limit } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "request-too-large", detail).with("limit", limit)
            }
            InvokeError::MetadataTooLarge => {
                Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "metadata-too-large", detail)
            }
            InvokeError::TenantBusy { reached, retry_after, quota } => {
                let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "tenant-busy", detail)
                    .with("limit", reached.limit())
                    .with("limit-name", reached.name())
                    .retry_after(retry_after);
                let fields = rate_limit::fields(&quota);
                fields.into_iter().fold(problem, |problem, (name, value)| problem.header(name, value))
            }
            InvokeError::HostBusy { retry_after, .. } | InvokeError::NoInstance { retry_after, .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "host-busy", detail).retry_after(retry_after)
            }
            // Trying again does not help: an operator has to act.
            InvokeError::HostTooSmall { limit, .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "host-too-small", detail).with("limit", limit)
            }
            InvokeError::Suspended => Denied::Suspended.into(),
            InvokeError::ShuttingDown => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting-down", detail).retry_after(PAUSE)
            }
            // The runtime has logged the reason.
            InvokeError::Unavailable => Self::unavailable(),
            _ => Self::host_fault().because(&error),
        }
    }
}

impl From<CallFailure> for Problem {
    fn from(failure: CallFailure) -> Self {
        let code = failure.code();
        let failure = match failure {
            CallFailure::Agent(error) => return agent_problem(code, error),
            other => other,
        };
        let detail = cut(failure.to_string(), MESSAGE_BYTES);
        let status = match &failure {
            CallFailure::FuelExhausted { .. }
            | CallFailure::CpuExhausted { .. }
            | CallFailure::HostCallsExhausted { .. } => StatusCode::LOOP_DETECTED,
            CallFailure::DeadlineExceeded { .. } => StatusCode::GATEWAY_TIMEOUT,
            CallFailure::MemoryExhausted { .. }
            | CallFailure::HostBytesExhausted { .. }
            | CallFailure::StorageReadExhausted { .. }
            | CallFailure::StorageWriteExhausted { .. }
            | CallFailure::CacheTrafficExhausted { .. } => StatusCode::INSUFFICIENT_STORAGE,
            CallFailure::ResponseTooLarge { .. } | CallFailure::InvalidResponse { .. } => StatusCode::BAD_GATEWAY,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let problem = Self::new(status, code, detail);
        match failure.exhausted() {
            Some((resource, limit)) => problem.with("resource", resource).with("limit", limit),
            None => problem,
        }
    }
}

/// An agent's own error, as far as there is room for it: it can be as large as an answer.
fn agent_problem(code: &'static str, error: AgentError) -> Problem {
    let status = agent_status(&error.code);
    let message = cut(error.message, MESSAGE_BYTES);
    let problem = Problem::new(status, code, message).with("agent-code", cut(error.code, CODE_BYTES));
    match error.retry_after_ms {
        Some(after) => problem.retry_after(Duration::from_millis(after)),
        None => problem,
    }
}

/// The beginning of a text, of at most so many bytes.
fn cut(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit));
        text.shrink_to_fit();
    }
    text
}

/// The status of an agent's own error, by its code.
fn agent_status(code: &str) -> StatusCode {
    match code {
        "bad-request" => StatusCode::BAD_REQUEST,
        "not-found" => StatusCode::NOT_FOUND,
        "conflict" => StatusCode::CONFLICT,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

impl From<DeployError> for Problem {
    fn from(error: DeployError) -> Self {
        let (code, detail) = (error.code(), error.to_string());
        match error {
            DeployError::Catalog(error) => error.into(),
            DeployError::TooLarge { limit } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, code, detail).with("limit", limit)
            }
            DeployError::CompilersBusy { retry_after } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(retry_after)
            }
            DeployError::DiskFull => Self::new(StatusCode::INSUFFICIENT_STORAGE, code, detail),
            DeployError::Internal => Self::new(StatusCode::INTERNAL_SERVER_ERROR, code, detail),
            DeployError::UnknownImports { names } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail).with("imports", names)
            }
            _ => Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail),
        }
    }
}

#[cfg(test)]
mod tests;
