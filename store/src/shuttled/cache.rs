//! The cores of `cache`, under shuttle: its one lock, its flights and the ceiling over all shards, with callers that come,
//! wait, go away and write in every order.

use super::quota::LiveQuota;
use super::{check, sync};

#[path = "../cache/agenda.rs"]
mod agenda;
#[path = "../cache/ceiling.rs"]
mod ceiling;
#[path = "../cache/evict.rs"]
mod evict;
#[path = "../cache/flights.rs"]
mod flights;
#[path = "../cache/ghost.rs"]
mod ghost;
#[path = "../cache/list.rs"]
mod list;
#[path = "../cache/locked.rs"]
mod locked;
#[path = "../cache/name.rs"]
mod name;
#[path = "../cache/namespaces.rs"]
mod namespaces;
#[path = "../cache/nodes.rs"]
mod nodes;
#[path = "../cache/record.rs"]
mod record;
#[path = "../cache/shard.rs"]
mod shard;
#[path = "../cache/tally.rs"]
mod tally;
#[path = "../cache/wait.rs"]
mod wait;

use std::pin::Pin;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use ceiling::Ceiling;
use insula_host_api::Patience;
use locked::{Locked, LookedUp};
use nodes::Version;
use shuttle::future::block_on;
use shuttle::thread::{self, JoinHandle};
use sync::{Arc, AtomicU64, Ordering};
use wait::{NewValue, Token, Waited};

const SPARSE: usize = 3;
const ONE: Version = [1; 16];
const TWO: Version = [2; 16];
/// The time at which everything here happens, and the life of what is put.
const NOW_MS: u64 = 1;
const TTL_MS: u64 = 1_000;

fn shard() -> Arc<Locked> {
    shard_of(1 << 20, &Arc::new(Ceiling::new((1 << 20).try_into().unwrap())))
}

fn shard_of(budget: u64, ceiling: &Arc<Ceiling>) -> Arc<Locked> {
    let quota = quota(budget);
    Arc::new(Locked::new(Arc::new(LiveQuota::new(quota)), Arc::clone(ceiling)))
}

fn quota(cache_bytes: u64) -> super::quota::Quota {
    let some = std::num::NonZeroU64::MIN;
    let cache_bytes = cache_bytes.try_into().unwrap();
    super::quota::Quota { storage_bytes: some, storage_keys: some, cache_bytes, value_bytes: some }
}

fn value(number: u8) -> NewValue {
    NewValue { value: vec![number], ttl_ms: TTL_MS, stale_ms: 0, this_version_only: false }
}

/// What a caller comes away with.
enum Came {
    Value(u8),
    Lease(Token),
}

/// Looks a key up for as long as it takes.
fn look_up(locked: &Arc<Locked>, version: Version) -> Came {
    let patience = Patience::For(Duration::MAX);
    match locked.look_up(&locked.name("n", "k"), version, patience, NOW_MS).unwrap() {
        LookedUp::Hit(record) | LookedUp::Stale(record, _) => Came::Value(record.value()[0]),
        LookedUp::Lease(token) => Came::Lease(token),
        LookedUp::Wait(wait, _) => match block_on(wait) {
            Waited::Value(record) => Came::Value(record.value()[0]),
            Waited::Lease(token) => Came::Lease(token),
        },
    }
}

/// Begins to wait, looks once, and goes away; whatever it had come to by then goes on to others.
fn look_briefly(locked: &Arc<Locked>) {
    let patience = Patience::For(Duration::MAX);
    let found = locked.look_up(&locked.name("n", "k"), ONE, patience, NOW_MS);
    if let Ok(LookedUp::Wait(mut wait, _)) = found {
        let look = |context: &mut Context<'_>| Poll::Ready(Pin::new(&mut wait).poll(context).is_ready());
        if !block_on(std::future::poll_fn(look)) {
            drop(wait.give_up());
        }
    }
}

fn get(locked: &Locked) -> Option<u8> {
    locked.get(&locked.name("n", "k"), &ONE, NOW_MS).map(|record| record.value()[0])
}

/// Runs this many threads over one shard, to their end. A caller that nobody wakes is a deadlock, which shuttle reports.
fn run<const N: usize>(locked: &Arc<Locked>, callers: [fn(&Arc<Locked>); N]) {
    let threads: Vec<JoinHandle<()>> = callers
        .into_iter()
        .map(|caller| {
            let locked = Arc::clone(locked);
            thread::spawn(move || caller(&locked))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Nobody waits, no lease is out, and nothing is remembered of either.
fn nothing_is_under_way(locked: &Locked) {
    assert_eq!(locked.flights(), (0, 0));
}

#[test]
fn the_ceiling_is_never_passed_and_never_loses_room() {
    check(|| {
        let ceiling = Arc::new(Ceiling::new(5.try_into().unwrap()));
        let threads = [3, 2, 4].map(|bytes| {
            let ceiling = Arc::clone(&ceiling);
            thread::spawn(move || {
                if ceiling.try_take(bytes) {
                    assert!(ceiling.used() <= ceiling.limit());
                    ceiling.give_back(bytes);
                }
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(ceiling.used(), 0);
    });
}

#[test]
fn one_caller_makes_the_value_and_all_have_it() {
    check(|| {
        let (locked, made) = (shard(), Arc::new(AtomicU64::new(0)));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (locked, made) = (Arc::clone(&locked), Arc::clone(&made));
                thread::spawn(move || match look_up(&locked, ONE) {
                    Came::Value(value) => assert_eq!(value, 7),
                    Came::Lease(token) => {
                        made.fetch_add(1, Ordering::SeqCst);
                        assert!(token.fill(value(7), NOW_MS));
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(made.load(Ordering::SeqCst), 1);
        nothing_is_under_way(&locked);
    });
}

#[test]
fn one_lease_is_out_at_a_time_and_one_that_is_dropped_always_finds_an_heir() {
    check(|| {
        let (locked, out) = (shard(), Arc::new(AtomicU64::new(0)));
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let (locked, out) = (Arc::clone(&locked), Arc::clone(&out));
                thread::spawn(move || match look_up(&locked, ONE) {
                    Came::Value(value) => assert_eq!(value, 9),
                    Came::Lease(token) => {
                        assert_eq!(out.fetch_add(1, Ordering::SeqCst), 0, "two leases on one key");
                        thread::yield_now();
                        out.fetch_sub(1, Ordering::SeqCst);
                        // Most give up; whoever comes last, or after the value, is served all the same.
                        if number == 3 {
                            assert!(token.fill(value(9), NOW_MS));
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        nothing_is_under_way(&locked);
    });
}

#[test]
fn a_caller_that_goes_away_swallows_no_lease_and_no_seat() {
    check(|| {
        let locked = shard();
        let give_up = |locked: &Arc<Locked>| drop(look_up(locked, ONE));
        run(&locked, [give_up, look_briefly, give_up, look_briefly]);
        nothing_is_under_way(&locked);
        assert!(locked.is_idle());
    });
}

/// A waker that looks into the shard when it is woken and when it goes: under the lock, that would be a deadlock.
struct Nosy(Arc<Locked>);

impl Wake for Nosy {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Nosy {
    fn drop(&mut self) {
        get(&self.0);
    }
}

#[test]
fn wakers_are_woken_and_dropped_with_the_lock_let_go() {
    check(|| {
        let locked = shard();
        let wait = || match locked.look_up(&locked.name("n", "k"), ONE, Patience::For(Duration::MAX), NOW_MS) {
            Ok(LookedUp::Wait(mut wait, _)) => {
                // The second look replaces the waker of the first.
                for _ in 0..2 {
                    let waker = Waker::from(Arc::new(Nosy(Arc::clone(&locked))));
                    assert!(Pin::new(&mut wait).poll(&mut Context::from_waker(&waker)).is_pending());
                }
                wait
            }
            other => panic!("{other:?}"),
        };
        let Came::Lease(token) = look_up(&locked, ONE) else { panic!("no lease") };
        let (leaves, heir, given, released) = (wait(), wait(), wait(), wait());
        drop(leaves);
        drop(token);
        locked.delete(&locked.name("n", "k"), NOW_MS);
        drop(heir);
        locked.put(&locked.name("n", "k"), ONE, value(1), NOW_MS);
        run(&locked, [|locked| locked.close(), look_briefly]);
        drop((given, released));
        nothing_is_under_way(&locked);
    });
}

#[test]
fn a_delete_while_a_value_is_made_keeps_the_older_value_out() {
    check(|| {
        let (locked, source) = (shard(), Arc::new(AtomicU64::new(1)));
        let fillers: Vec<_> = (0..2)
            .map(|_| {
                let (locked, source) = (Arc::clone(&locked), Arc::clone(&source));
                thread::spawn(move || {
                    if let Came::Lease(token) = look_up(&locked, ONE) {
                        let read = u8::try_from(source.load(Ordering::SeqCst)).unwrap();
                        token.fill(value(read), NOW_MS);
                    }
                })
            })
            .collect();
        // The source changes, and then what was kept of it is deleted: afterwards nobody finds what was before.
        source.store(2, Ordering::SeqCst);
        locked.delete(&locked.name("n", "k"), NOW_MS);
        assert_ne!(get(&locked), Some(1));
        fillers.into_iter().for_each(|thread| thread.join().unwrap());
        assert_ne!(get(&locked), Some(1));
        nothing_is_under_way(&locked);
    });
}

#[test]
fn a_put_or_a_clear_while_a_value_is_made_keeps_the_older_value_out() {
    check(|| {
        let locked = shard();
        let fill = |locked: &Arc<Locked>| match look_up(locked, ONE) {
            Came::Lease(token) => drop(token.fill(value(1), NOW_MS)),
            Came::Value(value) => assert!(value == 1 || value == 2),
        };
        let put = |locked: &Arc<Locked>| {
            locked.put(&locked.name("n", "k"), ONE, value(2), NOW_MS);
            assert_eq!(get(locked), Some(2), "nothing older comes after a put");
        };
        run(&locked, [fill, put, fill]);
        assert_eq!(get(&locked), Some(2));

        let clear = |locked: &Arc<Locked>| locked.clear("n", NOW_MS);
        run(&locked, [fill, clear, fill]);
        nothing_is_under_way(&locked);
    });
}

#[test]
fn two_versions_never_hand_each_other_what_is_tied_to_one() {
    check(|| {
        let locked = shard();
        let caller = |locked: &Arc<Locked>, version: Version| match look_up(locked, version) {
            Came::Value(value) => assert_eq!(value, version[0]),
            Came::Lease(token) => {
                let tied = NewValue { this_version_only: true, ..value(version[0]) };
                token.fill(tied, NOW_MS);
            }
        };
        let threads = [ONE, TWO, ONE, TWO].map(|version| {
            let locked = Arc::clone(&locked);
            thread::spawn(move || caller(&locked, version))
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        nothing_is_under_way(&locked);
    });
}

#[test]
fn a_close_releases_everybody_and_nothing_is_kept_after_it() {
    check(|| {
        let ceiling = Arc::new(Ceiling::new(10_000.try_into().unwrap()));
        let (locked, bystander) = (shard_of(10_000, &ceiling), shard_of(10_000, &ceiling));
        bystander.put(&bystander.name("n", "k"), ONE, value(5), NOW_MS);
        let held = ceiling.used();
        let fill = |locked: &Arc<Locked>| {
            if let Came::Lease(token) = look_up(locked, ONE) {
                token.fill(value(1), NOW_MS);
            }
        };
        run(&locked, [fill, |locked| locked.close(), fill, look_briefly]);
        locked.put(&locked.name("n", "k"), ONE, value(2), NOW_MS);
        assert_eq!((get(&locked), get(&bystander)), (None, Some(5)));
        nothing_is_under_way(&locked);
        assert!(locked.is_idle());
        assert_eq!(ceiling.used(), held);
    });
}

#[test]
fn shards_under_one_ceiling_never_pass_it_nor_a_budget_that_becomes_smaller() {
    check(|| {
        let room = 2 * (shard::OVERHEAD + 3);
        let ceiling = Arc::new(Ceiling::new((room + 10).try_into().unwrap()));
        let live = Arc::new(LiveQuota::new(quota(room)));
        let one = Arc::new(Locked::new(Arc::clone(&live), Arc::clone(&ceiling)));
        let two = shard_of(room, &ceiling);
        let fill = |locked: &Arc<Locked>| {
            for key in ["a", "b", "c"] {
                locked.put(&locked.name("n", key), ONE, value(1), NOW_MS);
            }
        };
        let threads = [&one, &one, &two].map(|locked| {
            let locked = Arc::clone(locked);
            thread::spawn(move || fill(&locked))
        });
        live.set(quota(room / 2));
        one.trim(NOW_MS);
        assert!(one.held_bytes() <= room / 2, "the smaller budget holds from now on");
        assert!(ceiling.used() <= ceiling.limit());
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(one.held_bytes() <= room / 2);
        assert_eq!(ceiling.used(), one.held_bytes() + two.held_bytes());
    });
}
