//! The lock and the guards around the desk, with real futures that are polled, told and dropped.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use insula_store::LimitsPatch;
use proptest::prelude::*;

use super::*;
use crate::scheduler::CallClock;

const MINUTE: Duration = Duration::from_secs(60);

fn limits(patch: LimitsPatch) -> Limits {
    Limits::standard().patched(&patch).unwrap()
}

fn narrow(concurrency: u64) -> Limits {
    limits(LimitsPatch { concurrency: Some(concurrency), ..LimitsPatch::default() })
}

/// Nothing stays resident.
fn nothing() -> Resident {
    Box::new(|| 0)
}

/// A place that is there, or a refusal that comes at once.
fn at_once(host: &Admission, tenant: &Arc<TenantSlots>, limits: &Limits) -> Result<Admitted, InvokeError> {
    match pin!(host.admit(tenant, limits)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(admitted) => admitted,
        Poll::Pending => panic!("it waits"),
    }
}

/// A call that waits, on a task of its own.
async fn waits(host: &Arc<Admission>, tenant: &Arc<TenantSlots>, limits: Limits) -> Wait {
    let before = host.held().waiting;
    let (host, tenant) = (Arc::clone(host), Arc::clone(tenant));
    let held = Arc::clone(&host);
    let wait = tokio::spawn(async move { held.admit(&tenant, &limits).await });
    while host.held().waiting == before {
        tokio::task::yield_now().await;
    }
    wait
}

type Wait = tokio::task::JoinHandle<Result<Admitted, InvokeError>>;

fn nothing_is_held(host: &Admission) {
    let held = host.held();
    assert_eq!((held.calls, held.waiting, held.memory), (0, 0, 0));
}

#[tokio::test]
async fn a_call_that_waits_has_its_turn_and_says_how_long_it_waited() {
    let host = Admission::new(10, u64::MAX, 10, nothing());
    let limits = narrow(1);
    let (ours, theirs) = (host.tenant(&limits), host.tenant(&limits));
    let first = at_once(&host, &ours, &limits).unwrap();
    assert_eq!(first.queued, Duration::ZERO);
    let second = waits(&host, &ours, limits).await;
    drop(at_once(&host, &theirs, &limits).unwrap());
    drop(first);
    let second = second.await.unwrap().unwrap();
    assert!(second.queued > Duration::ZERO);
    assert_eq!((host.held().calls, host.held().memory), (1, limits.memory_bytes.get()));
    drop(second);
    nothing_is_held(&host);
}

#[tokio::test]
async fn what_the_pool_keeps_resident_is_not_given_out_until_it_is_taken_back() {
    let kept = Arc::new(AtomicU64::new(0));
    let limits = limits(LimitsPatch::default());
    let (each, seen) = (limits.memory_bytes.get(), Arc::clone(&kept));
    let host = Admission::new(100, 8 * each, 10, Box::new(move || seen.load(Ordering::Relaxed)));
    let (ours, theirs) = (host.tenant(&limits), host.tenant(&limits));
    kept.store(4 * each, Ordering::Relaxed);
    let held = [(); 3].map(|()| at_once(&host, &ours, &limits).unwrap());
    let quiet = at_once(&host, &theirs, &limits).unwrap();
    let waits = waits(&host, &ours, limits).await;
    assert_eq!((host.held().memory, host.held().resident, host.excess()), (4 * each, 4 * each, 2 * each));
    kept.store(0, Ordering::Relaxed);
    host.look_again();
    drop(waits.await.unwrap().unwrap());
    drop((held, quiet));
    nothing_is_held(&host);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_and_says_whose_limit_it_was() {
    let host = Admission::new(1, u64::MAX, 10, nothing());
    let limits = narrow(1);
    let (ours, theirs) = (host.tenant(&limits), host.tenant(&limits));
    let held = at_once(&host, &ours, &limits).unwrap();
    let busy = host.admit(&ours, &limits).await.unwrap_err();
    let InvokeError::TenantBusy { reached, .. } = busy else { panic!("{busy}") };
    assert_eq!(reached, TenantLimit::Concurrency { limit: 1 });
    let full = host.admit(&theirs, &limits).await.unwrap_err();
    assert!(matches!(full, InvokeError::HostBusy { shortage: HostShortage::Full, .. }), "{full}");
    let refused = host.refused();
    assert_eq!((refused.tenant_concurrency, refused.host_full), (1, 1));
    drop(held);
    nothing_is_held(&host);
}

#[tokio::test]
async fn a_client_that_goes_away_while_it_waits_frees_its_place_in_line() {
    let host = Admission::new(1, u64::MAX, 10, nothing());
    let limits = narrow(9);
    let tenant = host.tenant(&limits);
    let held = at_once(&host, &tenant, &limits).unwrap();
    let gone = waits(&host, &tenant, limits).await;
    let stays = waits(&host, &tenant, limits).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    assert_eq!(host.held().waiting, 1);
    drop(held);
    drop(stays.await.unwrap().unwrap());
    nothing_is_held(&host);
}

#[tokio::test]
async fn a_place_that_was_given_to_who_is_gone_goes_to_the_next() {
    let host = Admission::new(1, u64::MAX, 10, nothing());
    let limits = narrow(9);
    let tenant = host.tenant(&limits);
    let held = at_once(&host, &tenant, &limits).unwrap();
    let mut gone = Box::pin(host.admit(&tenant, &limits));
    assert!(gone.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let next = waits(&host, &tenant, limits).await;
    // It has its place, and is dropped before it knows.
    drop(held);
    assert_eq!((host.held().calls, host.held().waiting), (1, 1));
    drop(gone);
    drop(next.await.unwrap().unwrap());
    nothing_is_held(&host);
}

#[tokio::test]
async fn a_suspended_tenant_waits_no_longer_and_its_neighbour_does() {
    let host = Admission::new(1, u64::MAX, 10, nothing());
    let limits = narrow(9);
    let (ours, theirs) = (host.tenant(&limits), host.tenant(&limits));
    let held = at_once(&host, &ours, &limits).unwrap();
    let (our_wait, their_wait) = (waits(&host, &ours, limits).await, waits(&host, &theirs, limits).await);
    ours.suspend();
    assert!(matches!(our_wait.await.unwrap(), Err(InvokeError::Suspended)));
    drop(held);
    drop(their_wait.await.unwrap().unwrap());
    nothing_is_held(&host);
}

#[tokio::test]
async fn a_closed_tenant_stops_what_is_in_flight_and_what_waits_and_its_neighbour_goes_on() {
    let host = Admission::new(3, u64::MAX, 10, nothing());
    let limits = narrow(2);
    let (ours, theirs) = (host.tenant(&limits), host.tenant(&limits));
    let clock = || Arc::new(CallClock::start(MINUTE, MINUTE));
    let (early, late, neighbours) = (clock(), clock(), clock());
    let (mut first, mut second) = (at_once(&host, &ours, &limits).unwrap(), at_once(&host, &ours, &limits).unwrap());
    let mut neighbour = at_once(&host, &theirs, &limits).unwrap();
    first.watch(&early);
    neighbour.watch(&neighbours);
    let waiting = waits(&host, &ours, limits).await;
    let closing = tokio::spawn({
        let ours = Arc::clone(&ours);
        async move { ours.close().await }
    });
    early.cancelled().await;
    assert!(matches!(waiting.await.unwrap(), Err(InvokeError::NotFound)));
    // One that was admitted before and begins after is told as well.
    second.watch(&late);
    assert!(late.is_cancelled() && !neighbours.is_cancelled() && !closing.is_finished());
    assert!(matches!(at_once(&host, &ours, &limits), Err(InvokeError::NotFound)));
    drop((first, second));
    closing.await.unwrap();
    assert!(at_once(&host, &theirs, &limits).is_ok());
    assert_eq!(host.held().calls, 1);
}

#[tokio::test]
async fn a_closed_host_admits_nothing_and_sends_away_what_waits() {
    let host = Admission::new(1, u64::MAX, 10, nothing());
    let limits = narrow(9);
    let tenant = host.tenant(&limits);
    let held = at_once(&host, &tenant, &limits).unwrap();
    let waiting = waits(&host, &tenant, limits).await;
    host.close();
    assert!(matches!(waiting.await.unwrap(), Err(InvokeError::ShuttingDown)));
    assert!(matches!(at_once(&host, &tenant, &limits), Err(InvokeError::ShuttingDown)));
    let emptied = tokio::spawn({
        let host = Arc::clone(&host);
        async move { host.emptied().await }
    });
    drop(held);
    emptied.await.unwrap();
}

#[tokio::test]
async fn who_is_shed_is_told_so_and_a_call_that_can_never_fit_does_not_wait() {
    let limits = narrow(9);
    let memory = limits.memory_bytes.get();
    let host = Admission::new(9, memory, 1, nothing());
    let (greedy, modest) = (host.tenant(&limits), host.tenant(&limits));
    let held = at_once(&host, &greedy, &limits).unwrap();
    let shed = waits(&host, &greedy, limits).await;
    let refused = at_once(&host, &greedy, &limits).unwrap_err();
    assert!(matches!(refused, InvokeError::HostBusy { shortage: HostShortage::Queue, .. }), "{refused}");
    let (ours, theirs) = (Arc::clone(&host), Arc::clone(&modest));
    let waiting = tokio::spawn(async move { ours.admit(&theirs, &limits).await });
    let shed = shed.await.unwrap().unwrap_err();
    assert!(matches!(shed, InvokeError::HostBusy { shortage: HostShortage::Shed, .. }), "{shed}");
    drop(held);
    drop(waiting.await.unwrap().unwrap());
    let large = Limits { memory_bytes: limits.memory_bytes.saturating_add(1), ..limits };
    let never = at_once(&host, &modest, &large).unwrap_err();
    assert!(matches!(never, InvokeError::HostTooSmall { .. }), "{never}");
    nothing_is_held(&host);
}

#[tokio::test]
async fn a_tenant_over_its_rate_is_told_when_and_its_neighbour_is_served() {
    let host = Admission::new(9, u64::MAX, 9, nothing());
    let limits = limits(LimitsPatch { rate: Some(1), burst: Some(2), ..LimitsPatch::default() });
    let (ours, theirs) = (host.tenant(&limits), host.tenant(&limits));
    assert_eq!(at_once(&host, &ours, &limits).unwrap().quota.left, 1);
    assert_eq!(at_once(&host, &ours, &limits).unwrap().quota.left, 0);
    let InvokeError::TenantBusy { reached, retry_after, quota } = at_once(&host, &ours, &limits).unwrap_err() else {
        panic!("another error")
    };
    assert_eq!((reached, quota.left), (TenantLimit::Rate { limit: 1 }, 0));
    assert!(retry_after <= Duration::from_secs(1) && retry_after > Duration::ZERO);
    assert!(at_once(&host, &theirs, &limits).is_ok());
    nothing_is_held(&host);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Arrive(usize),
    Poll(usize),
    Drop(usize),
    Suspend(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_usize..3).prop_map(Step::Arrive),
        6 => any::<usize>().prop_map(Step::Poll),
        6 => any::<usize>().prop_map(Step::Drop),
        1 => (0_usize..3).prop_map(Step::Suspend),
    ]
}

type Call<'a> = std::pin::Pin<Box<dyn Future<Output = Result<Admitted, InvokeError>> + 'a>>;

proptest! {
    /// Calls that arrive, are polled, dropped while they wait, dropped with a place that they do not know of yet, and
    /// sent away, in any order: at the end nothing is held.
    #[test]
    fn everything_comes_back_in_any_interleaving(
        (slots, queue) in (1_usize..5, 1_usize..5),
        places in 1_u64..5,
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _entered = runtime.enter();
        let limits = narrow(2);
        let host = Admission::new(slots, places * limits.memory_bytes.get(), queue, nothing());
        let tenants: Vec<_> = (0..3).map(|_| host.tenant(&limits)).collect();
        let mut context = Context::from_waker(Waker::noop());
        let mut calls: Vec<(Call<'_>, Option<Admitted>)> = Vec::new();
        for step in steps {
            match step {
                Step::Arrive(tenant) => calls.push((Box::pin(host.admit(&tenants[tenant], &limits)), None)),
                Step::Poll(which) if !calls.is_empty() => {
                    let at = which % calls.len();
                    let (call, place) = &mut calls[at];
                    if place.is_none() {
                        match call.as_mut().poll(&mut context) {
                            Poll::Ready(Ok(admitted)) => *place = Some(admitted),
                            Poll::Ready(Err(_)) => drop(calls.remove(at)),
                            Poll::Pending => {}
                        }
                    }
                }
                Step::Drop(which) if !calls.is_empty() => drop(calls.remove(which % calls.len())),
                Step::Poll(_) | Step::Drop(_) => {}
                Step::Suspend(tenant) => tenants[tenant].suspend(),
            }
            let held = host.held();
            prop_assert!(held.calls <= slots as u64 && held.waiting <= queue as u64 && held.memory <= held.memory_limit);
            prop_assert!(calls.iter().filter(|(_, place)| place.is_some()).count() as u64 <= held.calls);
        }
        drop(calls);
        nothing_is_held(&host);
    }
}
