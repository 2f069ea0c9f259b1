//! Components that no version names: what an upload leaves on the shelf when its caller goes away, or the host stops, in
//! the middle. They are removed by the tenant's next upload or deletion.

use std::time::{Duration, Instant};

use insula_tenancy::TenantScope;
use parking_lot::Mutex;

use crate::runtime::Inner;
use crate::tenants::TenantEntry;

/// A change that was dropped may still be committed for a while: longer than the catalog ever takes.
const SETTLED: Duration = Duration::from_secs(30);

/// When a tenant's shelf is due for a look. At the start it is.
#[derive(Debug)]
pub(crate) struct Sweeping {
    due: Mutex<Option<Instant>>,
}

/// A change of the shelf that is on its way. Dropped before it is done, it makes the shelf due for a look later.
#[derive(Debug)]
pub(crate) struct ShelfChange<'a> {
    sweeping: &'a Sweeping,
    done: bool,
}

impl Sweeping {
    pub(crate) fn new() -> Self {
        Self { due: Mutex::new(Some(Instant::now())) }
    }

    fn is_due(&self) -> bool {
        let mut due = self.due.lock();
        let now = due.is_some_and(|at| at <= Instant::now());
        if now {
            *due = None;
        }
        now
    }

    fn later(&self) {
        *self.due.lock() = Some(Instant::now() + SETTLED);
    }

    /// A change of the shelf begins.
    pub(crate) fn begin(&self) -> ShelfChange<'_> {
        ShelfChange { sweeping: self, done: false }
    }
}

impl ShelfChange<'_> {
    /// It came to its end, and cleaned up after itself.
    pub(crate) fn finish(mut self) {
        self.done = true;
    }
}

impl Drop for ShelfChange<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.sweeping.later();
        }
    }
}

impl Inner {
    /// Removes what no version names, if that is due. Whoever calls holds the tenant's `uploading`, so that nothing is on
    /// its way to the catalog but what was dropped there, and that is waited out.
    pub(crate) async fn sweep(&self, scope: &TenantScope, entry: &TenantEntry) {
        if !entry.sweeping.is_due() {
            return;
        }
        let shelf = entry.store.shelf();
        let found = tokio::task::spawn_blocking(move || shelf.digests()).await;
        let named = self.catalog.digests(scope).await;
        match (found, named) {
            (Ok(Ok(found)), Ok(named)) => {
                let orphans: Vec<_> = found.into_iter().filter(|digest| !named.contains(digest)).collect();
                if !orphans.is_empty() {
                    tracing::info!(tenant = %entry.id, count = orphans.len(), "components that no version names are removed");
                }
                self.discard(entry, &orphans).await;
            }
            (found, named) => {
                tracing::warn!(tenant = %entry.id, found = found.is_ok(), named = named.is_ok(), "the shelf was not swept");
                entry.sweeping.later();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shelf_is_looked_at_once_and_again_after_a_change_was_dropped() {
        let sweeping = Sweeping::new();
        assert!(sweeping.is_due());
        assert!(!sweeping.is_due());
        sweeping.begin().finish();
        assert!(sweeping.due.lock().is_none());
        drop(sweeping.begin());
        assert!(!sweeping.is_due(), "what was dropped is waited out");
        assert!(sweeping.due.lock().is_some());
    }
}
