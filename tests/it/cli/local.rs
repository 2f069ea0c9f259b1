//! Commands that need no host: `run` and `check`.

use std::fs;

use serde_json::{Value, json};

use super::{assert_failed, folder};
use crate::harness::{Bystander, Desk, Host, agents};

#[test]
fn run_prints_the_body_and_nothing_else_to_standard_output() {
    let desk = Desk::new();
    let echo = folder("tests/echo");
    let finished = desk.run(&["run", &echo, "--input", "hello\nworld"]).done();
    assert_eq!(finished.stdout, "hello\nworld");
    for word in ["bill", "fuel", "cpu-us", "peak-memory"] {
        assert!(finished.stderr.contains(word), "{word} in {}", finished.stderr);
    }
    assert!(
        !finished.stderr.contains('\u{1b}') && !finished.stdout.contains('\u{1b}'),
        "colours in a pipe: {finished:?}"
    );

    let file = desk.path("body.bin");
    fs::write(&file, "from a file").unwrap();
    let from_file = desk.run(&["run", &echo, "--input", &format!("@{}", file.display())]).done();
    assert_eq!(from_file.stdout, "from a file");
    let from_input = desk.run_with(&["run", &echo, "--input", "-"], b"from a pipe").done();
    assert_eq!(from_input.stdout, "from a pipe");

    let json = desk.run(&["--json", "run", &echo, "--input", "[1, 2]"]).done().json();
    assert_eq!((&json["body"], &json["content-type"]), (&json!([1, 2]), &json!("application/json")));
    assert!(json["bill"]["fuel"].as_u64() > Some(0), "{json}");
    assert!(!desk.profile().exists(), "a throw-away host leaves no profile");
}

#[test]
fn run_shows_what_the_agent_logged_and_routes_a_real_ticket() {
    let desk = Desk::new();
    let triage = folder("sample-agents/triage");
    let ticket = folder("sample-agents/triage/tickets/one.json");
    let finished = desk.run(&["run", &triage, "--input", &format!("@{ticket}")]).done();
    let answer = finished.json();
    assert_eq!((&answer["ticket"], &answer["queue"]), (&json!("T-1001"), &json!("billing")), "{answer}");
    assert_eq!((&answer["rules"], &answer["customer"]["tickets"]), (&json!("compiled"), &json!(1)), "{answer}");
    assert!(finished.stderr.contains("info  triage "), "{}", finished.stderr);
    // Each run is a host of its own: the ticket is new again.
    let again = desk.run(&["run", &triage, "--input", &format!("@{ticket}")]).done().json();
    assert_eq!(again, answer);

    let refused = desk.run(&["run", &triage, "--input", "{\"id\": 17}"]);
    assert_failed(&refused, 1, &["the agent `triage` answered with an error: bad-request", "because: "]);
    assert!(refused.stderr.contains("fuel"), "a call that failed has a bill: {}", refused.stderr);
    let refused = desk.run(&["run", &triage, "--input", "{\"id\": 17}", "--json"]);
    assert_eq!((refused.code, &refused.json()["problem"]["agent-code"]), (1, &json!("bad-request")));
}

#[test]
fn run_takes_a_component_and_passes_on_what_it_is_told() {
    let desk = Desk::new();
    let probe = desk.path("probe.wasm");
    fs::write(&probe, agents::probe()).unwrap();
    let probe = probe.to_str().unwrap();
    let call = |call: Value, more: &[&str]| {
        let call = call.to_string();
        desk.run(&[&["run", probe, "--input", &call], more].concat()).done().json()
    };
    let request = call(json!({ "call": "request" }), &["--meta", "colour=green", "--content-type", "text/x"]);
    assert_eq!(request["ok"]["content-type"], "text/x");
    assert!(request["ok"]["metadata"].as_array().unwrap().contains(&json!(["colour", "green"])), "{request}");
    let config = call(json!({ "call": "config.all" }), &["--config", "greeting=hello", "--config", "empty="]);
    assert_eq!(config, json!({ "ok": [["empty", ""], ["greeting", "hello"]] }));

    let hostile = desk.path("hostile.wasm");
    fs::write(&hostile, agents::hostile()).unwrap();
    let hostile = hostile.to_str().unwrap();
    let spun = desk.run(&["run", hostile, "--input", "spin", "--limit", "fuel=1_000_000"]);
    assert_failed(&spun, 1, &["the call of `agent` has no answer", "1000000 units of fuel", "fuel-exhausted"]);
    assert_failed(&desk.run(&["run", hostile, "--input", "panic"]), 1, &["agent-trap"]);
    assert_failed(
        &desk.run(&["run", desk.path("absent.wasm").to_str().unwrap(), "--input", "x"]),
        1,
        &["absent.wasm", "try: "],
    );
}

#[test]
fn check_says_what_a_host_would_make_of_a_component() {
    let desk = Desk::new();
    let write = |name: &str, bytes: &[u8]| {
        let path = desk.path(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = write("good.wasm", agents::probe());
    let page = desk.run(&["check", &good]).done();
    for word in ["is an agent", "insula:agent/storage@0.1.0", "works", "sha256:"] {
        assert!(page.stdout.contains(word), "{word} in {}", page.stdout);
    }
    let report = desk.run(&["check", &good, "--json"]).done().json();
    assert_eq!(report["component-bytes"], agents::probe().len());
    // What it says of an agent is what a host says of it.
    let host = Host::shared();
    let (ours, bystander) = (host.tenant("checker"), Bystander::settle(host.tenant("bystander")));
    let deployed = ours.deploy("probe", agents::probe());
    for member in ["digest", "imports", "exports", "functions", "memories", "memory-minimum-bytes", "warnings"] {
        assert_eq!(report[member], deployed["report"][member], "{member}");
    }
    let unknown = wat::parse_str(r#"(component (import "evil:thing/door@1.0.0" (instance)))"#).unwrap();
    for (bytes, code, word) in [
        (b"hello".to_vec(), "not-wasm", "not WebAssembly"),
        (Vec::new(), "empty-upload", "empty"),
        (wat::parse_str("(module)").unwrap(), "core-module", "core module"),
        (wat::parse_str("(component)").unwrap(), "no-handler", "insula:agent/handler@0.1.0"),
        (unknown, "unknown-imports", "evil:thing/door@1.0.0"),
    ] {
        let bad = write("bad.wasm", &bytes);
        for arguments in [&["check", &bad][..], &["check", &bad, "--json"]] {
            assert_failed(&desk.run(arguments), 1, &["a host would refuse", "bad.wasm", code, word, "try: "]);
        }
        let refused = ours.upload("probe", &bytes);
        assert_eq!(refused.code(), code, "the host refuses it by the same word");
    }
    bystander.assert_untouched();
}
