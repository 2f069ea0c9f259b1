//! The guest threads: a small executor over the fair queue.

mod answers;
mod stand_in;

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_task::{Builder, Runnable, Task};
use insula_tenancy::TenantId;
use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::runtime::Handle;

use self::answers::Answer;
use super::clock::CallClock;
use super::queue::{FairQueue, Slice};
use super::slice_clock;
use super::virtual_time::Weight;
use crate::engine::{Bell, Pulse, Ticker};

/// How much nicer guests are than the control plane, which only hands them work and takes their answers, and than a stand-in
/// (decision 0017 has what other values gave).
const GUEST_NICENESS: i32 = 8;
/// A stand-in runs who is owed time, while threads that are as nice as the others are within something long.
const STAND_IN_NICENESS: i32 = 0;

thread_local! {
    /// The slice that runs on this thread.
    static SLICE: Cell<Option<Slice<TenantId>>> = const { Cell::new(None) };
    /// Which of the guest threads this is.
    static NUMBER: Cell<usize> = const { Cell::new(0) };
}

/// What a task knows of itself.
#[derive(Debug)]
pub(crate) struct Meta {
    tenant: TenantId,
    weight: Arc<Weight>,
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
    /// What each stand-in waits on.
    help: Vec<Condvar>,
    tick: Duration,
    /// The least virtual time of those that wait: what makes a slice end at its tick, read there without the lock.
    least: AtomicU64,
    stopped: AtomicBool,
    /// Ends slices between two ticks, and counts them.
    bell: Bell,
}

#[derive(Debug)]
struct State {
    queue: FairQueue<TenantId, Runnable<Meta>>,
    idle: usize,
    /// For each thread, the virtual time at which its slice began; none while it waits. The stand-ins come last.
    running: Vec<Option<u64>>,
    /// For each thread, slices that were begun, or asked at their tick whether they go on: signs of life.
    signs: Vec<u64>,
    /// For each stand-in, whether it sleeps until it is called, or stands in and waits for whoever comes.
    at_rest: Vec<bool>,
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
    pub(crate) fn start(threads: usize, tick: Duration, ticker: &Ticker, control: &Handle) -> std::io::Result<Self> {
        let stand_ins = threads;
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                queue: FairQueue::new(tick, threads),
                idle: 0,
                running: vec![None; threads + stand_ins],
                signs: vec![0; threads + stand_ins],
                at_rest: vec![false; stand_ins],
            }),
            work: Condvar::new(),
            help: (0..stand_ins).map(|_| Condvar::new()).collect(),
            tick,
            least: AtomicU64::new(u64::MAX),
            stopped: AtomicBool::new(false),
            bell: ticker.bell(),
        });
        let mut scheduler = Self { handle: SchedulerHandle(Arc::clone(&shared)), threads: Vec::new() };
        for number in 0..threads + stand_ins {
            let (shared, control, pulse) = (Arc::clone(&shared), control.clone(), ticker.pulse());
            let name = format!("insula-guest-{number}");
            let thread = thread::Builder::new().name(name).spawn(move || {
                let _entered = control.enter();
                let niceness = if number < threads { GUEST_NICENESS } else { STAND_IN_NICENESS };
                let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), niceness);
                if number < threads {
                    run(&shared, number, pulse.as_ref());
                } else {
                    stand_in::run(&shared, number, number - threads, pulse.as_ref());
                }
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
        for help in &self.handle.0.help {
            help.notify_all();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl SchedulerHandle {
    /// Puts a call at the end of its tenant's queue. The weight is read each time that the call is queued.
    pub(crate) fn spawn<F>(
        &self,
        tenant: TenantId,
        weight: &Arc<Weight>,
        clock: Arc<CallClock>,
        call: F,
    ) -> CallTask<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let shared = Arc::clone(&self.0);
        let meta = Meta { tenant, weight: Arc::clone(weight), clock: Arc::clone(&clock) };
        let schedule = move |runnable: Runnable<Meta>| shared.push(runnable);
        let (runnable, task) = Builder::new().metadata(meta).propagate_panic(true).spawn(move |_| call, schedule);
        runnable.schedule();
        CallTask { task: Some(task), clock }
    }

    /// Whether the slice on this thread ends at this tick: somebody waits who comes before it. On the guest's thread.
    pub(crate) fn gives_way(&self) -> bool {
        let Some(mut slice) = SLICE.get() else {
            return false;
        };
        answers::tell();
        let ran = CallClock::slice_so_far();
        if self.0.least.load(Ordering::Relaxed) <= slice.virtual_time(ran) {
            return true;
        }
        // Once a tick at most, and not worth waiting for: the next tick asks again.
        let goes_on = self.0.state.try_lock().is_none_or(|mut state| {
            let goes_on = state.queue.goes_on(&mut slice, ran);
            state.give_sign(NUMBER.get());
            if goes_on && let Some(running) = state.running.get_mut(NUMBER.get()) {
                *running = Some(slice.start());
            }
            goes_on
        });
        SLICE.set(Some(slice));
        !goes_on
    }
}

impl State {
    fn give_sign(&mut self, number: usize) {
        if let Some(signs) = self.signs.get_mut(number) {
            *signs += 1;
        }
    }

    /// The first stand-in that neither runs nor watches.
    fn stand_in_to_call(&self) -> Option<usize> {
        let stand_ins = self.running.get(self.running.len() - self.at_rest.len()..)?;
        let free = stand_ins.iter().position(Option::is_none)?;
        self.at_rest.get(free).is_some_and(|at_rest| *at_rest).then_some(free)
    }
}

impl Shared {
    /// The state, as of now.
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock();
        state.queue.at(self.bell.ticks());
        state
    }

    fn push(&self, runnable: Runnable<Meta>) {
        let (tenant, weight) = (runnable.metadata().tenant, runnable.metadata().weight.get());
        let mut state = self.lock();
        let before = state.queue.least();
        state.queue.push(tenant, weight, runnable);
        let least = state.queue.least();
        self.least.store(least, Ordering::Relaxed);
        let wake = state.idle > 0;
        // Whoever comes before a slice that runs does not wait for its tick. A guest thread that pushes takes next itself.
        let ring = !wake
            && least < before
            && SLICE.get().is_none()
            && state.running.iter().flatten().any(|start| *start >= least);
        let help = if wake { None } else { state.stand_in_to_call() };
        drop(state);
        if wake {
            self.work.notify_one();
        } else if ring {
            self.bell.ring();
        }
        if let Some(help) = help.and_then(|number| self.help.get(number)) {
            help.notify_one();
        }
    }
}

fn run(shared: &Shared, number: usize, pulse: Option<&Pulse>) {
    NUMBER.set(number);
    answers::hold();
    let mut ended: Option<Duration> = None;
    if let Some(pulse) = pulse {
        pulse.begin();
    }
    loop {
        let mut state = shared.lock();
        if let (Some(slice), Some(took)) = (SLICE.take(), ended.take()) {
            state.queue.charge(slice, took);
        }
        let (slice, runnable) = loop {
            let popped = state.queue.pop();
            if let Some(running) = state.running.get_mut(number) {
                *running = popped.as_ref().map(|(slice, _)| slice.start());
            }
            shared.least.store(state.queue.least(), Ordering::Relaxed);
            if let Some(popped) = popped {
                state.give_sign(number);
                break popped;
            }
            if answers::any() {
                MutexGuard::unlocked(&mut state, answers::tell);
                continue;
            }
            if shared.stopped.load(Ordering::SeqCst) {
                return;
            }
            if let Some(pulse) = pulse {
                pulse.end();
            }
            state.idle += 1;
            if state.queue.is_empty() {
                shared.work.wait(&mut state);
            } else {
                // What waits is held back. It runs when others have not been about for a while, or in the place of its like.
                shared.work.wait_for(&mut state, shared.tick);
                state.queue.at(shared.bell.ticks());
            }
            state.idle -= 1;
            if let Some(pulse) = pulse {
                pulse.begin();
            }
        };
        drop(state);
        let tenant = runnable.metadata().tenant;
        answers::begins(tenant);
        let took = turn(slice, runnable);
        answers::ended(tenant, took);
        ended = Some(took);
    }
}

/// Runs one slice, and answers how long it took.
fn turn(slice: Slice<TenantId>, runnable: Runnable<Meta>) -> Duration {
    SLICE.set(Some(slice));
    let clock = Arc::clone(&runnable.metadata().clock);
    slice_clock::begin();
    runnable.run();
    clock.end_slice()
}

impl<T> Future for CallTask<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        match &mut self.task {
            Some(task) if task.is_finished() => Pin::new(task).poll(context),
            Some(task) => Pin::new(task).poll(&mut Context::from_waker(&Answer::to(context.waker()))),
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

#[cfg(test)]
mod tests;
