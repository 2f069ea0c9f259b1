//! The ticker: an OS thread that advances the epoch while guests run, and parks while none does.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use wasmtime::Engine;

/// Ticks without a guest before it parks: waking it costs more than a few idle ticks.
const LINGER: u32 = 20;

/// Advances the epoch of one engine. Dropped, it stops and is joined.
pub(crate) struct Ticker {
    engine: Engine,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    busy: AtomicU32,
    ticks: AtomicU64,
    parked: AtomicBool,
    stopped: AtomicBool,
}

/// Tells the ticker that a guest thread has work. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Pulse {
    shared: Arc<Shared>,
    thread: Thread,
}

impl fmt::Debug for Ticker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Ticker").field(&self.shared).finish()
    }
}

impl Ticker {
    /// # Errors
    ///
    /// When the machine gives no thread.
    pub(crate) fn start(engine: Engine, tick: Duration) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (state, ticking) = (Arc::clone(&shared), engine.clone());
        let thread = thread::Builder::new().name("insula-ticker".into()).spawn(move || run(&ticking, tick, &state))?;
        Ok(Self { engine, shared, thread: Some(thread) })
    }

    pub(crate) fn bell(&self) -> Bell {
        Bell {
            engine: self.engine.clone(),
            shared: Arc::clone(&self.shared),
            #[cfg(test)]
            rung: Arc::default(),
        }
    }

    pub(crate) fn pulse(&self) -> Option<Pulse> {
        let thread = self.thread.as_ref()?.thread().clone();
        Some(Pulse { shared: Arc::clone(&self.shared), thread })
    }
}

/// Advances the epoch between two ticks, and knows how many there were. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Bell {
    engine: Engine,
    shared: Arc<Shared>,
    #[cfg(test)]
    rung: Arc<std::sync::atomic::AtomicU64>,
}

impl Bell {
    /// Has every guest that runs look whether its slice is over: a few hundred nanoseconds for each of them.
    pub(crate) fn ring(&self) {
        self.engine.increment_epoch();
        #[cfg(test)]
        self.rung.fetch_add(1, Ordering::SeqCst);
    }

    /// Ticks so far. None passes while no guest thread has anything to do.
    pub(crate) fn ticks(&self) -> u64 {
        self.shared.ticks.load(Ordering::Relaxed)
    }

    /// How often it rang.
    #[cfg(test)]
    pub(crate) fn rung(&self) -> u64 {
        self.rung.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Bell")
    }
}

impl Pulse {
    /// A guest thread begins to work.
    pub(crate) fn begin(&self) {
        self.shared.busy.fetch_add(1, Ordering::SeqCst);
        if self.shared.parked.swap(false, Ordering::SeqCst) {
            self.thread.unpark();
        }
    }

    /// It has nothing to do.
    pub(crate) fn end(&self) {
        self.shared.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

fn run(engine: &Engine, tick: Duration, shared: &Shared) {
    let mut idle = 0;
    while !shared.stopped.load(Ordering::SeqCst) {
        if shared.busy.load(Ordering::SeqCst) > 0 {
            idle = 0;
        } else {
            idle += 1;
        }
        if idle > LINGER {
            shared.parked.store(true, Ordering::SeqCst);
            // A guest thread that began in between has either seen `parked`, or is seen here.
            if shared.busy.load(Ordering::SeqCst) == 0 && !shared.stopped.load(Ordering::SeqCst) {
                thread::park();
            }
            shared.parked.store(false, Ordering::SeqCst);
            idle = 0;
        } else {
            thread::park_timeout(tick);
            shared.ticks.fetch_add(1, Ordering::Relaxed);
            engine.increment_epoch();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}
