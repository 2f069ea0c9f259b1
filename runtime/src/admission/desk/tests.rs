//! Who comes in, who waits, who is sent away: by examples. `model.rs` has random ones.

use std::num::NonZeroU64;

use super::*;

pub(super) const ONE: NonZeroU64 = NonZeroU64::MIN;

/// Terms that nothing of comes into play.
pub(super) fn terms() -> Terms {
    let plenty = NonZeroU64::new(1_000_000).unwrap();
    Terms { weight: ONE, concurrency: 100, queue: 100, rate: plenty, burst: plenty, memory: 1 }
}

fn house(slots: u64, room: u64) -> House {
    House { slots, memory: 1_000, room, resident: 0 }
}

/// What became of a call that arrived.
#[derive(Debug, PartialEq, Eq)]
enum Became {
    Admitted,
    Waits,
    /// It waits, and this one was sent away for it.
    WaitsFor(&'static str),
}

fn arrive(desk: &mut Desk<&'static str>, key: Key, terms: &Terms, name: &'static str) -> Result<Became, Refusal> {
    if desk.arrive(key, terms, Duration::ZERO)? {
        return Ok(Became::Admitted);
    }
    let (_, shed) = desk.wait(key, name)?;
    Ok(shed.map_or(Became::Waits, Became::WaitsFor))
}

#[test]
fn a_tenant_at_its_concurrency_waits_and_its_neighbour_does_not() {
    let mut desk = Desk::new(house(10, 10));
    let narrow = Terms { concurrency: 1, queue: 2, ..terms() };
    let [busy, quiet] = [(); 2].map(|()| desk.register(narrow, Duration::ZERO));
    let became = ["first", "second", "third", "fourth"].map(|name| arrive(&mut desk, busy, &narrow, name));
    assert_eq!(became, [Ok(Became::Admitted), Ok(Became::Waits), Ok(Became::Waits), Err(Refusal::Queue)]);
    assert_eq!((desk.next(), desk.short(busy)), (None, Short::Tenant));
    assert_eq!(arrive(&mut desk, quiet, &narrow, "theirs"), Ok(Became::Admitted));
    desk.release(busy, 1);
    assert_eq!([desk.next(), desk.next()], [Some("second"), None], "the oldest first, and one at a time");
}

#[test]
fn a_free_place_goes_to_whoever_holds_least_for_its_weight() {
    let mut desk = Desk::new(house(4, 10));
    let heavy = Terms { weight: NonZeroU64::new(3).unwrap(), ..terms() };
    let [light_key, heavy_key] = [terms(), heavy].map(|terms| desk.register(terms, Duration::ZERO));
    for _ in 0..4 {
        assert_eq!(arrive(&mut desk, light_key, &terms(), ""), Ok(Became::Admitted));
    }
    for name in ["light", "light"] {
        assert_eq!(arrive(&mut desk, light_key, &terms(), name), Ok(Became::Waits));
    }
    for name in ["heavy 1", "heavy 2", "heavy 3", "heavy 4"] {
        assert_eq!(arrive(&mut desk, heavy_key, &heavy, name), Ok(Became::Waits));
    }
    let served: Vec<_> = (0..4)
        .map(|_| {
            desk.release(light_key, 1);
            desk.next().unwrap()
        })
        .collect();
    // One of four places is its own: it has that when three are the other's, and it was there first.
    assert_eq!(served, ["heavy 1", "heavy 2", "heavy 3", "light"]);
}

#[test]
fn memory_counts_as_slots_do_and_is_kept_for_whoever_is_next() {
    let mut desk = Desk::new(House { slots: 100, memory: 100, room: 10, resident: 0 });
    let (small, large) = (Terms { memory: 10, ..terms() }, Terms { memory: 60, ..terms() });
    let [a, b] = [(); 2].map(|()| desk.register(small, Duration::ZERO));
    for _ in 0..6 {
        assert_eq!(arrive(&mut desk, a, &small, ""), Ok(Became::Admitted));
    }
    assert_eq!(arrive(&mut desk, b, &large, "large"), Ok(Became::Waits));
    assert_eq!(desk.next(), None);
    assert_eq!(arrive(&mut desk, a, &small, "small"), Ok(Became::Waits), "it would fit, but is not next");
    desk.release(a, 10);
    assert_eq!(desk.next(), None);
    desk.release(a, 10);
    assert_eq!([desk.next(), desk.next()], [Some("large"), None]);
    assert_eq!(desk.totals().0, Load { calls: 5, memory: 100 });
    let never = Terms { memory: 101, ..terms() };
    assert_eq!(arrive(&mut desk, a, &never, ""), Err(Refusal::Memory), "it would wait for ever");
}

#[test]
fn a_full_host_sheds_the_newest_of_the_greediest_and_nobody_within_its_share() {
    let mut desk = Desk::new(house(2, 3));
    let [greedy, modest, late] = [(); 3].map(|()| desk.register(terms(), Duration::ZERO));
    for name in ["g1", "g2"] {
        assert_eq!(arrive(&mut desk, greedy, &terms(), name), Ok(Became::Admitted));
    }
    for name in ["g3", "g4"] {
        assert_eq!(arrive(&mut desk, greedy, &terms(), name), Ok(Became::Waits));
    }
    assert_eq!(arrive(&mut desk, modest, &terms(), "m1"), Ok(Became::Waits));
    assert_eq!(arrive(&mut desk, greedy, &terms(), "g5"), Err(Refusal::Room), "it is its own newest");
    assert_eq!(arrive(&mut desk, late, &terms(), "l1"), Ok(Became::WaitsFor("g4")));
    assert_eq!(arrive(&mut desk, modest, &terms(), "m2"), Ok(Became::WaitsFor("g3")));
    assert_eq!(arrive(&mut desk, late, &terms(), "l2"), Err(Refusal::Room), "none has more than it would have");
    desk.release(greedy, 1);
    assert_eq!(desk.next(), Some("m1"));
}

#[test]
fn a_rate_is_kept_and_what_is_refused_takes_no_token() {
    let mut desk = Desk::new(house(1, 10));
    let slow = Terms { rate: NonZeroU64::new(2).unwrap(), burst: NonZeroU64::new(2).unwrap(), queue: 1, ..terms() };
    let [ours, theirs] = [(); 2].map(|()| desk.register(slow, Duration::ZERO));
    assert_eq!(arrive(&mut desk, ours, &slow, "first"), Ok(Became::Admitted));
    assert_eq!(arrive(&mut desk, ours, &slow, "second"), Ok(Became::Waits));
    assert_eq!(arrive(&mut desk, ours, &slow, "third"), Err(Refusal::Rate(Duration::from_millis(500))));
    assert_eq!(arrive(&mut desk, theirs, &slow, "theirs"), Ok(Became::Waits));
    for _ in 0..3 {
        assert_eq!(arrive(&mut desk, theirs, &slow, "refused"), Err(Refusal::Queue));
    }
    assert_eq!(desk.quota(theirs).left, 1);
}

#[test]
fn a_larger_limit_lets_in_who_waits() {
    let mut desk = Desk::new(house(10, 10));
    let narrow = Terms { concurrency: 1, ..terms() };
    let key = desk.register(narrow, Duration::ZERO);
    for (name, became) in [("first", Became::Admitted), ("second", Became::Waits)] {
        assert_eq!(arrive(&mut desk, key, &narrow, name), Ok(became));
    }
    assert_eq!(arrive(&mut desk, key, &terms(), "third"), Ok(Became::Waits), "not before the second");
    assert_eq!([desk.next(), desk.next(), desk.next()], [Some("second"), Some("third"), None]);
}

#[test]
fn who_waits_of_one_tenant_can_be_sent_away_and_the_others_wait_on() {
    let mut desk = Desk::new(house(1, 10));
    let [ours, theirs] = [(); 2].map(|()| desk.register(terms(), Duration::ZERO));
    assert_eq!(arrive(&mut desk, ours, &terms(), "first"), Ok(Became::Admitted));
    for (key, name) in [(ours, "a"), (theirs, "b"), (ours, "c")] {
        assert_eq!(arrive(&mut desk, key, &terms(), name), Ok(Became::Waits));
    }
    assert_eq!(desk.drain(ours), ["a", "c"]);
    assert_eq!((desk.held_by(ours), desk.totals().1), (1, 1));
    desk.release(ours, 1);
    assert_eq!([desk.next(), desk.next()], [Some("b"), None]);
}

#[test]
fn the_last_places_are_for_whoever_holds_little_however_long_the_others_hold_theirs() {
    let mut desk = Desk::new(house(16, 10));
    let [long, quiet, late] = [(); 3].map(|()| desk.register(terms(), Duration::ZERO));
    for _ in 0..14 {
        assert_eq!(arrive(&mut desk, long, &terms(), ""), Ok(Became::Admitted));
    }
    assert_eq!(arrive(&mut desk, long, &terms(), "one more"), Ok(Became::Waits), "an eighth is not lent");
    assert_eq!(desk.next(), None);
    assert_eq!(arrive(&mut desk, quiet, &terms(), "quiet"), Ok(Became::Waits), "behind whoever waits");
    assert_eq!(desk.next(), Some("quiet"), "for no longer than it takes to ask");
    assert_eq!(arrive(&mut desk, late, &terms(), "late"), Ok(Became::Waits));
    assert_eq!([desk.next(), desk.next()], [Some("late"), None]);
    desk.release(late, 1);
    assert_eq!(desk.next(), None, "the place is kept");
    assert_eq!(arrive(&mut desk, quiet, &terms(), "second"), Ok(Became::Waits));
    assert_eq!(desk.next(), Some("second"), "it has less than half of its share, which is half of the host");
    desk.release(long, 1);
    desk.release(long, 1);
    assert_eq!(desk.next(), None, "fourteen are held, by whomever");
    desk.release(long, 1);
    assert_eq!([desk.next(), desk.next()], [Some("one more"), None]);
}

#[test]
fn memory_is_kept_too_where_an_eighth_of_it_is_enough_for_a_call() {
    let mut desk = Desk::new(House { slots: 1_000, memory: 160, room: 10, resident: 0 });
    let (small, large) = (Terms { memory: 20, ..terms() }, Terms { memory: 40, ..terms() });
    let [long, quiet] = [(); 2].map(|()| desk.register(small, Duration::ZERO));
    for _ in 0..7 {
        assert_eq!(arrive(&mut desk, long, &small, ""), Ok(Became::Admitted));
    }
    assert_eq!(arrive(&mut desk, long, &small, "one more"), Ok(Became::Waits));
    assert_eq!(arrive(&mut desk, quiet, &small, "quiet"), Ok(Became::Waits));
    assert_eq!([desk.next(), desk.next()], [Some("quiet"), None]);
    // A host that has room for four calls keeps none of them.
    let mut desk = Desk::new(House { slots: 1_000, memory: 160, room: 10, resident: 0 });
    let long = desk.register(large, Duration::ZERO);
    for _ in 0..4 {
        assert_eq!(arrive(&mut desk, long, &large, ""), Ok(Became::Admitted));
    }
}

#[test]
fn what_stays_resident_in_unused_slots_is_not_given_out_and_keeps_nobody_out_for_ever() {
    let mut desk = Desk::new(House { slots: 1_000, memory: 160, room: 10, resident: 0 });
    let small = Terms { memory: 10, ..terms() };
    let [ours, theirs] = [(); 2].map(|()| desk.register(small, Duration::ZERO));
    desk.keeps(50);
    for _ in 0..9 {
        assert_eq!(arrive(&mut desk, ours, &small, ""), Ok(Became::Admitted));
    }
    assert_eq!(arrive(&mut desk, ours, &small, "ours"), Ok(Became::Waits), "an eighth is kept");
    assert_eq!(arrive(&mut desk, theirs, &small, "theirs"), Ok(Became::Waits));
    assert_eq!([desk.next(), desk.next()], [Some("theirs"), None]);
    assert_eq!(desk.house().excess(), 10);
    // The slots were emptied.
    desk.keeps(0);
    assert_eq!([desk.next(), desk.next()], [Some("ours"), None]);
    for _ in 0..10 {
        desk.release(ours, 10);
    }
    desk.release(theirs, 10);
    // However much is resident: half of the memory is given out, and all of it to a call that is alone.
    desk.keeps(1_000);
    let whole = Terms { memory: 160, ..terms() };
    assert_eq!(arrive(&mut desk, theirs, &whole, ""), Ok(Became::Admitted));
    desk.release(theirs, 160);
    for _ in 0..8 {
        assert_eq!(arrive(&mut desk, ours, &small, ""), Ok(Became::Admitted));
    }
    assert_eq!(arrive(&mut desk, ours, &small, ""), Ok(Became::Waits));
    assert_eq!(desk.next(), None);
}
