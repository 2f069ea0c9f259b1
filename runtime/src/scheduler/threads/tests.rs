//! Real threads over the queue: what is decided there is what happens here.

use std::future::poll_fn;
use std::num::NonZeroU64;
use std::sync::mpsc;

use super::*;
use crate::engine;
use crate::settings::EngineSettings;

const TICK: Duration = Duration::from_micros(500);

/// Guest threads, what they run beside, and calls to put on them.
struct Stage {
    scheduler: Scheduler,
    control: tokio::runtime::Runtime,
    weight: Arc<Weight>,
    _ticker: Ticker,
}

impl Stage {
    fn with_threads(threads: usize, tick: Duration) -> Self {
        let control = tokio::runtime::Runtime::new().unwrap();
        let engine = EngineSettings { instances: 2, ..EngineSettings::standard() };
        let ticker = Ticker::start(engine::config::runtime(&engine).unwrap(), tick).unwrap();
        let scheduler = Scheduler::start(threads, tick, &ticker, control.handle()).unwrap();
        Self { scheduler, control, weight: Arc::new(Weight::new(NonZeroU64::MIN)), _ticker: ticker }
    }

    fn spawn<F>(&self, tenant: TenantId, call: F) -> CallTask<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.scheduler.handle().spawn(tenant, &self.weight, clock(), call)
    }

    fn waits(&self) -> bool {
        !self.scheduler.handle.0.state.lock().queue.is_empty()
    }
}

fn clock() -> Arc<CallClock> {
    Arc::new(CallClock::start(Duration::from_secs(60), Duration::from_secs(30)))
}

/// A call that neither gives way nor ends until it is let go.
fn stuck(done: &Arc<AtomicBool>) -> impl Future<Output = ()> + use<> {
    let done = Arc::clone(done);
    async move {
        while !done.load(Ordering::SeqCst) {
            std::hint::spin_loop();
        }
    }
}

/// A call that spins until `done`, and gives way when it is asked to, as the epoch callback does.
fn spin(
    handle: &SchedulerHandle,
    clock: &Arc<CallClock>,
    done: &Arc<AtomicBool>,
    alone: mpsc::Sender<()>,
) -> impl Future<Output = ()> + use<> {
    let (handle, clock, done) = (handle.clone(), Arc::clone(clock), Arc::clone(done));
    let mut alone = Some(alone);
    poll_fn(move |context| {
        if let Some(alone) = alone.take() {
            while CallClock::slice_so_far() < TICK * 4 {
                assert!(!handle.gives_way(), "nobody waits");
            }
            alone.send(()).unwrap();
        }
        while !done.load(Ordering::SeqCst) {
            if handle.gives_way() {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            assert!(!clock.is_spent(), "it was never asked to give way");
        }
        Poll::Ready(())
    })
}

#[test]
fn a_slice_goes_on_alone_and_gives_way_to_another_tenants_call_and_to_one_of_its_own() {
    let stage = Stage::with_threads(1, TICK);
    let handle = stage.scheduler.handle();
    let (ours, theirs) = (TenantId::generate(), TenantId::generate());
    for tenant in [theirs, ours] {
        let (done, (alone, was_alone)) = (Arc::new(AtomicBool::new(false)), mpsc::channel());
        let spinner = clock();
        let spinning = spin(&handle, &spinner, &done, alone);
        let spinning = handle.spawn(ours, &stage.weight, spinner, spinning);
        was_alone.recv().unwrap();
        let other = stage.spawn(tenant, async move { done.store(true, Ordering::SeqCst) });
        stage.control.block_on(other);
        stage.control.block_on(spinning);
    }
    assert_eq!(handle.0.least.load(Ordering::Relaxed), u64::MAX, "nobody waits any more");
}

#[test]
fn the_bell_rings_for_whoever_comes_before_a_slice_that_runs_and_for_nobody_else() {
    // No tick comes while this runs.
    let stage = Stage::with_threads(1, Duration::from_secs(3_600));
    let [ours, theirs, bystander] = [(); 3].map(|()| TenantId::generate());
    let (begun, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (has_begun, spins) = (Arc::clone(&begun), stuck(&done));
    // Its slice never gives way: whoever waits goes on waiting.
    let spinning = stage.spawn(ours, async move {
        has_begun.store(true, Ordering::SeqCst);
        spins.await;
    });
    while !begun.load(Ordering::SeqCst) {
        thread::yield_now();
    }
    let rung = || stage.scheduler.handle.0.bell.rung();
    let before = rung();
    let own = stage.spawn(ours, async {});
    assert_eq!(rung(), before, "a tenant's own calls take turns at ticks");
    let first = stage.spawn(theirs, async {});
    assert_eq!(rung(), before + 1, "it has had nothing yet, and comes before the slice that runs");
    let second = stage.spawn(bystander, async {});
    assert_eq!(rung(), before + 1, "nobody who runs gives way a second time for those who wait already");
    done.store(true, Ordering::SeqCst);
    stage.control.block_on(async { tokio::join!(spinning, own, first, second) });
}

#[test]
fn a_call_runs_though_every_guest_thread_is_within_something_that_no_tick_ends() {
    let stage = Stage::with_threads(2, TICK);
    let [ours, theirs, bystander] = [(); 3].map(|()| TenantId::generate());
    let done = Arc::new(AtomicBool::new(false));
    // More of one tenant's than there are threads: none of these lets another in before the end.
    let calls: Vec<_> = (0..4).map(|_| stage.spawn(ours, stuck(&done))).collect();
    for tenant in [theirs, bystander, theirs] {
        stage.control.block_on(stage.spawn(tenant, async {}));
    }
    done.store(true, Ordering::SeqCst);
    for call in calls {
        stage.control.block_on(call);
    }
    assert!(!stage.waits(), "nobody waits any more");
}

#[test]
fn tenants_that_are_all_within_something_that_no_tick_ends_do_not_keep_another_from_running() {
    let stage = Stage::with_threads(2, TICK);
    let (begun, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    // One each of three tenants: both threads and a stand-in.
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let (begun, spins) = (Arc::clone(&begun), stuck(&done));
            stage.spawn(TenantId::generate(), async move {
                begun.fetch_add(1, Ordering::SeqCst);
                spins.await;
            })
        })
        .collect();
    while begun.load(Ordering::SeqCst) < 3 {
        thread::yield_now();
    }
    let [quiet, bystander] = [(); 2].map(|()| TenantId::generate());
    for tenant in [quiet, bystander, quiet] {
        stage.control.block_on(stage.spawn(tenant, async {}));
    }
    done.store(true, Ordering::SeqCst);
    for call in calls {
        stage.control.block_on(call);
    }
    assert!(!stage.waits(), "nobody waits any more");
}

#[test]
fn an_answer_comes_though_the_tenants_next_call_computes_without_end() {
    let stage = Stage::with_threads(1, TICK);
    let (ours, theirs) = (TenantId::generate(), TenantId::generate());
    let (begin, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let first = stage.spawn(theirs, stuck(&begin));
    let answered = stage.spawn(ours, async {});
    let (handle, endless) = (stage.scheduler.handle(), clock());
    let (alone, was_alone) = mpsc::channel();
    let spinning = spin(&handle, &endless, &done, alone);
    let spinning = handle.spawn(ours, &stage.weight, endless, spinning);
    begin.store(true, Ordering::SeqCst);
    stage.control.block_on(answered);
    was_alone.recv().unwrap();
    done.store(true, Ordering::SeqCst);
    stage.control.block_on(first);
    stage.control.block_on(spinning);
}

#[test]
fn calls_that_no_tick_ends_let_a_neighbours_through_and_none_of_them_is_forgotten() {
    let stage = Stage::with_threads(2, TICK);
    let [ours, theirs] = [(); 2].map(|()| TenantId::generate());
    let overrun = || async { while CallClock::slice_so_far() < TICK * 5 {} };
    let calls: Vec<_> = (0..12).map(|_| stage.spawn(ours, overrun())).collect();
    for _ in 0..100 {
        stage.control.block_on(stage.spawn(theirs, async {}));
    }
    // Held back or not, each has its turn, also now that the neighbour is gone.
    for call in calls {
        stage.control.block_on(call);
    }
    assert!(!stage.waits(), "nobody waits any more");
}
