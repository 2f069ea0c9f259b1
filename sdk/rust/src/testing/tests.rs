//! The stand-in keeps the rules of `wit/`, and the helpers of `storage` and `cache` work on it.

mod cache;
#[cfg(feature = "json")]
mod typed;

use super::{advance, before_commit, keys, reset};
use crate::Error;
use crate::storage::{
    Address, Attempt, Commit, Precondition, Selection, Write, buckets, commit, delete, get, get_many, get_these,
    increment, increment_for, list, put, put_for, scan, update,
};

fn at(key: &str) -> Address {
    Address::new("b", key)
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    result.unwrap_err().code
}

#[test]
fn a_commit_is_whole_or_nothing() {
    put("b", "one", b"1").unwrap();
    let version = get("b", "one").unwrap().unwrap().version;
    let writes = [Write::put(at("two"), "2"), Write::delete(at("one"))];
    assert_eq!(code(commit(&[Precondition::absent(at("one"))], &writes)), "conflict");
    assert_eq!(code(commit(&[Precondition::unchanged(at("one"), Some(version + 1))], &writes)), "conflict");
    assert_eq!(code(commit(&[Precondition::present(at("two"))], &writes)), "conflict");
    assert_eq!(code(commit(&[], &[Write::put(at("three"), ""), Write::increment(at("one"), 1)])), "not-a-number");
    assert_eq!(keys(), [("b".to_owned(), "one".to_owned())]);
    let versions = commit(&[Precondition::unchanged(at("one"), Some(version))], &writes).unwrap();
    assert_eq!(versions, [version + 1, version + 2], "also of a deletion");
    assert_eq!(keys(), [("b".to_owned(), "two".to_owned())]);
}

#[test]
fn what_breaks_a_rule_is_named() {
    assert_eq!(code(put("B", "k", b"")), "invalid-bucket");
    assert_eq!(code(put("b", "", b"")), "invalid-key");
    assert_eq!(code(put_for("b", "k", b"", 0)), "invalid-ttl");
    assert_eq!(code(put("b", "k", &vec![0; (1 << 20) + 1])), "value-too-large");
    assert_eq!(code(commit(&[], &[Write::delete(at("k")), Write::delete(at("k"))])), "duplicate-key");
    assert_eq!(code(get_many(&vec![at("k"); 257])), "too-many");
    assert_eq!(code(list("b", &Selection::all().limit(0))), "invalid-limit");
    put("b", "most", &i64::MAX.to_le_bytes()).unwrap();
    assert_eq!(code(increment("b", "most", 1)), "overflow");
}

#[test]
fn a_life_ends_for_every_function() {
    put_for("b", "k", b"v", 1_000).unwrap();
    assert_eq!(increment_for("b", "n", 2, 500).unwrap(), 2);
    advance(400);
    assert_eq!(increment_for("b", "n", 3, 500).unwrap(), 5, "a number keeps the life that it has");
    assert_eq!(get("b", "k").unwrap().unwrap().ttl_ms, Some(600));
    commit(&[], &[Write::expire(at("k"), 50), Write::expire(at("absent"), 50)]).unwrap();
    advance(100);
    assert_eq!(keys(), []);
    commit(&[], &[Write::put(at("k"), "v").with_life(Some(10)), Write::delete(at("n")).with_life(Some(10))]).unwrap();
    assert_eq!(get("b", "k").unwrap().unwrap().ttl_ms, Some(10));
    commit(&[], &[Write::keep(at("k"))]).unwrap();
    advance(10_000);
    assert_eq!(get("b", "k").unwrap().unwrap().ttl_ms, None);
}

#[test]
fn listings_have_prefixes_ranges_pages_and_two_directions() {
    for key in ["a/1", "a/2", "a/3", "b/1"] {
        put("b", key, key.as_bytes()).unwrap();
    }
    put("c", "a/9", b"").unwrap();
    let listed = |selection: Selection| {
        let page = list("b", &selection).unwrap();
        (page.entries.into_iter().map(|entry| entry.key).collect::<Vec<_>>().join(" "), page.next)
    };
    assert_eq!(listed(Selection::prefix("a/").limit(2)), ("a/1 a/2".to_owned(), Some("a/2".to_owned())));
    assert_eq!(listed(Selection::prefix("a/").limit(2).after("a/2")), ("a/3".to_owned(), None));
    assert_eq!(listed(Selection::all().reversed().after("a/3").limit(1)).0, "a/2");
    assert_eq!(listed(Selection::range("a/2", "b/1")).0, "a/2 a/3");
    let scanned: Vec<_> = scan("b", Selection::all().with_values().limit(1)).map(Result::unwrap).collect();
    assert_eq!(scanned.len(), 4);
    assert!(scanned.iter().all(|entry| entry.value == entry.key.as_bytes()));
    assert_eq!(scan("B", Selection::all()).map(code).collect::<Vec<_>>(), ["invalid-bucket"]);
    assert_eq!(buckets(Some("b"), 10).unwrap(), ["c"]);
}

#[test]
fn values_come_in_the_order_in_which_they_were_asked_for() {
    put("b", "one", b"1").unwrap();
    put("c", "two", b"2").unwrap();
    let [two, none, one] = get_these([Address::new("c", "two"), at("none"), at("one")]).unwrap();
    assert_eq!((two.unwrap().value, none.is_none(), one.unwrap().value), (b"2".to_vec(), true, b"1".to_vec()));
    delete("b", "one").unwrap();
    delete("b", "one").unwrap();
}

#[test]
fn an_update_that_meets_others_reads_again_and_loses_nothing() {
    let mut others = 3;
    before_commit(move || {
        if others > 0 {
            others -= 1;
            increment("b", "n", 10).unwrap();
        }
    });
    let mut attempts = 0;
    let add_one = |attempts: &mut u32| {
        update(8, || {
            *attempts += 1;
            let found = get("b", "n")?;
            let sum = found.as_ref().map_or(Ok(0), |entry| entry.number())? + 1;
            Ok(Commit::new().unchanged(at("n"), found.as_ref()).put(at("n"), sum.to_le_bytes()).then(sum))
        })
    };
    assert_eq!(add_one(&mut attempts).unwrap(), 31);
    assert_eq!(attempts, 4);
    assert_eq!(get("b", "n").unwrap().unwrap().number().unwrap(), 31);
}

#[test]
fn an_update_gives_up_after_its_attempts_and_says_when_to_come_back() {
    before_commit(|| drop(increment("b", "n", 1)));
    let error = update(3, || {
        let found = get("b", "n")?;
        Ok(Commit::new().unchanged(at("n"), found.as_ref()).put(at("n"), "lost").then(()))
    });
    let error = error.unwrap_err();
    assert_eq!((error.code.as_str(), error.retry_after_ms), ("conflict", Some(100)));
    assert_eq!(get("b", "n").unwrap().unwrap().number().unwrap(), 3);
    reset();
    put("b", "n", b"").unwrap();
    assert_eq!(keys().len(), 1);
}

#[test]
fn an_agents_own_errors_end_an_update_at_once() {
    let mut attempts = 0;
    let error = update::<()>(8, || {
        attempts += 1;
        Err(Error::conflict("the agent's own"))
    });
    assert_eq!((error.unwrap_err().message.as_str(), attempts), ("the agent's own", 1));
    assert_eq!(update(8, || Ok(Attempt::Done(7))).unwrap(), 7);
}
