//! The ledger as a whole, on storage in memory: the same again, at the same time, and tampered with.

use std::collections::BTreeMap;

use insula_sdk::storage::{self, Selection};
use insula_sdk::{Error, testing};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::ask::{Open, Statement, Terms};
use crate::audit::{Report, everything, one};
use crate::journal::{self, ACCOUNTS, ENTRIES, REFUSED_MS, TRANSFERS, balance, entry_key, statement};

const NOW: u64 = 1_795_000_000_000;

fn open(account: &str, opening: i64, overdraft: i64) -> Result<serde_json::Value, Error> {
    let open = Open { account: account.to_owned(), opening, overdraft, currency: None };
    journal::open(&open, "EUR", NOW)
}

fn terms(from: &str, to: &str, amount: i64) -> Terms {
    Terms { from: from.to_owned(), to: to.to_owned(), amount, currency: None, memo: None }
}

fn transfer(id: &str, from: &str, to: &str, amount: i64) -> Result<String, Error> {
    journal::transfer(id, &terms(from, to, amount), NOW)
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    result.unwrap_err().code
}

fn held(account: &str) -> i64 {
    balance(account).unwrap()["balance"].as_i64().unwrap()
}

fn audited() -> Report {
    everything(&|| true).unwrap()
}

fn ids(account: &str) -> Vec<String> {
    let page = statement(&Statement { account: account.to_owned(), after: None, limit: 200 }).unwrap();
    let entries = page["entries"].as_array().unwrap().iter();
    entries.filter_map(|entry| Some(entry["transfer"].as_str()?.to_owned())).collect()
}

#[test]
fn a_transfer_moves_money_once_however_often_it_is_sent() {
    open("a", 100, 0).unwrap();
    open("b", 0, 0).unwrap();
    let first = transfer("t", "a", "b", 70).unwrap();
    transfer("u", "b", "a", 5).unwrap();
    let again = journal::transfer("t", &terms("a", "b", 70), NOW + 9_999).unwrap();
    assert_eq!(first, again, "byte for byte, later and with other balances");
    assert_eq!((held("a"), held("b")), (35, 65));
    assert_eq!(ids("b"), ["t", "u"]);
    for other in [terms("a", "b", 71), terms("b", "a", 70), Terms { memo: Some("x".to_owned()), ..terms("a", "b", 70) }]
    {
        assert_eq!(code(journal::transfer("t", &other, NOW)), "conflict", "{other:?}");
    }
    assert_eq!((held("a"), held("b")), (35, 65));
}

#[test]
fn a_refusal_stays_one_for_a_day() {
    open("a", 10, 0).unwrap();
    open("b", 100, 0).unwrap();
    let first = transfer("t", "a", "b", 50).unwrap_err();
    assert_eq!(first.code, "insufficient-funds");
    transfer("u", "b", "a", 90).unwrap();
    let again = transfer("t", "a", "b", 50).unwrap_err();
    assert_eq!((again.code, again.message), (first.code, first.message));
    assert_eq!(code(transfer("t", "a", "b", 51)), "conflict");
    assert!(audited().ok);
    testing::advance(REFUSED_MS);
    transfer("t", "a", "b", 50).unwrap();
    assert_eq!((held("a"), held("b")), (50, 60));
}

#[test]
fn mistakes_are_told_and_not_kept() {
    open("a", 10, 0).unwrap();
    assert_eq!(code(transfer("t", "a", "nobody", 1)), "not-found");
    assert_eq!(code(transfer("t", "nobody", "a", 1)), "not-found");
    let francs = Open { account: "f".to_owned(), opening: 10, overdraft: 0, currency: Some("CHF".to_owned()) };
    journal::open(&francs, "EUR", NOW).unwrap();
    assert_eq!(code(transfer("t", "a", "f", 1)), "unprocessable");
    open("b", 0, 0).unwrap();
    let stated = |currency: &str| Terms { currency: Some(currency.to_owned()), ..terms("a", "b", 1) };
    assert_eq!(code(journal::transfer("t", &stated("CHF"), NOW)), "unprocessable");
    journal::transfer("t", &stated("EUR"), NOW).unwrap();
    assert_eq!(code(balance("nobody")), "not-found");
    let report = audited();
    assert!(report.ok, "{report:?}");
    assert_eq!((report.totals["EUR"].held, report.totals["CHF"].held), (10, 10));
}

#[test]
fn an_account_is_opened_once() {
    let first = open("a", 10, 5).unwrap();
    open("b", 0, 0).unwrap();
    transfer("t", "a", "b", 12).unwrap();
    assert_eq!(open("a", 10, 5).unwrap(), first);
    assert_eq!(code(open("a", 11, 5)), "conflict");
    assert_eq!(held("a"), -2);
}

#[test]
fn a_statement_has_every_entry_in_order_a_page_at_a_time() {
    open("a", 100, 0).unwrap();
    open("a.b", 100, 0).unwrap();
    for number in 0..7 {
        transfer(&format!("t{number}"), "a", "a.b", 1).unwrap();
    }
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = statement(&Statement { account: "a".to_owned(), after, limit: 3 }).unwrap();
        let entries = page["entries"].as_array().unwrap();
        assert!(entries.len() <= 3);
        seen.extend(entries.iter().map(|entry| (entry["entry"].as_u64().unwrap(), entry["balance"].as_i64().unwrap())));
        after = page["next"].as_u64();
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=8).map(|number| (number, 101 - number as i64)).collect::<Vec<_>>());
    assert_eq!(ids("a.b").len(), 7, "names that begin alike are two accounts");
}

#[test]
fn who_meets_too_many_others_is_told_to_come_back_and_nothing_is_half_done() {
    open("a", 1_000, 0).unwrap();
    open("b", 0, 0).unwrap();
    open("c", 0, 0).unwrap();
    let mut number = 0;
    testing::before_commit(move || {
        number += 1;
        transfer(&format!("other-{number}"), "a", "c", 1).unwrap();
    });
    let error = transfer("t", "a", "b", 100).unwrap_err();
    assert_eq!((error.code.as_str(), error.retry_after_ms.is_some()), ("conflict", true));
    assert_eq!((held("b"), held("c")), (0, 16));
    testing::before_commit(|| {});
    transfer("t", "a", "b", 100).unwrap();
    assert_eq!((held("a"), held("b")), (884, 100));
    assert!(audited().ok);
}

#[test]
fn the_same_transfer_twice_at_the_same_time_is_one() {
    open("a", 100, 0).unwrap();
    open("b", 0, 0).unwrap();
    let mut twin = None;
    let answers = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let told = answers.clone();
    testing::before_commit(move || {
        twin.get_or_insert_with(|| told.borrow_mut().push(transfer("t", "a", "b", 60).unwrap()));
    });
    let answer = transfer("t", "a", "b", 60).unwrap();
    assert_eq!(*answers.borrow(), [answer]);
    assert_eq!((held("a"), held("b")), (40, 60));
}

/// Books with a few transfers in them.
fn some_books() {
    testing::reset();
    open("a", 100, 0).unwrap();
    open("b", 50, 10).unwrap();
    open("c", 0, 0).unwrap();
    transfer("t1", "a", "b", 10).unwrap();
    transfer("t2", "b", "c", 20).unwrap();
    transfer("t3", "c", "a", 5).unwrap();
    let _ = transfer("t4", "c", "a", 500);
    let report = audited();
    assert!(report.ok, "{report:?}");
    assert_eq!((report.accounts, report.transfers, report.entries), (3, 3, 8));
    assert_eq!((report.totals["EUR"].opened, report.totals["EUR"].held), (150, 150));
    assert!(["a", "b", "c"].iter().all(|account| one(account, &|| true).unwrap().ok));
}

/// Rewrites one value of the books by replacing a piece of its JSON.
fn tamper(bucket: &str, key: &str, piece: &str, other: &str) {
    let value = String::from_utf8(storage::get(bucket, key).unwrap().unwrap().value).unwrap();
    assert!(value.contains(piece), "{value}");
    storage::put(bucket, key, value.replace(piece, other).as_bytes()).unwrap();
}

#[test]
fn an_audit_finds_what_was_tampered_with() {
    type Act = fn();
    let acts: [(&str, Act); 8] = [
        ("a balance", || tamper(ACCOUNTS, "a", "\"balance\":95", "\"balance\":96")),
        ("a count", || tamper(ACCOUNTS, "a", "\"entries\":3", "\"entries\":4")),
        ("an amount", || tamper(ENTRIES, &entry_key("b", 2), "\"amount\":10", "\"amount\":11")),
        ("an entry", || storage::delete(ENTRIES, &entry_key("c", 1)).unwrap()),
        ("the last entry", || storage::delete(ENTRIES, &entry_key("a", 3)).unwrap()),
        ("a transfer", || storage::delete(TRANSFERS, "t2").unwrap()),
        ("the terms", || tamper(TRANSFERS, "t2", "\"amount\":20", "\"amount\":21")),
        ("an owner", || tamper(ENTRIES, &entry_key("b", 2), "\"t1\"", "\"t3\"")),
    ];
    for (what, act) in acts {
        some_books();
        act();
        let report = audited();
        assert!(!report.ok && !report.faults.is_empty(), "{what}: {report:?}");
    }
    // Each account by itself tells of most of it, too.
    some_books();
    tamper(TRANSFERS, "t2", "\"amount\":20", "\"amount\":21");
    assert!(one("a", &|| true).unwrap().ok);
    assert!(!one("b", &|| true).unwrap().ok && !one("c", &|| true).unwrap().ok);
}

#[test]
fn an_audit_holds_while_transfers_go_on() {
    for account in ["a", "b", "c"] {
        open(account, 1_000, 0).unwrap();
    }
    for number in 0..400 {
        transfer(&format!("t{number}"), ["a", "b", "c"][number % 3], ["b", "c", "a"][number % 3], 1).unwrap();
    }
    let looks = std::cell::Cell::new(0);
    let report = everything(&|| {
        looks.set(looks.get() + 1);
        let id = format!("meanwhile-{}", looks.get());
        transfer(&id, "c", "a", 7).unwrap();
        open(&format!("new-{}", looks.get()), 50, 0).unwrap();
        true
    })
    .unwrap();
    assert!(looks.get() >= 4 && report.ok, "{report:?}");
    assert_eq!((report.transfers, report.entries), (400, 803), "those that came later are left out");
    assert_eq!((report.totals["EUR"].opened, report.totals["EUR"].held), (3_000, 3_000));
    assert_eq!(code(everything(&|| false)), "unprocessable");
}

/// One call of someone, with what someone else does just before it is committed.
#[derive(Debug, Clone)]
struct Call {
    id: u8,
    from: usize,
    to: usize,
    amount: i64,
    others: Vec<(u8, usize, usize, i64)>,
}

fn call() -> impl Strategy<Value = Call> {
    let one = || (0_u8..30, 0_usize..4, 0_usize..4, 1_i64..120);
    (one(), vec(one(), 0..3)).prop_map(|((id, from, to, amount), others)| Call { id, from, to, amount, others })
}

/// Sends a transfer whose terms follow from its id where it was sent before, as an honest client does.
fn send(
    sent: &mut BTreeMap<u8, Terms>,
    (id, from, to, amount): (u8, usize, usize, i64),
) -> Option<(u8, Result<String, Error>)> {
    let accounts = ["a", "b", "c", "d"];
    if from == to {
        return None;
    }
    let terms = sent.entry(id).or_insert_with(|| terms(accounts[from], accounts[to], amount)).clone();
    Some((id, journal::transfer(&id.to_string(), &terms, NOW)))
}

fn play(calls: Vec<Call>) {
    testing::reset();
    for (account, opening, overdraft) in [("a", 100, 0), ("b", 100, 50), ("c", 0, 0), ("d", 30, 0)] {
        open(account, opening, overdraft).unwrap();
    }
    let sent = std::rc::Rc::new(std::cell::RefCell::new(BTreeMap::new()));
    let mut answers: BTreeMap<u8, Result<String, String>> = BTreeMap::new();
    for Call { id, from, to, amount, others } in calls {
        let (mut others, theirs) = (others.into_iter(), sent.clone());
        testing::before_commit(move || {
            if let Some(other) = others.next() {
                drop(send(&mut theirs.borrow_mut(), other));
            }
        });
        // Not borrowed while it is sent: the others send, too.
        let mut mine = sent.borrow().clone();
        let Some((id, answer)) = send(&mut mine, (id, from, to, amount)) else { continue };
        sent.borrow_mut().entry(id).or_insert_with(|| mine[&id].clone());
        let answer = answer.map_err(|error| error.code);
        // The others may have taken the id first, with other terms: then it is a conflict, and no answer.
        if answer != Err("conflict".to_owned()) {
            assert_eq!(answers.entry(id).or_insert_with(|| answer.clone()), &answer, "{id} was answered differently");
        }
    }
    testing::before_commit(|| {});
    let report = audited();
    assert!(report.ok, "{report:?}");
    assert_eq!((report.totals["EUR"].opened, report.totals["EUR"].held), (230, 230));
    let debits: Vec<_> = ["a", "b", "c", "d"].iter().flat_map(|account| ids(account)).collect();
    for (id, answer) in answers {
        let halves = debits.iter().filter(|debit| **debit == id.to_string()).count();
        assert_eq!(halves, if answer.is_ok() { 2 } else { 0 }, "{id}: {answer:?}");
    }
    let kept = storage::scan(ENTRIES, Selection::all()).count();
    assert_eq!(kept as u64, report.entries);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn nothing_is_lost_or_doubled_whoever_comes_between(calls in vec(call(), 1..60)) {
        play(calls);
    }
}
