//! The sample agents' own cases, and the Rust SDK's own tests.

use std::process::Command;

use serde_json::json;

use crate::harness::{Desk, agents};

#[track_caller]
fn passes(agent: &str) {
    let desk = Desk::new();
    let folder = agents::folder(&format!("sample-agents/{agent}"));
    let tested = desk.run(&["test", folder.to_str().unwrap(), "--json"]).done().json();
    assert_eq!(tested["failed"], json!(0), "{tested}");
    assert!(tested["passed"].as_u64().unwrap() >= 2, "{tested}");
}

#[test]
fn triage_passes_its_cases() {
    agents::triage();
    passes("triage");
}

#[test]
fn recall_passes_its_cases() {
    agents::recall();
    passes("recall");
}

#[test]
fn ledger_passes_its_cases() {
    agents::ledger();
    passes("ledger");
}

#[test]
fn faq_passes_its_cases() {
    if agents::faq().is_some() {
        passes("faq");
    }
}

#[test]
fn analyst_passes_its_cases() {
    if agents::analyst().is_some() {
        passes("analyst");
    }
}

#[test]
fn the_rust_sdk_passes_its_own_tests_and_the_examples_of_its_documentation() {
    let mut command = Command::new("cargo");
    command.args(["test", "--locked", "--features", "testing"]).current_dir(agents::folder("sdk/rust"));
    for name in ["RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_ENCODED_RUSTFLAGS"] {
        command.env_remove(name);
    }
    let tested = Desk::finish(command, b"").done();
    assert!(tested.stderr.contains("Doc-tests insula_sdk"), "{tested:?}");
}
