//! The order to stop: first gently, then at once. Seen by every connection without a lock on the way of a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio_util::sync::CancellationToken;

/// How far stopping has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not at all.
    Serve,
    /// No new connections; the requests in flight go on.
    Drain,
    /// Everything ends where it stands.
    Kill,
}

/// The order to stop. Clones are the same order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    phase: Arc<AtomicU8>,
    draining: CancellationToken,
    killed: CancellationToken,
}

impl Stop {
    /// Orders to drain.
    pub(crate) fn drain(&self) {
        self.phase.fetch_max(1, Ordering::SeqCst);
        self.draining.cancel();
    }

    /// Orders to end at once.
    pub(crate) fn kill(&self) {
        self.phase.fetch_max(2, Ordering::SeqCst);
        self.draining.cancel();
        self.killed.cancel();
    }

    /// How far stopping has come.
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::SeqCst) {
            0 => Phase::Serve,
            1 => Phase::Drain,
            _ => Phase::Kill,
        }
    }

    /// Cancelled when draining begins.
    pub(crate) fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// Cancelled when everything is to end.
    pub(crate) fn killed(&self) -> &CancellationToken {
        &self.killed
    }

    /// Kills when dropped: what was spawned does not outlive its server.
    pub(crate) fn kill_on_drop(&self) -> KillOnDrop {
        KillOnDrop(self.clone())
    }
}

/// See [`Stop::kill_on_drop`].
pub(crate) struct KillOnDrop(Stop);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.kill();
    }
}
