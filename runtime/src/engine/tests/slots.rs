//! Pooled slots are clean: a guest fills its memories, tables, globals and stack with a canary and ends in each way that
//! there is, and the guest of another tenant, which is given the very same slots, finds nothing (R1). A pool of one.
//!
//! No guest can read what its stack was before: uninitialised locals do not exist. That stacks are cleaned all the same is
//! shown from outside, by reading the memory of this process.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use insula_host_api::bindings::AgentPre;

use super::{Machine, Order, few, guests, residue, words};
use crate::engine::GuestState;
use crate::scheduler::CallClock;

impl Machine {
    /// Looks over the slots with a guest that was never there before.
    async fn assert_clean(&self, scanners: &[(AgentPre<GuestState>, u64)], left_by: &Order, what: &str) {
        for (scanner, image_words) in scanners {
            let look = Order { how: 0, log: Arc::default(), polls: usize::MAX, ..left_by.clone() };
            let look = look.limited(|limits| *limits = Order::new(0).limits);
            let seen = words(&self.call(scanner, &look).await.unwrap_or_else(|code| panic!("after {what}: {code}")));
            assert_eq!(seen, [2 * image_words, 0, 0], "after {what}: words that are not zero, canaries, elements");
        }
    }
}

/// Every way in which a call can end, and how it is told.
fn endings() -> Vec<(&'static str, Order, Result<(), &'static str>)> {
    vec![
        ("an answer", Order::new(b'r'), Ok(())),
        ("a trap", Order::new(b'u'), Err("agent-trap")),
        ("its fuel", Order::new(b's').limited(|limits| limits.fuel = few(30_000_000)), Err("fuel-exhausted")),
        ("its processor time", Order::new(b's').limited(|limits| limits.cpu_us = few(100_000)), Err("cpu-exhausted")),
        ("its deadline", Order::new(b's').limited(|limits| limits.wall_us = few(200_000)), Err("deadline-exceeded")),
        (
            "its deadline, waiting",
            Order::new(b'w').limited(|limits| limits.wall_us = few(200_000)),
            Err("deadline-exceeded"),
        ),
        (
            "its fuel in the bulk",
            Order::new(b'b').limited(|limits| limits.fuel = few(90_000_000)),
            Err("fuel-exhausted"),
        ),
        (
            "its processor time in the bulk",
            Order::new(b'b').limited(|limits| limits.cpu_us = few(100_000)),
            Err("cpu-exhausted"),
        ),
        ("an overflow", Order::new(b'o'), Err("agent-trap")),
        ("a growth refused", Order::new(b'g'), Err("memory-exhausted")),
        ("too many handles", Order::new(b'h'), Err("memory-exhausted")),
        (
            "too many host calls",
            Order::new(b'c').limited(|limits| limits.host_calls = few(10)),
            Err("host-calls-exhausted"),
        ),
        ("too much in one host call", Order::new(b'l'), Err("host-bytes-exhausted")),
        ("too large an answer", Order::new(b'a'), Err("response-too-large")),
        ("a panic of the host", Order::new(b'p'), Err("host-fault")),
        ("nobody who waits", Order { polls: 1, ..Order::new(b'w') }, Err("dropped")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_guest_is_left_for_the_next_however_it_ended() {
    leaves_nothing(Machine::start(|_| {})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_guest_is_left_where_the_kernel_puts_most_of_its_memory_back() {
    leaves_nothing(Machine::start_keeping(guests::LITTLE, |_| {})).await;
}

async fn leaves_nothing(machine: Machine) {
    let filler = machine.load(&guests::filler());
    let scanners = [(machine.load(&guests::scanner(false)), 0), (machine.load(&guests::scanner(true)), 1)];
    // What the second guest looks for is what the first one sees of itself.
    let own = words(&machine.call(&filler, &Order::new(b'k')).await.unwrap());
    assert!(own[1] > guests::WORDS - 1_000 && own[2] > guests::ELEMENTS, "{own:?}");
    for round in 0..3 {
        for (what, order, expected) in endings() {
            let ended = machine.call(&filler, &order).await.map(drop);
            assert_eq!(ended, expected, "{what}, round {round}");
            machine.assert_clean(&scanners, &order, what).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_guest_is_left_that_never_became_an_instance() {
    let machine = Machine::start(|_| {});
    let stillborn = machine.load(&guests::stillborn());
    let scanners = [(machine.load(&guests::scanner(true)), 1), (machine.load(&guests::scanner(false)), 0)];
    for _ in 0..5 {
        let order = Order { seed: 77, ..Order::new(0) };
        assert_eq!(machine.call(&stillborn, &order).await, Err("agent-trap"));
        assert_eq!(order.log.lines.load(Ordering::SeqCst), 1, "it came to the bottom of its stack");
        machine.assert_clean(&scanners, &order, "a failed start").await;
    }
}

/// A call that is dropped at each of its waits in turn leaves the slots free and clean.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_may_be_dropped_at_any_of_its_waits() {
    let machine = Machine::start(|_| {});
    let filler = machine.load(&guests::filler());
    let scanners = [(machine.load(&guests::scanner(false)), 0)];
    let mut dropped = 0;
    for polls in 0..1_000 {
        // Each million of fuel is a wait: filling takes some ten.
        let order = Order { polls, ..Order::new(b'r') };
        let ended = machine.call(&filler, &order).await.map(drop);
        machine.assert_clean(&scanners, &order, "a drop").await;
        match ended {
            Err("dropped") => dropped += 1,
            ended => {
                assert_eq!(ended, Ok(()));
                break;
            }
        }
    }
    assert!((5..1_000).contains(&dropped), "{dropped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_is_cleaned_before_another_guest_has_it() {
    // (whether stacks are cleaned, whether anything is left then)
    for (zeroing, left) in [(true, false), (false, true)] {
        let machine = Machine::start(|config| {
            config.async_stack_zeroing(zeroing);
        });
        let filler = machine.load(&guests::filler());
        let order = Order::new(b'v');
        let clock = Arc::new(CallClock::start(Duration::from_secs(60), Duration::from_secs(60)));
        let waiting = tokio::spawn(machine.begin(&filler, &order, &clock));
        order.log.reached.notified().await;
        let places = residue::places(order.seed);
        assert!(!places.is_empty(), "the canary of a guest that waits at the bottom of its stack was not found");
        clock.cancel();
        assert_eq!(waiting.await.unwrap(), Err("agent-trap"));
        assert_eq!(residue::is_in(&places, order.seed), left, "zeroing: {zeroing}");
    }
}
