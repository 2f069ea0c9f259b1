//! Single flight: one lease for each key, heirs, waits and their deadlines. Time is paused: nothing here sleeps.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use insula_host_api::{Answer, WAITERS_LIMIT};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::Instant;

use super::super::flights::FLIGHTS_LIMIT;
use super::super::locked::LookedUp;
use super::super::wait::{NewValue, Waited};
use super::*;

const MINUTE: Duration = Duration::from_mins(1);

type Found = Result<FoundOrLease, CacheError>;

/// A caller that looks up `n/k` and waits, in a task of its own.
pub(super) fn wait(cache: &Arc<dyn Cache>, time: Duration) -> JoinHandle<Found> {
    tokio::spawn(cache.get_or_fill(&namespace("n"), &key("k"), Patience::For(time)).wait())
}

/// Some of them, all waiting.
async fn wait_all<const N: usize>(cache: &Arc<dyn Cache>) -> [JoinHandle<Found>; N] {
    let waiters = std::array::from_fn(|_| wait(cache, MINUTE));
    yield_now().await;
    waiters
}

async fn value(waiter: JoinHandle<Found>) -> Vec<u8> {
    match waiter.await.unwrap() {
        Ok(FoundOrLease::Hit(value)) => value,
        other => panic!("{other:?}"),
    }
}

async fn lease(waiter: JoinHandle<Found>) -> Box<dyn Lease> {
    match waiter.await.unwrap() {
        Ok(FoundOrLease::Fill(lease)) => lease,
        other => panic!("{other:?}"),
    }
}

/// Who of these has an answer.
async fn answered(waiters: &[JoinHandle<Found>]) -> Vec<bool> {
    yield_now().await;
    waiters.iter().map(JoinHandle::is_finished).collect()
}

fn large() -> Alone {
    Alone::new(1 << 20, 1 << 20)
}

#[tokio::test(start_paused = true)]
async fn of_many_callers_one_has_the_lease_and_all_have_its_value() {
    let alone = large();
    let first = take_lease(&alone.cache);
    let waiters = wait_all::<20>(&alone.cache).await;
    assert_eq!(alone.flights(), (1, 20));
    assert!(first.fill(b"v".to_vec(), life(HOUR_MS)).unwrap());
    for waiter in waiters {
        assert_eq!(value(waiter).await, b"v");
    }
    assert_eq!(alone.flights(), (0, 0));
    let statistics = alone.cache.statistics();
    assert_eq!((statistics.hits, statistics.misses), (20, 1));
    assert_eq!((statistics.waits, statistics.leases), (20, 1));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_dropped_goes_to_the_first_who_waits_and_to_nobody_else() {
    let alone = large();
    let mut held = take_lease(&alone.cache);
    let mut waiters = Vec::from(wait_all::<4>(&alone.cache).await);
    while !waiters.is_empty() {
        drop(held);
        let answered = answered(&waiters).await;
        assert!(answered[0] && answered[1..].iter().all(|answered| !answered), "{answered:?}");
        held = lease(waiters.remove(0)).await;
    }
    drop(held);
    assert_eq!(alone.flights(), (0, 0));
    assert_eq!(alone.cache.statistics().leases, 5);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_at_its_deadline_and_the_lease_stays_with_its_holder() {
    let alone = large();
    let held = take_lease(&alone.cache);
    let began = Instant::now();
    let waited = wait(&alone.cache, Duration::from_millis(250)).await.unwrap();
    assert!(matches!(waited, Err(CacheError::FillInProgress)), "{waited:?}");
    assert_eq!(began.elapsed(), Duration::from_millis(250));
    assert!(matches!(look_up(&alone.cache), Err(CacheError::FillInProgress)), "who does not wait is told so at once");
    assert_eq!(alone.flights(), (1, 0));
    assert!(held.fill(b"v".to_vec(), life(HOUR_MS)).unwrap());
    assert_eq!(alone.cache.statistics().misses, 3);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_comes_in_the_moment_of_the_deadline_is_not_lost() {
    let alone = large();
    let held = take_lease(&alone.cache);
    let Answer::Later(mut waiting) =
        alone.cache.get_or_fill(&namespace("n"), &key("k"), Patience::For(Duration::from_millis(10)))
    else {
        panic!("it does not wait")
    };
    let mut context = Context::from_waker(Waker::noop());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    tokio::time::advance(Duration::from_millis(20)).await;
    held.fill(b"v".to_vec(), life(HOUR_MS)).unwrap();
    let Poll::Ready(Ok(FoundOrLease::Hit(value))) = waiting.as_mut().poll(&mut context) else { panic!("no value") };
    assert_eq!(value, b"v");
}

#[test]
fn a_wait_that_is_given_up_answers_with_what_it_had_come_to() {
    let alone = large();
    let locked = &alone.tenant.inner.locked;
    let wait = || match locked.look_up(&locked.name("n", "k"), [0; 16], Patience::For(MINUTE), 0) {
        Ok(LookedUp::Wait(wait, MINUTE)) => wait,
        other => panic!("{other:?}"),
    };
    let held = take_lease(&alone.cache);
    let (none, heir, value) = (wait(), wait(), wait());
    assert!(none.give_up().is_none());
    drop(held);
    let Some(Waited::Lease(token)) = heir.give_up() else { panic!("no lease") };
    let made = NewValue { value: b"v".to_vec(), ttl_ms: HOUR_MS, stale_ms: 0, this_version_only: false };
    assert!(token.fill(made, 0));
    assert!(matches!(value.give_up(), Some(Waited::Value(record)) if record.value() == b"v"));
    assert_eq!(alone.flights(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_heir_that_goes_away_passes_the_lease_on() {
    let alone = large();
    let held = take_lease(&alone.cache);
    // Each of these waits once more than it is polled: it is the heir before it knows.
    let mut unaware = Vec::new();
    for _ in 0..3 {
        unaware.push(alone.cache.get_or_fill(&namespace("n"), &key("k"), Patience::For(MINUTE)));
    }
    let [last] = wait_all(&alone.cache).await;
    drop(held);
    assert_eq!(alone.flights(), (1, 4));
    for heir in unaware {
        assert_eq!(answered(std::slice::from_ref(&last)).await, [false]);
        drop(heir);
    }
    drop(lease(last).await);
    assert_eq!(alone.flights(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_is_cut_off_while_it_waits_takes_nothing_with_it() {
    let alone = large();
    let held = take_lease(&alone.cache);
    let [one, two, three] = wait_all(&alone.cache).await;
    one.abort();
    three.abort();
    assert!(one.await.unwrap_err().is_cancelled() && three.await.unwrap_err().is_cancelled());
    assert_eq!(alone.flights(), (1, 1));
    drop(held);
    drop(lease(two).await);
    assert_eq!(alone.flights(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_holds_a_lease_is_served_but_does_not_wait() {
    let alone = large();
    let (namespace, key) = (namespace("n"), key("k"));
    let hold = || alone.cache.get_or_fill(&namespace, &key, Patience::HoldsALease).wait();
    let held = match hold().await {
        Ok(FoundOrLease::Fill(lease)) => lease,
        other => panic!("{other:?}"),
    };
    assert!(matches!(hold().await, Err(CacheError::LeaseHeld)));
    let brief = Life { ttl_ms: 10, stale_ms: 10, this_version_only: false };
    assert!(held.fill(b"v".to_vec(), brief).unwrap());
    assert!(matches!(hold().await, Ok(FoundOrLease::Hit(_))));
    alone.clock.advance(10);
    let renewal = hold().await;
    assert!(matches!(renewal, Ok(FoundOrLease::Stale(_, Some(_)))));
    assert!(matches!(hold().await, Ok(FoundOrLease::Stale(_, None))));
    alone.clock.advance(10);
    assert!(matches!(hold().await, Err(CacheError::LeaseHeld)));
}

#[tokio::test(start_paused = true)]
async fn a_put_voids_the_lease_and_is_what_the_others_waited_for() {
    let alone = large();
    let old = take_lease(&alone.cache);
    let waiters = wait_all::<3>(&alone.cache).await;
    put(&alone.cache, "n", "k", b"put");
    for waiter in waiters {
        assert_eq!(value(waiter).await, b"put");
    }
    assert_eq!(alone.flights(), (0, 0));
    assert!(!old.fill(b"older".to_vec(), life(HOUR_MS)).unwrap());
    assert_eq!(get(&alone.cache, "n", "k").unwrap(), b"put");
}

#[tokio::test(start_paused = true)]
async fn a_delete_or_a_clear_voids_the_lease_and_one_of_the_others_makes_the_value_anew() {
    let deletes: [fn(&Arc<dyn Cache>); 2] =
        [|cache| cache.delete(&namespace("n"), &key("k")), |cache| cache.clear(&namespace("n"))];
    for delete in deletes {
        let alone = large();
        let elsewhere = alone.cache.get_or_fill(&namespace("nn"), &key("k"), Patience::HoldsALease).wait().await;
        let old = take_lease(&alone.cache);
        let [heir, other] = wait_all(&alone.cache).await;
        delete(&alone.cache);
        assert_eq!(answered(&[other]).await, [false]);
        assert!(!old.fill(b"older".to_vec(), life(HOUR_MS)).unwrap());
        assert_eq!(get(&alone.cache, "n", "k"), None);
        let [other] = wait_all(&alone.cache).await;
        assert!(lease(heir).await.fill(b"newer".to_vec(), life(HOUR_MS)).unwrap());
        assert_eq!(value(other).await, b"newer");
        let Ok(FoundOrLease::Fill(elsewhere)) = elsewhere else { panic!("no lease") };
        assert!(elsewhere.fill(b"v".to_vec(), life(HOUR_MS)).unwrap(), "another key's lease stands");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delete_after_a_lease_of_which_nobody_knows_voids_it_too() {
    let alone = large();
    let old = take_lease(&alone.cache);
    alone.cache.delete(&namespace("n"), &key("k"));
    let new = take_lease(&alone.cache);
    assert!(!old.fill(b"older".to_vec(), life(HOUR_MS)).unwrap());
    assert!(new.fill(b"newer".to_vec(), life(HOUR_MS)).unwrap());
    assert_eq!(get(&alone.cache, "n", "k").unwrap(), b"newer");
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_too_large_leaves_the_lease_to_an_heir() {
    let alone = Alone::new(4_000, 1 << 20);
    let held = take_lease(&alone.cache);
    let [heir] = wait_all(&alone.cache).await;
    assert!(matches!(held.fill(vec![0; 1_001], life(HOUR_MS)), Err(CacheError::ValueTooLarge { .. })));
    assert!(lease(heir).await.fill(vec![0; 1_000], life(HOUR_MS)).unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_value_that_finds_no_room_still_reaches_those_who_wait() {
    let (no_room_here, no_room_at_all) = (Alone::new(OVERHEAD, 1 << 20), Alone::new(1 << 20, OVERHEAD));
    for (number, alone) in [no_room_here, no_room_at_all].iter().enumerate() {
        let held = take_lease(&alone.cache);
        let [one, two] = wait_all(&alone.cache).await;
        assert!(held.fill(b"v".to_vec(), life(HOUR_MS)).unwrap());
        assert_eq!((value(one).await, value(two).await), (b"v".to_vec(), b"v".to_vec()), "{number}");
        assert_eq!((get(&alone.cache, "n", "k"), alone.ceiling.used()), (None, 0));
        assert_eq!(alone.cache.statistics().evicted, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_of_one_version_is_not_handed_to_those_of_another() {
    let alone = large();
    let (one, two) = (&alone.cache, &alone.tenant.for_version(VersionId::generate()));
    let tied = Life { ttl_ms: HOUR_MS, stale_ms: 0, this_version_only: true };
    let held = take_lease(one);
    let ([mine], [heir, other], [also_mine]) = (wait_all(one).await, wait_all(two).await, wait_all(one).await);
    assert!(held.fill(b"of one".to_vec(), tied).unwrap());
    assert_eq!((value(mine).await, value(also_mine).await), (b"of one".to_vec(), b"of one".to_vec()));
    let waiting = [other];
    assert_eq!(answered(&waiting).await, [false]);
    let next = lease(heir).await;
    assert_eq!(get(one, "n", "k").unwrap(), b"of one");
    assert!(next.fill(b"of two".to_vec(), tied).unwrap());
    let [other] = waiting;
    assert_eq!(value(other).await, b"of two");
    assert_eq!((get(one, "n", "k"), alone.flights()), (None, (0, 0)));

    one.delete(&namespace("n"), &key("k"));
    let held = take_lease(one);
    let [theirs] = wait_all(two).await;
    assert!(held.fill(b"of all".to_vec(), life(HOUR_MS)).unwrap());
    assert_eq!(value(theirs).await, b"of all");
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_and_the_leases_that_are_out_are_bounded() {
    let alone = large();
    let bystander = Alone::under(&alone.ceiling, 1 << 20);
    let held = take_lease(&alone.cache);
    let look_up = || alone.cache.get_or_fill(&namespace("n"), &key("k"), Patience::For(MINUTE));
    let waiting: Vec<_> = (0..WAITERS_LIMIT).map(|_| look_up()).collect();
    let over = look_up().wait().await;
    assert!(matches!(over, Err(CacheError::TooMany { limit: WAITERS_LIMIT, .. })), "{over:?}");
    drop(waiting);
    let again = look_up();
    assert!(matches!(again, Answer::Later(_)));
    drop((again, held));

    let mut leases = Vec::new();
    for number in 0..FLIGHTS_LIMIT {
        let found = alone.cache.get_or_fill(&namespace("n"), &key(&number.to_string()), Patience::HoldsALease);
        leases.push(found.wait().await.unwrap());
    }
    let over = alone.cache.get_or_fill(&namespace("n"), &key("k"), Patience::HoldsALease).wait().await;
    assert!(matches!(over, Err(CacheError::TooMany { limit: FLIGHTS_LIMIT, .. })), "{over:?}");
    drop(take_lease(&bystander.cache));
    leases.pop();
    drop(take_lease(&alone.cache));
    drop(leases);
    assert!(alone.tenant.inner.locked.is_idle());
}
