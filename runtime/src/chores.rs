//! What the host does by itself, again and again: usage goes to the catalog, caches and storage give back the room of what
//! nobody is given any more, components that nobody calls are let go of, and slots of the pool that keep too much are emptied. Each chore holds the runtime weakly, so that the
//! last clone's end is the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::engine::{SharedEngine, probe};
use crate::runtime::Inner;
use crate::settings::HostSettings;

/// How long a cache entry that is over may keep its room from other tenants, when its own tenant does not call.
const CACHE_SWEEP: Duration = Duration::from_secs(10);
/// How often storage files that are open are looked at: for keys whose life is over, and for room that they could give
/// back to the disk.
const STORAGE_TIDY: Duration = Duration::from_secs(30);
/// How often components are looked for that nobody calls: so many times while one may stay loaded, and within these bounds.
const COMPONENT_LOOKS: u32 = 8;
const COMPONENT_SWEEP: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
/// How often it is looked at how much stays resident in slots of the pool that no call uses.
const RESIDENT_LOOK: Duration = Duration::from_secs(1);
/// How long a host on which a limit did not bite waits until it tries again: the machine may have been too busy to try it.
const PROBE_AGAIN: Duration = Duration::from_secs(10);

/// The chores of one runtime.
#[derive(Debug, Default)]
pub(crate) struct Chores(Mutex<Vec<JoinHandle<()>>>);

impl Chores {
    /// Starts them.
    pub(crate) fn start(&self, inner: &Arc<Inner>, settings: &HostSettings) {
        let flush = regularly(inner, settings.usage_flush, async |inner: Arc<Inner>| {
            if let Err(error) = inner.flush_usage().await {
                tracing::error!(error = &error as &dyn std::error::Error, "usage could not be written; it is kept");
            }
        });
        let sweep = regularly(inner, CACHE_SWEEP, async |inner: Arc<Inner>| {
            if let Err(error) = inner.maintenance.sweep_caches().await {
                tracing::error!(error = &error as &dyn std::error::Error, "the caches could not be swept");
            }
        });
        let tidy = regularly(inner, STORAGE_TIDY, async |inner: Arc<Inner>| {
            if let Err(error) = inner.maintenance.tidy_storage().await {
                tracing::error!(error = &error as &dyn std::error::Error, "storage could not be tidied up");
            }
        });
        let (shortest, longest) = COMPONENT_SWEEP;
        let every = (settings.component_idle / COMPONENT_LOOKS).clamp(shortest, longest);
        let unload = regularly(inner, every, async |inner: Arc<Inner>| {
            // It unmaps files, off the threads that others need.
            let unload = tokio::task::spawn_blocking(move || inner.components.drop_idle(Instant::now()));
            if let Err(failed) = unload.await {
                tracing::error!(%failed, "idle components could not be let go of");
            }
        });
        let empty = regularly(inner, RESIDENT_LOOK, async |inner: Arc<Inner>| {
            let excess = inner.admission.excess();
            if excess == 0 {
                return;
            }
            let empty = tokio::task::spawn_blocking(move || {
                inner.components.drop_resident(excess);
                inner.admission.look_again();
            });
            if let Err(failed) = empty.await {
                tracing::error!(%failed, "slots that no call uses could not be emptied");
            }
        });
        self.0.lock().extend([flush, sweep, tidy, unload, empty]);
    }

    /// Probes the limits again and again, until every one bites: until then the host calls no agent.
    pub(crate) fn probe_again(&self, inner: &Arc<Inner>, engine: SharedEngine) {
        let inner = Arc::downgrade(inner);
        let probing = tokio::spawn(async move {
            loop {
                tokio::time::sleep(PROBE_AGAIN).await;
                let Some(scheduler) = inner.upgrade().map(|inner| inner.scheduler.clone()) else { return };
                let checks = probe(&engine, &scheduler).await;
                let Some(inner) = inner.upgrade() else { return };
                if inner.probed(checks) {
                    tracing::info!("every limit bites now: calls are admitted");
                    return;
                }
            }
        });
        self.0.lock().push(probing);
    }

    /// Ends them, each between two steps.
    pub(crate) async fn stop(&self) {
        let chores = std::mem::take(&mut *self.0.lock());
        for chore in chores {
            chore.abort();
            let _ = chore.await;
        }
    }
}

fn regularly<F, C>(inner: &Arc<Inner>, every: Duration, chore: C) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send,
    C: Fn(Arc<Inner>) -> F + Send + 'static,
{
    let inner = Arc::downgrade(inner);
    tokio::spawn(async move {
        let mut interval = tokio::time::interval(every);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let Some(inner) = inner.upgrade() else { return };
            chore(inner).await;
        }
    })
}
