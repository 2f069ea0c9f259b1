//! What did not compile, remembered for a while: the same bytes get the same answer without a compiler.
//!
//! Each tenant has a memory of its own. Were it shared, the speed of an answer would tell one tenant what another has
//! uploaded. It is in this process only, and so never outlives the engine that it is about. Bounded in number and, by
//! [`REASON_BYTES`](super::pool::REASON_BYTES), in bytes (B1).

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use insula_store::Digest;
use lru::LruCache;
use parking_lot::Mutex;

use crate::deploy_error::DeployError;

/// Failures remembered of a tenant. More push the oldest out.
const KEPT: usize = 32;
/// How long a failure is remembered that the bytes decide. The engine and its settings are those of this process, so that
/// trying again would end the same; only the time for which an operator has to wait after a repair is bounded by it.
const REMEMBERED: Duration = Duration::from_secs(600);
/// How long one is remembered that the load of the machine may have decided.
const DEADLINE_REMEMBERED: Duration = Duration::from_secs(60);

/// A failure that is the component's, and not the host's or the moment's.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Failure {
    TooComplex { what: &'static str, found: u64, limit: u64 },
    Refused(String),
    WrongHandler(String),
    TooSlow(Duration),
    TooMuchMemory(u64),
}

impl Failure {
    fn of(error: &DeployError) -> Option<(Self, Duration)> {
        Some(match error {
            DeployError::CompileFailed { reason } => (Self::Refused(reason.clone()), REMEMBERED),
            DeployError::WrongHandler { reason } => (Self::WrongHandler(reason.clone()), REMEMBERED),
            DeployError::CompileMemory { limit } => (Self::TooMuchMemory(*limit), REMEMBERED),
            DeployError::TooComplex { what, found, limit } => {
                (Self::TooComplex { what, found: *found, limit: *limit }, REMEMBERED)
            }
            DeployError::CompileTimeout { limit } => (Self::TooSlow(*limit), DEADLINE_REMEMBERED),
            _ => return None,
        })
    }

    fn error(&self) -> DeployError {
        match self.clone() {
            Self::Refused(reason) => DeployError::CompileFailed { reason },
            Self::WrongHandler(reason) => DeployError::WrongHandler { reason },
            Self::TooMuchMemory(limit) => DeployError::CompileMemory { limit },
            Self::TooComplex { what, found, limit } => DeployError::TooComplex { what, found, limit },
            Self::TooSlow(limit) => DeployError::CompileTimeout { limit },
        }
    }
}

/// One tenant's. Of a tenant of whose nothing failed it is a few words.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<Option<Box<Kept>>>);

type Kept = LruCache<Digest, (Failure, Instant)>;

impl Failures {
    /// What became of these bytes, if it was a failure and not long ago.
    pub(crate) fn of(&self, digest: &Digest, now: Instant) -> Option<DeployError> {
        let mut kept = self.0.lock();
        let kept = kept.as_mut()?;
        let (failure, until) = kept.peek(digest)?;
        if *until > now {
            return Some(failure.error());
        }
        kept.pop(digest);
        None
    }

    /// Remembers an error, where it is one of the component's own.
    pub(crate) fn remember(&self, digest: Digest, error: &DeployError, now: Instant) {
        if let Some((failure, life)) = Failure::of(error) {
            let mut kept = self.0.lock();
            let kept = kept.get_or_insert_with(|| Box::new(LruCache::new(NonZeroUsize::MIN.saturating_add(KEPT - 1))));
            // In order of coming: looking at one does not make it live longer.
            kept.push(digest, (failure, now + life));
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u64 {
        self.0.lock().as_ref().map_or(0, |kept| kept.len() as u64)
    }

    pub(crate) fn clear(&self) {
        *self.0.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(reason: &str) -> DeployError {
        DeployError::CompileFailed { reason: reason.to_owned() }
    }

    #[test]
    fn a_failure_has_the_same_answer_until_its_time_is_over() {
        let (ours, theirs, now) = (Failures::default(), Failures::default(), Instant::now());
        let (bad, slow) = (Digest::of(b"bad"), Digest::of(b"slow"));
        ours.remember(bad, &refused("type mismatch"), now);
        ours.remember(slow, &DeployError::CompileTimeout { limit: Duration::from_secs(1) }, now);
        let again = ours.of(&bad, now + REMEMBERED - Duration::from_millis(1)).unwrap();
        assert_eq!((again.code(), again.to_string()), ("compile-failed", refused("type mismatch").to_string()));
        assert_eq!(ours.of(&slow, now).unwrap().code(), "compile-timeout");
        assert!(ours.of(&slow, now + DEADLINE_REMEMBERED).is_none());
        assert!(ours.of(&bad, now + REMEMBERED).is_none());
        assert_eq!((ours.len(), theirs.len()), (0, 0));
    }

    #[test]
    fn what_is_the_hosts_or_the_moments_is_not_remembered() {
        let (failures, digest, now) = (Failures::default(), Digest::of(b"good"), Instant::now());
        let busy = DeployError::CompilersBusy { retry_after: Duration::from_secs(5) };
        for error in [busy, DeployError::DiskFull, DeployError::Internal] {
            failures.remember(digest, &error, now);
            assert!(failures.of(&digest, now).is_none(), "{error}");
        }
    }

    #[test]
    fn few_are_remembered_and_the_oldest_go_first() {
        let (failures, now) = (Failures::default(), Instant::now());
        let digest = |number: usize| Digest::of(&number.to_le_bytes());
        for number in 0..=KEPT {
            assert!(number == 0 || failures.of(&digest(0), now).is_some());
            failures.remember(digest(number), &refused("no"), now);
        }
        assert_eq!(failures.len(), KEPT as u64);
        assert!(failures.of(&digest(0), now).is_none());
        assert!(failures.of(&digest(KEPT), now).is_some());
        failures.clear();
        assert_eq!(failures.len(), 0);
    }
}
