//! What every engine must do, as tests that run against each of them.
//!
//! A new engine adds one line to the `conform!` at the end.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::memory::Memory;
use super::*;

/// All keys and values of a table, in one of both directions.
pub(crate) fn contents(tables: &impl Read, table: Table, reverse: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
    range_of(tables, table, &KeyRange::ALL, reverse)
}

fn range_of(tables: &impl Read, table: Table, range: &KeyRange, reverse: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    let walked = tables.walk(table, range, reverse, |key, value| {
        found.push((key.to_vec(), value.to_vec()));
        Ok(ControlFlow::Continue(()))
    });
    walked.unwrap();
    found
}

fn put(engine: &impl Engine, table: Table, key: &[u8], value: &[u8]) {
    engine.transact(|tables| Ok((tables.put(table, key, value)?, Verdict::Commit))).unwrap();
}

fn get(tables: &impl Read, table: Table, key: &[u8]) -> Option<Vec<u8>> {
    tables.get(table, key, <[u8]>::to_vec).unwrap()
}

/// An engine with its three tables, which a first transaction makes.
fn fresh<E: Engine>(make: impl Fn() -> E) -> E {
    let engine = make();
    put(&engine, Table::Meta, b"made", b"");
    engine
}

fn tables_are_apart<E: Engine>(engine: &E) {
    for (number, table) in Table::ALL.into_iter().enumerate() {
        put(engine, table, b"key", &[u8::try_from(number).unwrap()]);
    }
    let snapshot = engine.snapshot().unwrap();
    assert_eq!(Table::ALL.map(|table| get(&snapshot, table, b"key").unwrap()), [[0], [1], [2]]);
}

fn a_snapshot_stays_as_it_was<E: Engine>(engine: &E) {
    put(engine, Table::Entries, b"a", b"1");
    let before = engine.snapshot().unwrap();
    put(engine, Table::Entries, b"a", b"2");
    put(engine, Table::Entries, b"b", b"3");
    assert_eq!(contents(&before, Table::Entries, false), [(b"a".to_vec(), b"1".to_vec())]);
    assert_eq!(contents(&engine.snapshot().unwrap(), Table::Entries, false).len(), 2);
}

fn what_is_abandoned_or_fails_never_was<E: Engine>(engine: &E) {
    put(engine, Table::Entries, b"a", b"1");
    let change = |tables: &mut E::Tables<'_>| {
        tables.put(Table::Entries, b"a", b"2")?;
        tables.delete(Table::Meta, b"made")?;
        assert_eq!(get(tables, Table::Entries, b"a").unwrap(), b"2", "a transaction sees what it did");
        tables.put(Table::Expiry, b"b", b"")
    };
    engine.transact(|tables| Ok((change(tables)?, Verdict::Abandon))).unwrap();
    let failed = engine.transact(|tables| {
        change(tables)?;
        Err::<((), Verdict), _>(Failure::Closed)
    });
    assert!(matches!(failed, Err(Failure::Closed)));
    let after = engine.snapshot().unwrap();
    assert_eq!(get(&after, Table::Entries, b"a").unwrap(), b"1");
    assert!(get(&after, Table::Meta, b"made").is_some() && contents(&after, Table::Expiry, false).is_empty());
}

fn deleting_what_is_absent_is_no_error<E: Engine>(engine: &E) {
    engine.transact(|tables| Ok((tables.delete(Table::Entries, b"nothing")?, Verdict::Commit))).unwrap();
}

fn transactions_come_one_by_one<E: Engine>(engine: &E) {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let add = |tables: &mut E::Tables<'_>| {
                        let before = get(tables, Table::Meta, b"count").map_or(0, |count| count[0]);
                        tables.put(Table::Meta, b"count", &[before + 1])
                    };
                    engine.transact(|tables| Ok((add(tables)?, Verdict::Commit))).unwrap();
                }
            });
        }
    });
    assert_eq!(get(&engine.snapshot().unwrap(), Table::Meta, b"count").unwrap(), [20]);
}

fn a_walk_ends_when_it_is_told_to_and_when_it_fails<E: Engine>(engine: &E) {
    for key in 0..5_u8 {
        put(engine, Table::Entries, &[key], &[]);
    }
    let snapshot = engine.snapshot().unwrap();
    let mut seen = Vec::new();
    let walked = snapshot.walk(Table::Entries, &KeyRange::ALL, true, |key, _| {
        seen.push(key[0]);
        Ok(if seen.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    walked.unwrap();
    assert_eq!(seen, [4, 3]);
    let failed = snapshot.walk(Table::Entries, &KeyRange::ALL, false, |_, _| Err(Failure::Closed));
    assert!(matches!(failed, Err(Failure::Closed)));
}

/// A key, and the size of its value; without one it goes.
type Put = (Vec<u8>, Option<usize>);
/// Two bounds, and whether the walk is a descending one.
type Range = (Bound<Vec<u8>>, Bound<Vec<u8>>, bool);

/// Puts, deletes and ranges over hostile keys, against an ordered map.
fn it_agrees_with_an_ordered_map<E: Engine>(make: &dyn Fn() -> E) {
    let bytes = || proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0xfe), Just(0xff)], 0..4);
    let bound = move || {
        prop_oneof![Just(Bound::Unbounded), bytes().prop_map(Bound::Included), bytes().prop_map(Bound::Excluded),]
    };
    let steps = proptest::collection::vec((bytes(), proptest::option::of(0..2_000_usize)), 1..40);
    let ranges = proptest::collection::vec((bound(), bound(), any::<bool>()), 8);
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let check = |(steps, ranges): (Vec<Put>, Vec<Range>)| {
        let engine = fresh(make);
        let mut model = BTreeMap::new();
        for chunk in steps.chunks(5) {
            let work = |tables: &mut E::Tables<'_>| {
                for (key, value) in chunk {
                    match value {
                        Some(size) => tables.put(Table::Entries, key, &vec![7; *size])?,
                        None => tables.delete(Table::Entries, key)?,
                    }
                }
                Ok(((), Verdict::Commit))
            };
            engine.transact(work).unwrap();
            for (key, value) in chunk {
                match value {
                    Some(size) => drop(model.insert(key.clone(), vec![7; *size])),
                    None => drop(model.remove(key)),
                }
            }
        }
        let snapshot = engine.snapshot().unwrap();
        for (lower, upper, reverse) in ranges {
            let range = KeyRange { lower, upper };
            let (from, to) = range.bounds();
            // What an ordered map would panic at is a range that no listing makes.
            let order = match (from, to) {
                (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => from < to,
                _ => true,
            };
            prop_assume!(order);
            let mut expected: Vec<_> =
                model.range::<[u8], _>((from, to)).map(|(key, value)| (key.clone(), value.clone())).collect();
            if reverse {
                expected.reverse();
            }
            prop_assert_eq!(range_of(&snapshot, Table::Entries, &range, reverse), expected);
        }
        Ok(())
    };
    runner.run(&(steps, ranges), check).unwrap();
}

macro_rules! conform {
    ($($engine:ident: $make:expr;)*) => {$(
        mod $engine {
            use super::*;

            conform!(@each $make; tables_are_apart, a_snapshot_stays_as_it_was, what_is_abandoned_or_fails_never_was,
                deleting_what_is_absent_is_no_error, transactions_come_one_by_one,
                a_walk_ends_when_it_is_told_to_and_when_it_fails);

            #[test]
            fn it_agrees_with_an_ordered_map() {
                super::it_agrees_with_an_ordered_map(&$make);
            }
        }
    )*};
    (@each $make:expr; $($name:ident),*) => {$(
        #[test]
        fn $name() {
            super::$name(&fresh($make));
        }
    )*};
}

conform! {
    redb_in_a_file: || Redb::open(tempfile::tempfile().unwrap()).unwrap();
    redb_in_memory: || Redb::over(::redb::backends::InMemoryBackend::new()).unwrap();
    the_model: Memory::default;
}

#[test]
fn a_file_has_after_it_is_opened_again_what_was_committed() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let engine = fresh(|| Redb::open(file.reopen().unwrap()).unwrap());
    put(&engine, Table::Entries, b"a", &[1; 100_000]);
    drop(engine);
    let again = Arc::new(Redb::open(file.reopen().unwrap()).unwrap());
    assert_eq!(get(&again.snapshot().unwrap(), Table::Entries, b"a").unwrap(), [1; 100_000]);
}
