//! Typed buckets, caches and configuration, on the host in memory.

use serde::{Deserialize, Serialize};

use super::super::{advance, before_commit, configure, use_up};
use super::code;
use crate::cache::Life;
use crate::prelude::*;
use crate::storage::Selection;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Note {
    text: String,
}

const NOTES: Bucket<Note> = Bucket::new("notes");
const STOCK: Bucket<u64> = Bucket::new("stock");
const SUMS: Cache<u64> = Cache::new("sums", Life::for_ms(100).stale_for(100));

fn note(text: &str) -> Note {
    Note { text: text.to_owned() }
}

#[test]
fn a_bucket_reads_what_it_wrote_and_writes_only_what_it_read() {
    assert_eq!(NOTES.get("a").unwrap(), None);
    let first = NOTES.create("a", &note("one")).unwrap();
    assert_eq!(code(NOTES.create("a", &note("two"))), "conflict");
    let read = NOTES.get("a").unwrap().unwrap();
    assert_eq!((read.value, read.version), (note("one"), first));
    NOTES.replace("a", &note("two"), first).unwrap();
    assert_eq!(code(NOTES.replace("a", &note("three"), first)), "conflict");
    NOTES.put_for("b", &note("short"), 10).unwrap();
    let all: Vec<_> = NOTES.scan(Selection::all()).map(Result::unwrap).collect();
    assert_eq!(all, [("a".to_owned(), note("two")), ("b".to_owned(), note("short"))]);
    advance(10);
    assert_eq!(NOTES.get("b").unwrap(), None);
    NOTES.delete("a").unwrap();
    storage::put(NOTES.name(), "c", b"no note").unwrap();
    assert_eq!(code(NOTES.get("c")), "unreadable-value");
}

#[test]
fn an_update_of_a_bucket_loses_nothing_and_may_decide_to_write_nothing() {
    STOCK.put("bread", &10).unwrap();
    let mut others = 2;
    before_commit(move || {
        if others > 0 {
            others -= 1;
            STOCK.update("bread", |left| Ok(left.map(|left| left - 3))).unwrap();
        }
    });
    assert_eq!(STOCK.update("bread", |left| Ok(left.map(|left| left - 1))).unwrap(), Some(3));
    assert_eq!(STOCK.update("bread", |_| Ok(None)).unwrap(), Some(3));
    assert_eq!(STOCK.update("milk", |_| Ok(None)).unwrap(), None);
    let none_left = |left: Option<u64>| Ok(Some(left.and_then(|left| left.checked_sub(9)).or_conflict("none left")?));
    assert_eq!(code(STOCK.update("bread", none_left)), "conflict");
}

#[test]
fn a_typed_cache_makes_a_value_once_and_renews_a_stale_one() {
    let made = std::cell::Cell::new(0);
    let get = || {
        SUMS.get_or_make("k", || {
            made.set(made.get() + 1);
            Ok(made.get())
        })
        .unwrap()
    };
    assert_eq!((get(), get()), (1, 1));
    advance(150);
    assert_eq!((get(), get()), (2, 2));
    SUMS.put("k", &7).unwrap();
    assert_eq!((SUMS.get("k").unwrap(), get()), (Some(7), 7));
    // Another agent of the tenant put something else there.
    cache::put("sums", "k", b"\"text\"", Life::for_ms(100)).unwrap();
    assert_eq!(SUMS.get("k").unwrap(), None);
    assert_eq!((get(), SUMS.get("k").unwrap()), (3, Some(3)));
    SUMS.clear().unwrap();
    assert_eq!(code(SUMS.get_or_make("k", || Err(Error::not_found("no numbers")))), "not-found");
}

#[test]
fn configuration_and_usage_are_what_the_test_says() {
    assert_eq!(config::parsed::<u32>("most").unwrap(), None);
    configure("most", "12");
    assert_eq!((config::parsed::<u32>("most").unwrap(), config::all().len()), (Some(12), 1));
    configure("most", "many");
    let error = config::parsed::<u32>("most").unwrap_err();
    assert_eq!(error.code, "invalid-configuration");
    assert!(error.message.contains("`most` is \"many\""), "{}", error.message);
    let before = usage::remaining("fuel");
    use_up("fuel", 100);
    use_up("fuel", 200);
    assert_eq!((before - usage::remaining("fuel"), usage::remaining("petrol")), (200, 0));
}

#[test]
fn requests_and_answers_have_forms_for_tests() {
    let request = Request::of_json(&note("x")).unwrap().with_metadata("insula-agent", "notes");
    assert_eq!((request.json::<Note>().unwrap(), request.metadata("insula-agent")), (note("x"), Some("notes")));
    let answer = Response::json(&note("y")).unwrap();
    assert_eq!((answer.body_json::<Note>().unwrap(), answer.body_text().unwrap()), (note("y"), "{\"text\":\"y\"}"));
}
