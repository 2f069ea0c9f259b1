//! Tenants whose slices no tick ends, beside others whose slices do.

use proptest::prelude::*;

use super::*;

/// What is done where no tick ends it: ten milliseconds.
const LONG: Duration = Duration::from_millis(10);
/// A call of somebody quiet, and how long until the next.
const SHORT: Duration = Duration::from_micros(50);
const PAUSE: Duration = Duration::from_micros(950);

#[test]
fn who_wakes_finds_a_thread_though_a_neighbour_does_what_no_tick_ends() {
    for threads in [2, 4] {
        let mut simulator = Simulator::new(threads, &[100, 100, 100]);
        simulator.fill(0, 16, LONG);
        for tenant in [1, 2] {
            simulator.begin(tenant, SHORT, PAUSE);
        }
        simulator.run(SECOND_TICKS);
        simulator.look_from_here();
        simulator.run(SECOND_TICKS);
        let waits = [1, 2].map(|tenant| simulator.longest_wait(tenant));
        assert!(waits.iter().all(|wait| *wait <= SHORT), "on {threads} threads: {waits:?}");
        assert!(simulator.seen[0].had >= Duration::from_millis(900), "{:?}", simulator.seen[0]);
    }
}

#[test]
fn who_does_such_things_has_every_thread_while_nobody_else_is_about() {
    let mut simulator = Simulator::new(2, &[100, 100]);
    simulator.fill(0, 16, LONG);
    simulator.begin(1, SHORT, Duration::from_secs(1));
    simulator.run(SECOND_TICKS - 1);
    let had = simulator.seen[0].had;
    assert!(had >= Duration::from_millis(1_900), "{had:?} of two seconds: it is held back for too long");
}

#[test]
fn it_is_forgiven_when_its_slices_end_at_ticks_again() {
    let mut simulator = Simulator::new(2, &[100, 100]);
    simulator.begin(1, SHORT, PAUSE);
    simulator.run(1);
    simulator.fill(0, 1, LONG);
    let (slice, _) = simulator.queue.pop().unwrap();
    simulator.queue.charge(slice, LONG);
    simulator.spin(0, 2);
    simulator.look_from_here();
    simulator.run(100);
    assert!(simulator.seen[0].had <= TICK * 101, "{:?}", simulator.seen[0]);
    simulator.run(2_000);
    simulator.look_from_here();
    simulator.run(100);
    assert!(simulator.seen[0].had >= TICK * 180, "{:?}", simulator.seen[0]);
}

#[test]
fn one_thread_is_never_kept_from_whoever_waits_for_it() {
    let mut simulator = Simulator::new(1, &[100, 100]);
    simulator.fill(0, 4, LONG);
    simulator.begin(1, SHORT, PAUSE);
    simulator.run(SECOND_TICKS);
    let all: Duration = simulator.seen.iter().map(|seen| seen.had).sum();
    assert_eq!(all, simulator.now, "the only thread stood still");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whoever_does_what_no_tick_ends_has_what_its_weight_is_worth_all_the_same(
        threads in 1_usize..=4,
        weights in prop::collection::vec(50_u64..=200, 2..=5),
        fillers in 1_usize..=2,
        ticks in 5_u32..=20,
    ) {
        // The first ones fill; the others always want every thread.
        let fillers = fillers.min(weights.len() - 1);
        let mut simulator = Simulator::new(threads, &weights);
        for tenant in 0..weights.len() {
            if tenant < fillers {
                simulator.fill(tenant, threads, TICK * ticks + Duration::from_micros(10));
            } else {
                simulator.spin(tenant, threads);
            }
        }
        simulator.run(4_000);
        simulator.look_from_here();
        simulator.run(60_000 / u32::try_from(threads).unwrap());
        let all = weights.iter().sum::<u64>() as f64;
        for (tenant, weight) in weights.iter().enumerate() {
            let (share, part) = (simulator.share(tenant), *weight as f64 / all);
            prop_assert!((share - part).abs() <= 0.1 * part, "{tenant} of {weights:?}: {share} of {part}");
        }
        let had: Duration = simulator.seen.iter().map(|seen| seen.had).sum();
        let there = TICK * (60_000 / u32::try_from(threads).unwrap()) * u32::try_from(threads).unwrap();
        prop_assert!(had >= there.mul_f64(0.99), "{had:?} of {there:?}: threads stood still though somebody waited");
    }
}
