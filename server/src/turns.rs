//! Turns: how many reads of one tenant's management requests go on at a time (R3).
//!
//! The catalog has few readers and the disk few threads, so that no tenant's flood of requests may have them all. A
//! turn is given back by drop (B3), and a tenant without requests costs nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use insula_tenancy::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Of one tenant at a time.
pub(crate) const AT_ONCE: usize = 4;
/// Of one tenant that wait for their turn. More are refused at once.
const WAITING: usize = 128;
/// How long one waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// The tenant has as many requests at work as it may have, and more that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tenant has {AT_ONCE} management requests at work, which is its limit, and others waiting")]
pub(crate) struct NoTurn;

/// Whose requests are at work. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<HashMap<TenantId, Line>>>);

/// One tenant's requests.
struct Line {
    turns: Arc<Semaphore>,
    /// At work or waiting.
    requests: usize,
}

/// A request at work. Given back when dropped.
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
    _place: Place,
}

/// A place in a tenant's line, at work or waiting.
struct Place {
    lines: Turns,
    tenant: TenantId,
}

impl Turns {
    /// Waits for a turn.
    pub(crate) async fn take(&self, tenant: TenantId) -> Result<Turn, NoTurn> {
        let (place, turns) = self.line_up(tenant)?;
        match timeout(PATIENCE, turns.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Turn { _permit: permit, _place: place }),
            _ => Err(NoTurn),
        }
    }

    fn line_up(&self, tenant: TenantId) -> Result<(Place, Arc<Semaphore>), NoTurn> {
        let mut lines = self.lines();
        let new = || Line { turns: Arc::new(Semaphore::new(AT_ONCE)), requests: 0 };
        let line = lines.entry(tenant).or_insert_with(new);
        if line.requests >= AT_ONCE + WAITING {
            return Err(NoTurn);
        }
        line.requests += 1;
        Ok((Place { lines: self.clone(), tenant }, Arc::clone(&line.turns)))
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<TenantId, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lines = self.lines.lines();
        if let Some(line) = lines.get_mut(&self.tenant) {
            line.requests = line.requests.saturating_sub(1);
            if line.requests == 0 {
                lines.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_tenants_flood_waits_and_gives_up_while_a_bystander_has_its_turn() {
        let turns = Turns::default();
        let (ours, theirs) = (TenantId::generate(), TenantId::generate());
        let mut held = Vec::new();
        for _ in 0..AT_ONCE {
            held.push(turns.take(ours).await.unwrap());
        }
        let began = Instant::now();
        assert_eq!(turns.take(ours).await.err(), Some(NoTurn));
        assert_eq!(began.elapsed(), PATIENCE);
        assert!(turns.take(theirs).await.is_ok());
        held.pop();
        assert!(turns.take(ours).await.is_ok());
        assert_eq!(began.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn the_line_has_an_end_and_costs_nothing_when_it_is_empty() {
        let turns = Turns::default();
        let tenant = TenantId::generate();
        let places: Vec<_> = (0..AT_ONCE + WAITING).map(|_| turns.line_up(tenant).unwrap()).collect();
        let began = Instant::now();
        assert_eq!(turns.take(tenant).await.err(), Some(NoTurn));
        assert_eq!(began.elapsed(), Duration::ZERO);
        drop(places);
        assert!(turns.lines().is_empty());
        drop(turns.take(tenant).await.unwrap());
        assert!(turns.lines().is_empty());
    }
}
