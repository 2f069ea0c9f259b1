//! How processor time is shared, in simulated time, by examples; `properties.rs` has random tenants.

use super::simulator::{Simulator, TICK};
use super::*;

const SECOND_TICKS: u32 = 2_000;

fn ticks(number: u32) -> Duration {
    TICK * number
}

/// The shares that were had, in per cent.
fn shares(simulator: &Simulator) -> Vec<f64> {
    (0..simulator.seen.len()).map(|tenant| (simulator.share(tenant) * 1_000.0).round() / 10.0).collect()
}

#[test]
fn time_is_shared_and_not_the_number_of_slices() {
    let mut simulator = Simulator::new(1, &[100, 100]);
    simulator.spin(0, 1);
    for _ in 0..20 {
        simulator.begin(1, Duration::from_micros(10), Duration::from_micros(90));
    }
    simulator.run(SECOND_TICKS);
    let [long, short] = [0, 1].map(|tenant| simulator.seen[tenant]);
    assert!((simulator.share(0) - 0.5).abs() < 0.01, "{:?}", shares(&simulator));
    assert!(short.slices > 10 * long.slices, "{long:?} {short:?}");
}

#[test]
fn many_calls_of_one_tenant_get_no_more_than_one_call_of_another() {
    let mut simulator = Simulator::new(1, &[100, 100]);
    simulator.spin(0, 100);
    simulator.spin(1, 1);
    simulator.run(SECOND_TICKS);
    assert!((simulator.share(0) - 0.5).abs() < 0.01, "{:?}", shares(&simulator));
}

#[test]
fn time_is_shared_by_weight() {
    let mut simulator = Simulator::new(2, &[10_000, 100, 300]);
    for tenant in 0..3 {
        simulator.spin(tenant, 2);
    }
    simulator.run(10 * SECOND_TICKS);
    assert_eq!(shares(&simulator), [96.2, 1.0, 2.9]);
}

#[test]
fn a_changed_weight_holds_from_the_next_time_that_a_call_is_queued() {
    let mut queue = FairQueue::new(TICK, 1);
    let weights = [100, 300].map(|weight| NonZeroU64::new(weight).unwrap());
    let mut had = [Duration::ZERO; 2];
    queue.push(0, weights[0], 0);
    queue.push(1, weights[0], 1);
    for _ in 0..400 {
        let (slice, tenant) = queue.pop().unwrap();
        had[tenant] += TICK;
        queue.push(tenant, weights[tenant], tenant);
        queue.charge(slice, TICK);
    }
    assert!(had[1].abs_diff(had[0] * 3) <= ticks(4), "{had:?}");
}

#[test]
fn equal_tenants_take_turns_in_the_order_in_which_they_came() {
    for order in [[1, 2, 3], [3, 1, 2], [2, 3, 1]] {
        let mut queue = FairQueue::new(TICK, 1);
        for tenant in order {
            queue.push(tenant, NonZeroU64::MIN, ());
        }
        let served: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(slice, ())| slice.key).collect();
        assert_eq!(served, order, "an id decided");
    }
}

#[test]
fn free_threads_are_shared_before_the_first_slice_is_paid_for() {
    let mut queue = FairQueue::new(TICK, 1);
    for tenant in [0, 0, 0, 0, 1, 2, 3] {
        queue.push(tenant, NonZeroU64::MIN, ());
    }
    let mut served: Vec<_> = std::iter::from_fn(|| queue.pop()).take(4).map(|(slice, ())| slice.key).collect();
    served.sort_unstable();
    assert_eq!(served, [0, 1, 2, 3]);
}

#[test]
fn a_slice_that_nobody_waits_for_goes_on_and_leaves_no_debt() {
    let mut simulator = Simulator::new(1, &[100, 100]);
    simulator.spin(0, 1);
    simulator.run(10 * SECOND_TICKS);
    assert_eq!(simulator.seen[0].slices, 1, "no hand-off without need");
    simulator.spin(1, 1);
    simulator.look_from_here();
    simulator.run(1);
    assert_eq!(simulator.longest_wait(1), ticks(1), "it waits for the slice that runs");
    simulator.look_from_here();
    simulator.run(40);
    assert_eq!(simulator.longest_wait(1), ticks(1));
    assert!((simulator.share(0) - 0.5).abs() < 0.05, "what was idle was a debt: {:?}", shares(&simulator));
}

#[test]
fn a_slice_ends_for_whoever_has_had_less_and_for_nobody_else() {
    let mut simulator = Simulator::new(1, &[400, 100]);
    simulator.spin(0, 1);
    simulator.spin(1, 1);
    simulator.run(1_000);
    let [heavy, light] = [0, 1].map(|tenant| simulator.seen[tenant].slices);
    assert!(heavy <= 210 && light <= 210, "a hand-off that moved nothing: {heavy} and {light} slices");
}

#[test]
fn a_share_that_cannot_be_used_is_lent_and_not_saved_up() {
    // One call on two threads cannot have four fifths of them.
    let mut simulator = Simulator::new(2, &[400, 100, 100]);
    simulator.spin(0, 1);
    simulator.spin(1, 4);
    simulator.run(10 * SECOND_TICKS);
    assert_eq!(shares(&simulator), [50.0, 50.0, 0.0]);
    simulator.spin(0, 4);
    simulator.spin(2, 4);
    simulator.look_from_here();
    simulator.run(600);
    for (tenant, share) in [(0, 4.0 / 6.0), (1, 1.0 / 6.0), (2, 1.0 / 6.0)] {
        assert!((simulator.share(tenant) - share).abs() < 0.05 * share, "{:?}", shares(&simulator));
    }
}

#[test]
fn a_debt_survives_a_short_absence() {
    let mut simulator = Simulator::new(1, &[100, 100]);
    simulator.spin(0, 1);
    // It goes away just before each tick, and is back at once.
    simulator.begin(1, Duration::from_micros(490), Duration::from_nanos(1));
    simulator.run(SECOND_TICKS);
    assert!((simulator.share(1) - 0.5).abs() < 0.05, "{:?}", shares(&simulator));
}

#[test]
fn a_long_call_does_not_hold_up_the_short_ones_of_its_tenant() {
    let mut simulator = Simulator::new(1, &[100, 100]);
    simulator.spin(0, 1);
    for _ in 0..3 {
        simulator.begin(0, Duration::from_micros(20), Duration::from_micros(3_000));
    }
    simulator.run(SECOND_TICKS);
    assert!(simulator.longest_wait(0) <= ticks(3), "{:?}", simulator.longest_wait(0));
    simulator.spin(1, 1);
    simulator.look_from_here();
    simulator.run(SECOND_TICKS);
    assert!(simulator.longest_wait(0) <= ticks(8), "{:?}", simulator.longest_wait(0));
}

#[test]
fn calls_that_are_parked_cost_no_slice() {
    let mut simulator = Simulator::new(1, &[100, 100]);
    for _ in 0..1_000 {
        simulator.begin(0, Duration::from_nanos(1), Duration::from_secs(3_600));
    }
    simulator.spin(1, 1);
    simulator.run(10);
    simulator.look_from_here();
    simulator.run(SECOND_TICKS);
    assert_eq!((simulator.seen[0].slices, simulator.share(1)), (0, 1.0));
}

#[test]
fn tenants_that_come_and_go_are_forgotten() {
    let mut queue = FairQueue::new(TICK, 1);
    for key in 0..20_000_u32 {
        queue.push(key, NonZeroU64::MIN, ());
        let (slice, ()) = queue.pop().unwrap();
        queue.charge(slice, TICK * (key % 5));
        assert!(queue.tenants.len() <= KEPT + 1);
    }
    assert_eq!((queue.waiting, queue.running, queue.least()), (0, 0, u64::MAX));
}

#[test]
fn tenants_that_come_and_go_on_a_busy_host_are_forgotten_when_their_debt_is_over() {
    let mut queue = FairQueue::new(TICK, 1);
    let weight = NonZeroU64::MIN;
    queue.push(0, weight, ());
    for key in 1..20_000_u32 {
        queue.push(key, weight, ());
        for _ in 0..2 {
            let (slice, ()) = queue.pop().unwrap();
            if slice.key == 0 {
                queue.push(0, weight, ());
            }
            queue.charge(slice, TICK);
        }
        assert!(queue.tenants.len() <= KEPT + 2, "{}", queue.tenants.len());
    }
}

#[test]
fn time_that_has_gone_far_is_set_back_and_nobody_notices() {
    let mut simulator = Simulator::new(2, &[100, 300]);
    simulator.queue.floor = REBASE - 1_000_000;
    simulator.spin(0, 2);
    simulator.spin(1, 2);
    simulator.run(SECOND_TICKS);
    assert!(simulator.queue.floor < REBASE / 2, "it went on from {}", simulator.queue.floor);
    assert!((simulator.share(1) - 0.75).abs() < 0.01, "{:?}", shares(&simulator));
}

mod properties;
mod unyielding;

/// As on a machine with 64 processors: a few tenants that want everything, and many that compute a little and wait a lot.
#[test]
fn shares_hold_on_sixty_four_threads_among_two_hundred_tenants() {
    const THREADS: usize = 64;
    let weights: Vec<u64> = (0..200_u64).map(|tenant| if tenant < 8 { 100 * (1 + tenant % 4) } else { 100 }).collect();
    let mut simulator = Simulator::new(THREADS, &weights);
    for tenant in 0..8 {
        simulator.spin(tenant, THREADS);
    }
    for tenant in 8..weights.len() {
        // 30 us of every 2 ms: an eightieth part of a processor, far less than its share.
        simulator.begin(tenant, Duration::from_micros(30), Duration::from_micros(1_970 + tenant as u64));
    }
    simulator.run(200);
    simulator.look_from_here();
    simulator.run(600);
    let greedy: f64 = (0..8).map(|tenant| simulator.share(tenant)).sum();
    for tenant in 0..8 {
        let part = weights[tenant] as f64 / weights[..8].iter().sum::<u64>() as f64;
        let share = simulator.share(tenant) / greedy;
        assert!((share - part).abs() <= 0.05 * part, "{tenant}: {share} of {part}");
    }
    let had: Vec<_> = (8..weights.len()).map(|tenant| simulator.seen[tenant].slices).collect();
    let (least, most) = (had.iter().min().unwrap(), had.iter().max().unwrap());
    // 300 ms in periods of 2 ms and a little more, and a wait of one tick at most for each of them.
    assert!(*least >= 100 && *most <= 150, "{least} to {most}");
    let longest = (8..weights.len()).map(|tenant| simulator.longest_wait(tenant)).max().unwrap();
    assert!(longest <= TICK, "{longest:?}: it has had less than whatever runs, and gets the next thread at a tick");
}
