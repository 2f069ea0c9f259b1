//! The guest threads: a small executor over the fair queue.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_task::{Builder, Runnable, Task};
use insula_tenancy::TenantId;
use parking_lot::{Condvar, Mutex};
use tokio::runtime::Handle;

use super::clock::{CallClock, thread_time};
use super::queue::FairQueue;
use crate::engine::{Pulse, Ticker};

/// How much nicer guests are than the control plane, which only hands them work and takes their answers.
const GUEST_NICENESS: i32 = 5;

/// What a task knows of itself.
#[derive(Debug)]
pub(crate) struct Meta {
    tenant: TenantId,
    clock: Arc<CallClock>,
}

/// The guest threads. Dropped, they stop once their queue is empty, and are joined.
#[derive(Debug)]
pub(crate) struct Scheduler {
    handle: SchedulerHandle,
    threads: Vec<JoinHandle<()>>,
}

/// What hands calls to the guest threads. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct SchedulerHandle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
    /// Tasks that wait for a thread: what makes a slice end at its tick.
    waiting: AtomicUsize,
    stopped: AtomicBool,
}

#[derive(Debug)]
struct State {
    queue: FairQueue<TenantId, Runnable<Meta>>,
    idle: usize,
}

/// A call on its way: its answer, once awaited. Dropped, it cancels the call, which still ends by itself and is billed.
#[derive(Debug)]
pub(crate) struct CallTask<T> {
    task: Option<Task<T, Meta>>,
    clock: Arc<CallClock>,
}

impl Scheduler {
    /// Starts the threads. Guests that wait for a timer do so on `control`'s.
    ///
    /// # Errors
    ///
    /// When the machine gives no thread.
    pub(crate) fn start(threads: usize, ticker: &Ticker, control: &Handle) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State { queue: FairQueue::new(), idle: 0 }),
            work: Condvar::new(),
            waiting: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        });
        let mut scheduler = Self { handle: SchedulerHandle(Arc::clone(&shared)), threads: Vec::new() };
        for number in 0..threads {
            let (shared, control, pulse) = (Arc::clone(&shared), control.clone(), ticker.pulse());
            let name = format!("insula-guest-{number}");
            let thread = thread::Builder::new().name(name).spawn(move || {
                let _entered = control.enter();
                let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), GUEST_NICENESS);
                run(&shared, pulse.as_ref());
            })?;
            scheduler.threads.push(thread);
        }
        Ok(scheduler)
    }

    pub(crate) fn handle(&self) -> SchedulerHandle {
        self.handle.clone()
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.handle.0.stopped.store(true, Ordering::SeqCst);
        // Taken and given back, so that a thread between its check and its wait is woken too.
        drop(self.handle.0.state.lock());
        self.handle.0.work.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl SchedulerHandle {
    /// Puts a call at the end of its tenant's queue.
    pub(crate) fn spawn<F>(&self, tenant: TenantId, clock: Arc<CallClock>, call: F) -> CallTask<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let shared = Arc::clone(&self.0);
        let meta = Meta { tenant, clock: Arc::clone(&clock) };
        let schedule = move |runnable: Runnable<Meta>| shared.push(runnable);
        let (runnable, task) = Builder::new().metadata(meta).propagate_panic(true).spawn(move |_| call, schedule);
        runnable.schedule();
        CallTask { task: Some(task), clock }
    }

    /// Whether anyone waits for a thread.
    pub(crate) fn is_contended(&self) -> bool {
        self.0.waiting.load(Ordering::Relaxed) > 0
    }
}

impl Shared {
    fn push(&self, runnable: Runnable<Meta>) {
        let tenant = runnable.metadata().tenant;
        let mut state = self.state.lock();
        state.queue.push(tenant, runnable);
        self.waiting.store(state.queue.len(), Ordering::Relaxed);
        let wake = state.idle > 0;
        drop(state);
        if wake {
            self.work.notify_one();
        }
    }
}

fn run(shared: &Shared, pulse: Option<&Pulse>) {
    let mut charge: Option<(TenantId, Duration)> = None;
    if let Some(pulse) = pulse {
        pulse.begin();
    }
    loop {
        let mut state = shared.state.lock();
        if let Some((tenant, took)) = charge.take() {
            state.queue.charge(tenant, took);
        }
        let runnable = loop {
            if let Some((_, runnable)) = state.queue.pop() {
                shared.waiting.store(state.queue.len(), Ordering::Relaxed);
                break runnable;
            }
            if shared.stopped.load(Ordering::SeqCst) {
                return;
            }
            if let Some(pulse) = pulse {
                pulse.end();
            }
            state.idle += 1;
            shared.work.wait(&mut state);
            state.idle -= 1;
            if let Some(pulse) = pulse {
                pulse.begin();
            }
        };
        drop(state);
        let (tenant, clock) = (runnable.metadata().tenant, Arc::clone(&runnable.metadata().clock));
        let began = thread_time();
        CallClock::begin_slice(began);
        runnable.run();
        let took = thread_time().saturating_sub(began);
        clock.end_slice(took);
        charge = Some((tenant, took));
    }
}

impl<T> Future for CallTask<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        match &mut self.task {
            Some(task) => Pin::new(task).poll(context),
            None => Poll::Pending,
        }
    }
}

/// A guest that spins is told at its next tick, and one that waits is woken. Either way the call's own future runs to its
/// end, so that what was used until then is settled.
impl<T> Drop for CallTask<T> {
    fn drop(&mut self) {
        self.clock.cancel();
        if let Some(task) = self.task.take() {
            task.detach();
        }
    }
}
