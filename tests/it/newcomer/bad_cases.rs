//! `insula test` and cases that fail, or are put together wrongly: what is wrong, where, and the exit code.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::{Desk, Finished, agents};

/// An agent whose build is a copy: the one that calls any host function by name.
fn agent(desk: &Desk) -> PathBuf {
    copy_of(desk, agents::probe())
}

fn copy_of(desk: &Desk, built: &[u8]) -> PathBuf {
    let (folder, component) = (desk.path("agent"), desk.path("built.wasm"));
    fs::create_dir_all(folder.join("cases")).unwrap();
    fs::write(&component, built).unwrap();
    let manifest = format!(
        "[agent]\nname = 'probe'\nlanguage = 'rust'\n[build]\ncommand = ['cp', {:?}, 'agent.wasm']\ncomponent = 'agent.wasm'\n",
        component.to_str().unwrap()
    );
    fs::write(folder.join("insula.toml"), manifest).unwrap();
    folder
}

/// Writes one case, and runs all.
fn test(desk: &Desk, agent: &std::path::Path, case: &str, more: &[&str]) -> Finished {
    fs::write(agent.join("cases/one.toml"), case).unwrap();
    desk.run(&[&["test", agent.to_str().unwrap()], more].concat())
}

fn complaints(finished: &Finished) -> Vec<Value> {
    let cases = finished.json()["cases"].as_array().unwrap().clone();
    cases.into_iter().flat_map(|case| case["complaints"].as_array().unwrap().clone()).collect()
}

#[test]
fn what_is_no_agent_and_what_is_no_case_is_told_so() {
    let desk = Desk::new();
    fs::create_dir(desk.path("empty")).unwrap();
    let finished = desk.run(&["test", "empty"]);
    assert!(finished.code == 1 && finished.stderr.contains("not an agent's folder"), "{finished:?}");
    let agent = agent(&desk);
    let none = desk.run(&["test", agent.to_str().unwrap()]);
    assert!(none.code == 2 && none.stderr.contains("no cases") && none.stderr.contains("[[call]]"), "{none:?}");
    for (case, words) in [
        ("[[call]]\ninptu = 'x'\n", &["cases/one.toml:2: ", "inptu"][..]),
        ("[[call]]\ninput-file = 'absent.json'\n", &["cases/one.toml:2: ", "absent.json", "from the agent's folder"]),
        ("about = 'x'\n", &["calls nothing"]),
        ("[[call]\n", &["cases/one.toml:1: "]),
        ("[[call]]\nexpect.bill.petrol = 1\n", &["cases/one.toml:2: ", "petrol", "peak-memory"]),
    ] {
        let finished = test(&desk, &agent, case, &[]);
        assert_eq!((finished.code, finished.stdout.as_str()), (2, ""), "{case}: {finished:?}");
        assert!(words.iter().all(|word| finished.stderr.contains(word)), "{case}: {}", finished.stderr);
    }
    let finished = test(&desk, &agent, "[[call]]\n", &["--filter", "two"]);
    assert!(finished.code == 2 && finished.stderr.contains("`two`"), "{finished:?}");
    let wrong = fs::read_to_string(agent.join("insula.toml")).unwrap().replace("'rust'", "'cobol'");
    fs::write(agent.join("insula.toml"), wrong).unwrap();
    let finished = test(&desk, &agent, "[[call]]\n", &[]);
    assert!(finished.code == 1 && finished.stderr.contains("insula.toml:3: "), "{finished:?}");
}

#[test]
fn what_is_not_as_expected_is_shown_for_each_call_and_for_storage() {
    let desk = Desk::new();
    let agent = agent(&desk);
    let case = r#"
[storage.b]
there = "old"
[[call]]
json = { call = "storage.put", bucket = "b", key = "k", value = "v" }
expect.json = { ok = "nothing" }
expect.bill = { fuel = 1, "storage.put" = { least = 2 } }
[[call]]
input = "no json"
[[call]]
json = { call = "storage.get", bucket = "b", key = "there" }
expect.body = "another"
expect.matches = ["^x"]
expect.snapshot = true
[storage-after.b]
there = "new"
"#;
    let finished = test(&desk, &agent, case, &["--json"]);
    assert_eq!(finished.code, 1, "{finished:?}");
    let found = complaints(&finished);
    let whats: Vec<_> = found.iter().map(|complaint| complaint["what"].as_str().unwrap()).collect();
    assert_eq!(whats, ["call 1", "call 2", "call 3", "storage afterwards"], "{found:?}");
    for (complaint, words) in found.iter().zip([
        &["expected \\\"nothing\\\"", "`fuel`", "at least 2"][..],
        &["the status is 400, expected 200", "bad-request"],
        &["- another", "/^x/ does not match", "there is no snapshot"],
        &["b/there is \\\"old\\\", not \\\"new\\\"", "b/k is not expected"],
    ]) {
        let shown = complaint["lines"].to_string();
        assert!(words.iter().all(|word| shown.contains(word)), "{words:?} in {shown}");
    }
    // For people it is the same, in lines.
    let finished = test(&desk, &agent, case, &[]);
    assert!(finished.stdout.contains("✗ one") && finished.stdout.contains("storage afterwards"), "{finished:?}");
    assert!(finished.stderr.contains("0 passed, 1 failed") && finished.stderr.contains("--filter one"), "{finished:?}");
}

#[test]
fn an_answer_is_kept_when_it_is_asked_for_and_compared_from_then_on() {
    let desk = Desk::new();
    let agent = agent(&desk);
    let case = |key: &str| {
        format!("[[call]]\njson = {{ call = 'storage.get', bucket = 'b', key = '{key}' }}\nexpect.snapshot = true\n")
    };
    let kept = test(&desk, &agent, &case("k"), &["--update", "--json"]).done();
    assert_eq!(kept.json()["snapshots-written"], 1);
    assert!(agent.join("cases/snapshots/one-1.txt").is_file());
    test(&desk, &agent, &case("k"), &[]).done();
    let other = case("k").replace("call = ", "calls = [], call = ");
    let changed = test(&desk, &agent, &other, &["--json"]);
    assert_eq!(changed.code, 1);
    assert!(complaints(&changed)[0].to_string().contains("the answer is not that of"), "{changed:?}");
    test(&desk, &agent, &other, &["--update"]).done();
    test(&desk, &agent, &other, &[]).done();
}

#[test]
fn an_agent_that_is_not_the_same_in_two_tenants_is_told_so_unless_it_need_not_be() {
    let desk = Desk::new();
    let agent = agent(&desk);
    // The request has the id of the call in it.
    let case = "[[call]]\njson = { call = 'request' }\n";
    let differs = test(&desk, &agent, case, &["--json"]);
    assert_eq!(differs.code, 1, "{differs:?}");
    assert!(complaints(&differs)[0]["what"].as_str().unwrap().contains("answered differently in two tenants"));
    test(&desk, &agent, &format!("deterministic = false\n{case}"), &[]).done();
}

#[test]
fn every_case_finds_the_tenant_as_it_says_whatever_ran_before() {
    let desk = Desk::new();
    let agent = agent(&desk);
    let case = r#"
[config]
word = "NUMBER"
[storage.mine]
k = { number = 1 }
[[call]]
json = { call = "cache.get", namespace = "n", key = "k" }
expect.contains = ["null"]
[[call]]
json = { call = "cache.put", namespace = "n", key = "k", value = "v", ttl-ms = 600_000 }
[[call]]
json = { call = "storage.put", bucket = "left", key = "NUMBER", value = "v" }
[[call]]
json = { call = "storage.increment", bucket = "mine", key = "k", delta = 1 }
expect.json = { ok = 2 }
[[call]]
json = { call = "config.get", name = "word" }
expect.contains = ["NUMBER"]
[storage-after.mine]
k = { number = 2 }
[storage-after.left]
NUMBER = "v"
"#;
    // More than there are ever pairs of tenants at once.
    for number in 0..12 {
        let text = case.replace("NUMBER", &format!("n{number}"));
        fs::write(agent.join(format!("cases/case-{number:02}.toml")), text).unwrap();
    }
    let tested = desk.run(&["test", agent.to_str().unwrap(), "--json"]);
    assert_eq!((&tested.json()["passed"], tested.code), (&json!(12), 0), "{tested:?}");
}

#[test]
fn a_call_that_trapped_shows_where_it_was_and_what_it_had_left() {
    let desk = Desk::new();
    let trapping = agents::edited("(func $the-sore-spot unreachable)", "(call $the-sore-spot)");
    let agent = copy_of(&desk, &trapping);
    let finished = test(&desk, &agent, "[[call]]\ninput = 'x'\n", &["--json"]);
    assert_eq!(finished.code, 1, "{finished:?}");
    let shown = complaints(&finished)[0]["lines"].to_string();
    for word in ["the status is 500, expected 200", "agent-trap", "the-sore-spot", "fuel"] {
        assert!(shown.contains(word), "{word} in {shown}");
    }
}
