//! What holds for any tenants, weights and calls.

use proptest::prelude::*;

use super::*;

/// Weights of a few tenants, not so far apart that windows become long.
fn weights() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(25_u64..=400, 2..=6)
}

/// A tenant's calls: how many, how long each computes and how long it is parked. Some spin.
fn pattern() -> impl Strategy<Value = (usize, Duration, Duration)> {
    let length = || (1_u64..3_000).prop_map(Duration::from_micros);
    prop_oneof![
        1 => (1_usize..=6).prop_map(|calls| (calls, Duration::MAX, Duration::ZERO)),
        1 => (1_usize..=6, length(), length()),
        1 => (1_usize..=6, length(), Just(Duration::from_nanos(1))),
    ]
}

/// Ticks in which the lightest tenant has so many slices.
fn window(threads: usize, weights: &[u64], slices: u64) -> u32 {
    let parts = weights.iter().sum::<u64>().div_ceil(*weights.iter().min().unwrap());
    u32::try_from((parts * slices).div_ceil(threads as u64)).unwrap()
}

/// Slices that the others may have before one of this tenant: to catch up with its last one, which may have been two ticks
/// long and begun beside others of its own, and what they may lag behind.
fn patience(weights: &[u64], tenant: usize) -> u64 {
    let others = weights.iter().enumerate().filter(|(other, _)| *other != tenant);
    others.map(|(_, weight)| (3 * weight).div_ceil(weights[tenant]) + LAG + 1).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn shares_are_within_a_twentieth_of_the_weights(
        threads in 1_usize..=4,
        weights in weights(),
        calls in prop::collection::vec(1_usize..=6, 6),
        early in 0_u32..100,
    ) {
        let all: u64 = weights.iter().sum();
        let part = |tenant: usize| weights[tenant] as f64 / all as f64;
        let mut simulator = Simulator::new(threads, &weights);
        for (tenant, (weight, calls)) in weights.iter().zip(calls).enumerate() {
            // As many calls as it takes to use its part.
            let least = (weight * threads as u64).div_ceil(all);
            simulator.spin(tenant, calls.max(usize::try_from(least).unwrap()));
        }
        simulator.run(early);
        simulator.look_from_here();
        simulator.run(window(threads, &weights, 100));
        for tenant in 0..weights.len() {
            let share = simulator.share(tenant);
            prop_assert!((share - part(tenant)).abs() <= 0.05 * part(tenant), "{tenant}: {share} of {}", part(tenant));
        }
    }

    #[test]
    fn nobody_starves_whatever_the_weights_and_whatever_the_others_do(
        threads in 1_usize..=4,
        tenants in prop::collection::vec((prop_oneof![1_u64..=10_000, Just(100), Just(1)], pattern()), 2..=6),
        run in 100_u32..2_000,
    ) {
        let weights: Vec<u64> = tenants.iter().map(|(weight, _)| *weight).collect();
        let mut simulator = Simulator::new(threads, &weights);
        for (tenant, (_, (calls, burst, pause))) in tenants.iter().enumerate() {
            for _ in 0..*calls {
                simulator.begin(tenant, *burst, *pause);
            }
        }
        simulator.run(run);
        for (tenant, (_, (calls, ..))) in tenants.iter().enumerate() {
            // A tenant's own calls take turns.
            let bound = TICK.saturating_mul(u32::try_from((patience(&weights, tenant) + 2) * *calls as u64).unwrap());
            let longest = simulator.longest_wait(tenant);
            prop_assert!(longest <= bound, "{tenant} of {weights:?} waited {longest:?}, more than {bound:?}");
        }
    }

    #[test]
    fn a_tenant_that_wakes_waits_for_what_runs_and_for_who_is_behind(
        threads in 1_usize..=4,
        weights in prop::collection::vec(1_u64..=10_000, 2..=6),
        calls in prop::collection::vec(1_usize..=6, 6),
        idle in 1_u32..500,
        phase in 0_u32..500_000,
    ) {
        let mut simulator = Simulator::new(threads, &weights);
        for (tenant, calls) in calls.into_iter().enumerate().take(weights.len()).skip(1) {
            simulator.spin(tenant, calls);
        }
        simulator.run(idle);
        // Somewhere between two ticks.
        simulator.pass(Duration::from_nanos(u64::from(phase)));
        simulator.begin(0, Duration::from_micros(50), Duration::from_secs(3_600));
        let behind = LAG * (weights.len() as u64 - 1);
        simulator.run(u32::try_from(behind + 2).unwrap());
        prop_assert_eq!(simulator.seen[0].slices, 1);
        let bound = TICK * u32::try_from(behind + 1).unwrap();
        prop_assert!(simulator.longest_wait(0) <= bound, "{:?}", simulator.longest_wait(0));
    }

    #[test]
    fn idling_and_blinking_gain_nothing(
        threads in 1_usize..=2,
        (calls, burst, pause) in pattern(),
        idle in 0_u32..3_000,
    ) {
        // Two tenants of the same weight; the second always wants all threads.
        let mut simulator = Simulator::new(threads, &[100, 100]);
        simulator.spin(1, 4);
        simulator.run(idle);
        simulator.look_from_here();
        for _ in 0..calls {
            simulator.begin(0, burst, pause);
        }
        simulator.run(400);
        let share = simulator.share(0);
        prop_assert!(share <= 0.525, "{share}");
    }
}
