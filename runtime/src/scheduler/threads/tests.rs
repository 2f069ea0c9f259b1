//! Real threads over the queue: what is decided there is what happens here.

use std::future::poll_fn;
use std::num::NonZeroU64;
use std::sync::mpsc;

use super::*;
use crate::engine;
use crate::settings::EngineSettings;

const TICK: Duration = Duration::from_micros(500);

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
    let control = tokio::runtime::Runtime::new().unwrap();
    let engine = EngineSettings { instances: 2, ..EngineSettings::standard() };
    let ticker = Ticker::start(engine::config::runtime(&engine).unwrap(), TICK).unwrap();
    let scheduler = Scheduler::start(1, TICK, &ticker, control.handle()).unwrap();
    let handle = scheduler.handle();
    let weight = Arc::new(Weight::new(NonZeroU64::MIN));
    let clock = || Arc::new(CallClock::start(Duration::from_secs(60), Duration::from_secs(30)));
    let (ours, theirs) = (TenantId::generate(), TenantId::generate());
    for tenant in [theirs, ours] {
        let (done, (alone, was_alone)) = (Arc::new(AtomicBool::new(false)), mpsc::channel());
        let spinner = clock();
        let spinning = spin(&handle, &spinner, &done, alone);
        let spinning = handle.spawn(ours, &weight, spinner, spinning);
        was_alone.recv().unwrap();
        let other = handle.spawn(tenant, &weight, clock(), async move { done.store(true, Ordering::SeqCst) });
        control.block_on(other);
        control.block_on(spinning);
    }
    assert_eq!(handle.0.least.load(Ordering::Relaxed), u64::MAX, "nobody waits any more");
}

#[test]
fn the_bell_rings_for_whoever_comes_before_a_slice_that_runs_and_for_nobody_else() {
    let control = tokio::runtime::Runtime::new().unwrap();
    let settings = EngineSettings { instances: 2, ..EngineSettings::standard() };
    // No tick comes while this runs.
    let tick = Duration::from_secs(3_600);
    let ticker = Ticker::start(engine::config::runtime(&settings).unwrap(), tick).unwrap();
    let scheduler = Scheduler::start(1, tick, &ticker, control.handle()).unwrap();
    let handle = scheduler.handle();
    let weight = Arc::new(Weight::new(NonZeroU64::MIN));
    let clock = || Arc::new(CallClock::start(Duration::from_secs(60), Duration::from_secs(30)));
    let [ours, theirs, bystander] = [(); 3].map(|()| TenantId::generate());
    let (begun, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (has_begun, is_done) = (Arc::clone(&begun), Arc::clone(&done));
    // Its slice never gives way: whoever waits goes on waiting.
    let spinning = handle.spawn(ours, &weight, clock(), async move {
        has_begun.store(true, Ordering::SeqCst);
        while !is_done.load(Ordering::SeqCst) {
            std::hint::spin_loop();
        }
    });
    while !begun.load(Ordering::SeqCst) {
        thread::yield_now();
    }
    let rung = || handle.0.bell.rung();
    let before = rung();
    let own = handle.spawn(ours, &weight, clock(), async {});
    assert_eq!(rung(), before, "a tenant's own calls take turns at ticks");
    let first = handle.spawn(theirs, &weight, clock(), async {});
    assert_eq!(rung(), before + 1, "it has had nothing yet, and comes before the slice that runs");
    let second = handle.spawn(bystander, &weight, clock(), async {});
    assert_eq!(rung(), before + 1, "nobody who runs gives way a second time for those who wait already");
    done.store(true, Ordering::SeqCst);
    control.block_on(async { tokio::join!(spinning, own, first, second) });
}

#[test]
fn a_call_runs_though_every_guest_thread_is_within_something_that_no_tick_ends() {
    let control = tokio::runtime::Runtime::new().unwrap();
    let settings = EngineSettings { instances: 2, ..EngineSettings::standard() };
    let ticker = Ticker::start(engine::config::runtime(&settings).unwrap(), TICK).unwrap();
    let scheduler = Scheduler::start(2, TICK, &ticker, control.handle()).unwrap();
    let handle = scheduler.handle();
    let weight = Arc::new(Weight::new(NonZeroU64::MIN));
    let clock = || Arc::new(CallClock::start(Duration::from_secs(60), Duration::from_secs(30)));
    let [ours, theirs, bystander] = [(); 3].map(|()| TenantId::generate());
    let done = Arc::new(AtomicBool::new(false));
    // More of one tenant's than there are threads: none of these lets another in before the end.
    let stuck: Vec<_> = (0..4)
        .map(|_| {
            let done = Arc::clone(&done);
            handle.spawn(ours, &weight, clock(), async move {
                while !done.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
            })
        })
        .collect();
    for tenant in [theirs, bystander, theirs] {
        control.block_on(handle.spawn(tenant, &weight, clock(), async {}));
    }
    done.store(true, Ordering::SeqCst);
    for call in stuck {
        control.block_on(call);
    }
    assert!(handle.0.state.lock().queue.is_empty(), "nobody waits any more");
}

#[test]
fn tenants_that_are_all_within_something_that_no_tick_ends_do_not_keep_another_from_running() {
    let control = tokio::runtime::Runtime::new().unwrap();
    let settings = EngineSettings { instances: 2, ..EngineSettings::standard() };
    let ticker = Ticker::start(engine::config::runtime(&settings).unwrap(), TICK).unwrap();
    let scheduler = Scheduler::start(2, TICK, &ticker, control.handle()).unwrap();
    let handle = scheduler.handle();
    let weight = Arc::new(Weight::new(NonZeroU64::MIN));
    let clock = || Arc::new(CallClock::start(Duration::from_secs(60), Duration::from_secs(30)));
    let (begun, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    // One each of three tenants: both threads and a stand-in.
    let stuck: Vec<_> = (0..3)
        .map(|_| {
            let (begun, done) = (Arc::clone(&begun), Arc::clone(&done));
            handle.spawn(TenantId::generate(), &weight, clock(), async move {
                begun.fetch_add(1, Ordering::SeqCst);
                while !done.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
            })
        })
        .collect();
    while begun.load(Ordering::SeqCst) < 3 {
        thread::yield_now();
    }
    let [quiet, bystander] = [(); 2].map(|()| TenantId::generate());
    for tenant in [quiet, bystander, quiet] {
        control.block_on(handle.spawn(tenant, &weight, clock(), async {}));
    }
    done.store(true, Ordering::SeqCst);
    for call in stuck {
        control.block_on(call);
    }
    assert!(handle.0.state.lock().queue.is_empty(), "nobody waits any more");
}
