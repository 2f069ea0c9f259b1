//! The cache in memory keeps the rules of `wit/cache.wit`.

use super::super::{activate_another_version, advance, forget_cached, namespaces};
use super::code;
use crate::Error;
use crate::cache::{Life, Lookup, StaleValue, clear, delete, get, get_or_fill, get_or_make, put, stats};

const LIFE: Life = Life::for_ms(100).stale_for(50);

fn lease(key: &str) -> crate::cache::Lease {
    match get_or_fill("n", key, 0).unwrap() {
        Lookup::Fill(lease) | Lookup::Stale(StaleValue { lease: Some(lease), .. }) => lease,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_value_is_fresh_then_stale_then_gone() {
    put("n", "k", b"v", LIFE).unwrap();
    assert_eq!(get("n", "k").unwrap().unwrap(), b"v");
    advance(100);
    assert_eq!(get("n", "k").unwrap(), None);
    let Lookup::Stale(StaleValue { value, lease: Some(lease) }) = get_or_fill("n", "k", 0).unwrap() else { panic!() };
    assert_eq!(value, b"v");
    let Lookup::Stale(StaleValue { lease: None, .. }) = get_or_fill("n", "k", 0).unwrap() else { panic!() };
    drop(lease);
    advance(50);
    assert!(matches!(get_or_fill("n", "k", 0).unwrap(), Lookup::Fill(_)));
    assert_eq!((stats().stale_hits, stats().expired, stats().entries), (2, 1, 0));
}

#[test]
fn a_lease_keeps_its_value_unless_the_key_was_written_meanwhile() {
    assert!(lease("a").fill(b"1", LIFE).unwrap());
    assert_eq!(get("n", "a").unwrap().unwrap(), b"1");
    let (put_over, deleted, cleared) = (lease("b"), lease("c"), lease("d"));
    assert_eq!(code(get_or_fill("n", "b", 1_000)), "lease-held");
    put("n", "b", b"newer", LIFE).unwrap();
    delete("n", "c").unwrap();
    assert!(!put_over.fill(b"older", LIFE).unwrap());
    assert_eq!(get("n", "b").unwrap().unwrap(), b"newer");
    clear("n").unwrap();
    assert!(!deleted.fill(b"older", LIFE).unwrap() && !cleared.fill(b"older", LIFE).unwrap());
    assert_eq!(namespaces(), Vec::<String>::new());
}

#[test]
fn a_stale_value_stands_in_where_a_new_one_cannot_be_made() {
    let make = |value: Result<&'static [u8], Error>| get_or_make("n", "k", LIFE, 0, || value.map(<[u8]>::to_vec));
    assert_eq!(make(Ok(b"one")).unwrap(), b"one");
    advance(120);
    assert_eq!(make(Err(Error::new("down", ""))).unwrap(), b"one");
    assert_eq!(make(Ok(b"two")).unwrap(), b"two");
    forget_cached();
    assert_eq!(code(make(Err(Error::new("down", "")))), "down");
}

#[test]
fn what_breaks_a_rule_is_named() {
    assert_eq!(code(get("N", "k")), "invalid-namespace");
    assert_eq!(code(get("n", "")), "invalid-key");
    assert_eq!(code(put("n", "k", b"", Life::for_ms(0))), "invalid-ttl");
    assert_eq!(code(put("n", "k", &vec![0; (4 << 20) + 1], LIFE)), "value-too-large");
    let held: Vec<_> = (0..64).map(|number| lease(&number.to_string())).collect();
    assert_eq!(code(get_or_fill("n", "one more", 0)), "too-many");
    drop(held);
}

#[test]
fn a_value_of_one_version_is_not_there_for_another() {
    put("n", "k", b"v", LIFE.this_version_only()).unwrap();
    put("n", "all", b"v", LIFE).unwrap();
    activate_another_version();
    assert_eq!(get("n", "k").unwrap(), None);
    assert!(get("n", "all").unwrap().is_some());
}
