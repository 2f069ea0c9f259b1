//! Reading a request's body: never more than allowed, never for longer than allowed (B1).
//!
//! The reader hands out frames as they come, so that an upload is never whole in memory; `collect` gathers a small body
//! and charges the ledger as it grows. A body that ends early is an error and never a shorter body.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use crate::memory::{Hold, NoRoom};

/// How patient to be with a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyRules {
    /// The longest pause between two frames.
    pub(crate) idle: Duration,
    /// The longest time for all of it.
    pub(crate) deadline: Duration,
}

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// By what it declared, or by what came.
    #[error("the request body is larger than the {limit} bytes that are allowed")]
    TooLarge {
        /// In bytes.
        limit: u64,
    },
    /// Nothing came for too long.
    #[error("the request body stood still for {after:?}")]
    Stalled {
        /// How long that was.
        after: Duration,
    },
    /// It took too long as a whole.
    #[error("the request body took longer than {after:?}")]
    TooSlow {
        /// How long it may take.
        after: Duration,
    },
    /// The client went away, or sent less than it declared.
    #[error("the request body ended before its declared length")]
    Incomplete,
    /// See [`NoRoom`].
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
}

/// Reads one body.
pub(crate) struct BodyReader {
    body: Body,
    limit: u64,
    rules: BodyRules,
    deadline: Instant,
    declared: Option<u64>,
    seen: u64,
}

impl BodyReader {
    /// A reader of this body; an error when it declares more than `limit` bytes.
    pub(crate) fn new(body: Body, limit: u64, rules: BodyRules) -> Result<Self, BodyError> {
        let size = body.size_hint();
        if size.lower() > limit {
            return Err(BodyError::TooLarge { limit });
        }
        let deadline = Instant::now() + rules.deadline;
        Ok(Self { body, limit, rules, deadline, declared: size.exact(), seen: 0 })
    }

    /// The next bytes; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            let until = self.deadline.min(Instant::now() + self.rules.idle);
            let Ok(frame) = timeout_at(until, self.body.frame()).await else {
                return Err(self.out_of_time());
            };
            let frame = match frame {
                None => return self.end(),
                Some(Err(_)) => return Err(BodyError::Incomplete),
                Some(Ok(frame)) => frame,
            };
            // Trailers are of no interest to anyone here.
            let Ok(bytes) = frame.into_data() else { continue };
            self.seen = self.seen.saturating_add(bytes.len() as u64);
            if self.seen > self.limit {
                return Err(BodyError::TooLarge { limit: self.limit });
            }
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
    }

    /// All of it. A body of one piece is handed on as it came; the pieces of any other are put together, each copied once.
    pub(crate) async fn collect(mut self, hold: &mut Hold) -> Result<Bytes, BodyError> {
        let Some(first) = self.next().await? else { return Ok(Bytes::new()) };
        hold.grow(first.len())?;
        let mut whole = BytesMut::new();
        if self.may_be_whole() {
            let Some(second) = self.next().await? else { return Ok(first) };
            hold.grow(second.len())?;
            whole.reserve(first.len() + second.len());
            whole.extend_from_slice(&first);
            whole.extend_from_slice(&second);
        } else {
            whole.reserve(self.declared.and_then(|length| usize::try_from(length).ok()).unwrap_or_default());
            whole.extend_from_slice(&first);
        }
        // A piece that is still held when the next one is read keeps the connection from using its buffer again.
        drop(first);
        while let Some(bytes) = self.next().await? {
            hold.grow(bytes.len())?;
            whole.extend_from_slice(&bytes);
        }
        Ok(whole.freeze())
    }

    /// Whether there may be no more to come. It is certain that there is more where more was declared.
    fn may_be_whole(&self) -> bool {
        self.declared.is_none_or(|declared| self.seen >= declared)
    }

    fn end(&self) -> Result<Option<Bytes>, BodyError> {
        match self.declared {
            Some(declared) if declared != self.seen => Err(BodyError::Incomplete),
            _ => Ok(None),
        }
    }

    fn out_of_time(&self) -> BodyError {
        if Instant::now() >= self.deadline {
            BodyError::TooSlow { after: self.rules.deadline }
        } else {
            BodyError::Stalled { after: self.rules.idle }
        }
    }
}

#[cfg(test)]
mod tests;
