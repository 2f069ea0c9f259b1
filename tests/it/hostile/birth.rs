//! Attacks by what is done before and around the call: the making of an instance, the guest's own allocator, the reading of
//! its answer, and what it does after that.

use serde_json::json;

use super::assert_neighbours_answer;
use crate::harness::{Host, Reply, Tenant, agents};

fn tenant(name: &str) -> Tenant {
    let limits = json!({
        "cpu-us": 300_000, "wall-us": 20_000_000, "memory-bytes": 32 << 20, "table-elements": 50_000,
    });
    Host::shared().tenant_with(name, &limits)
}

/// The echo agent with parts of its text replaced.
fn rewritten(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut source = std::fs::read_to_string(agents::folder("tests/agents/echo.wat")).unwrap();
    for (from, to) in parts {
        assert!(source.contains(from), "the echo agent has changed: {from}");
        source = source.replacen(from, to, 1);
    }
    wat::parse_str(&source).unwrap_or_else(|error| panic!("{error}"))
}

/// Calls an agent twice: an end must come both times, and for the same reason.
#[track_caller]
fn assert_ends(tenant: &Tenant, name: &str, component: &[u8], codes: &[&str]) -> Reply {
    tenant.deploy(name, component);
    for _ in 0..2 {
        let reply = tenant.invoke(name, "hello");
        assert!(codes.contains(&reply.code().as_str()), "{name}: {}", reply.text());
        assert!(reply.bill("wall-us") > 0, "{name}: {}", reply.header("insula-bill"));
    }
    assert_neighbours_answer();
    tenant.invoke(name, "hello")
}

#[test]
fn a_start_function_is_held_to_the_limits_of_the_call() {
    let tenant = tenant("starter");
    let start = |body: &str| agents::edited(&format!("(func $start {body}) (start $start)"), "");
    let spun = assert_ends(&tenant, "spins", &start("(loop $again (br $again))"), &["cpu-exhausted"]);
    assert!(spun.bill("cpu-us") >= 300_000, "{}", spun.header("insula-bill"));
    assert_ends(&tenant, "recurses", &start("(call $start)"), &["agent-trap"]);
    assert_ends(&tenant, "traps", &start("unreachable"), &["agent-trap"]);
    let grows = "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable";
    let grew = assert_ends(&tenant, "grows", &start(grows), &["memory-exhausted"]);
    assert!(grew.bill("peak-memory") > 30 << 20, "{}", grew.header("insula-bill"));
    let fills = "(drop (memory.grow (i32.const 256))) (loop $again
        (memory.fill (i32.const 0) (i32.const 1) (i32.const 16777216)) (br $again))";
    assert_ends(&tenant, "fills", &start(fills), &["cpu-exhausted", "fuel-exhausted"]);
}

#[test]
fn tables_that_start_over_the_limit_never_start() {
    let tenant = tenant("tabled");
    assert_ends(&tenant, "one", &agents::edited("(table 60000 funcref)", ""), &["memory-exhausted"]);
    let many = "(table 10000 funcref) ".repeat(8);
    assert_ends(&tenant, "many", &agents::edited(&many, ""), &["memory-exhausted"]);
}

/// The echo agent whose module takes an address from another one, so that nothing can be laid out before there is an
/// instance.
fn with_address(declarations: &str) -> Vec<u8> {
    let memory = r#"(memory (export "memory") 1)"#;
    rewritten(&[
        (
            "  (core module $main",
            "  (core module $env (global (export \"at\") i32 (i32.const 0)))
               (core instance $env (instantiate $env))
               (core module $main (import \"env\" \"at\" (global $at i32))",
        ),
        ("(instantiate $main)", "(instantiate $main (with \"env\" (instance $env)))"),
        (memory, &format!("{memory} {declarations}")),
    ])
}

fn numbered(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(" ")
}

/// What an instance is made of costs no fuel: it is bounded by what may be uploaded, so that it takes a moment at most.
#[test]
fn instances_of_many_parts_are_refused_or_made_within_the_limits() {
    let tenant = tenant("maker");
    let functions = numbered(40_000, |number| format!("(func $f{number})"));
    let all = numbered(40_000, |number| format!("$f{number}"));
    let table = format!("(table 40000 funcref) {functions}");
    let (answers, complex, failed) = ("", "component-too-complex", "compile-failed");
    let heavy = [
        ("globals", agents::edited(&"(global (mut i64) (i64.const 7)) ".repeat(20_000), ""), answers),
        ("more-globals", agents::edited(&"(global (mut i64) (i64.const 7)) ".repeat(500_000), ""), complex),
        ("data", agents::edited(&"(data (i32.const 60000) \"x\") ".repeat(50_000), ""), answers),
        ("data-somewhere", with_address(&"(data (global.get $at) \"\") ".repeat(2_000)), answers),
        ("more-data", agents::edited(&"(data (i32.const 60000) \"x\") ".repeat(150_000), ""), complex),
        ("elements", agents::edited(&format!("{table} (elem (i32.const 0) func {all})"), ""), answers),
        (
            "elements-somewhere",
            with_address(&format!("{table} (elem (global.get $at) func {})", &all[..all.find(" $f5000 ").unwrap()])),
            answers,
        ),
        ("memories", agents::edited(&"(memory 1) ".repeat(20), ""), complex),
        ("tables", agents::edited(&"(table 1 funcref) ".repeat(40), ""), failed),
    ];
    for (name, component, expected) in heavy {
        let uploaded = tenant.upload(name, &component);
        if expected.is_empty() {
            assert_eq!(uploaded.status, 201, "{name}: {}", uploaded.text());
            let reply = tenant.invoke(name, "hello");
            assert_eq!((reply.status, reply.text().as_str()), (200, "hello"), "{name}: {}", reply.text());
            assert!(reply.bill("cpu-us") < 300_000, "{name}: {}", reply.header("insula-bill"));
        } else {
            assert_eq!((uploaded.status, uploaded.code().as_str()), (422, expected), "{name}: {}", uploaded.text());
            assert_eq!(tenant.get(&format!("/v1/agents/{name}")).status, 404, "{name}");
        }
        assert_neighbours_answer();
    }
}

#[test]
fn a_component_of_more_instances_than_a_slot_has_is_refused() {
    let tenant = tenant("crowd");
    let more = |count: usize| {
        let instances = "(core instance (instantiate $idle)) ".repeat(count);
        rewritten(&[(
            "  (core module $main",
            &format!("  (core module $idle (memory 0)) {instances}\n  (core module $main"),
        )])
    };
    let refused = tenant.upload("crowd", &more(100));
    assert!((400..500).contains(&refused.status), "{}", refused.text());
    assert_eq!(tenant.get("/v1/agents/crowd").status, 404);
    assert_neighbours_answer();
}

#[test]
fn an_allocator_that_spins_traps_or_lies_ends_its_own_call() {
    let tenant = tenant("allocator");
    let realloc = |body: &str| {
        rewritten(&[("(local.set $at\n        (i32.and", &format!("{body} (local.set $at\n        (i32.and"))])
    };
    assert_ends(&tenant, "spins", &realloc("(loop $again (br $again))"), &["cpu-exhausted"]);
    assert_ends(&tenant, "traps", &realloc("unreachable"), &["agent-trap"]);
    for (name, lie) in [("far", "0xffff0000"), ("end", "65535"), ("odd", "1027")] {
        let lies =
            realloc(&format!("(if (i32.gt_u (local.get $size) (i32.const 4)) (then (return (i32.const {lie}))))"));
        let reply = {
            tenant.deploy(name, &lies);
            tenant.invoke(name, "hello")
        };
        // An odd address is none for a list of pairs; for bytes it is an address like any.
        assert!(reply.status == 200 || reply.code() == "agent-trap", "{name}: {}", reply.text());
    }
    assert_neighbours_answer();
}

#[test]
fn an_answer_that_lies_about_where_it_is_ends_its_own_call() {
    let tenant = tenant("liar");
    let body =
        "(i32.store (i32.const 24) (local.get $body))\n      (i32.store (i32.const 28) (local.get $body-length))";
    let answer = |pointer: &str, length: &str| {
        rewritten(&[(
            body,
            &format!(
                "(i32.store (i32.const 24) (i32.const {pointer})) (i32.store (i32.const 28) (i32.const {length}))"
            ),
        )])
    };
    assert_ends(&tenant, "far", &answer("0xffff0000", "16"), &["agent-trap"]);
    assert_ends(&tenant, "over-the-end", &answer("65530", "100"), &["agent-trap"]);
    assert_ends(&tenant, "endless", &answer("0", "-1"), &["agent-trap", "response-too-large"]);
    let result = |at: &str| rewritten(&[("\n      (i32.const 16)))", &format!("\n      (i32.const {at})))"))]);
    assert_ends(&tenant, "result-far", &result("0xfffffff0"), &["agent-trap"]);
    assert_ends(&tenant, "result-odd", &result("17"), &["agent-trap"]);
    let kind = |set: &str| rewritten(&[("\n      (i32.const 16)))", &format!("\n      {set} (i32.const 16)))"))]);
    assert_ends(&tenant, "no-such-case", &kind("(i32.store8 (i32.const 16) (i32.const 9))"), &["agent-trap"]);
    let text = "(i32.store8 (i32.const 600) (i32.const 0xff)) (i32.store (i32.const 32) (i32.const 600)) (i32.store (i32.const 36) (i32.const 1))";
    assert_ends(&tenant, "no-text", &kind(text), &["agent-trap"]);
}

#[test]
fn what_a_guest_does_after_its_answer_is_part_of_its_call() {
    let tenant = tenant("afterwards");
    let post = |body: &str| {
        rewritten(&[
            (
                "    (func (export \"invoke\")",
                &format!("    (func (export \"after\") (param i32) {body})\n    (func (export \"invoke\")"),
            ),
            (
                "(realloc (core func $main \"realloc\"))",
                "(realloc (core func $main \"realloc\")) (post-return (core func $main \"after\"))",
            ),
        ])
    };
    for (name, body, codes) in [
        ("spins", "(loop $again (br $again))", &["cpu-exhausted"][..]),
        ("traps", "unreachable", &["agent-trap"]),
        ("recurses", "(call 1 (local.get 0))", &["agent-trap"]),
    ] {
        tenant.deploy(name, &post(body));
        let reply = tenant.invoke(name, "hello");
        // Where it is not called at all, it can do nothing.
        assert!(reply.status == 200 || codes.contains(&reply.code().as_str()), "{name}: {}", reply.text());
        assert!(reply.bill("cpu-us") < 2_000_000, "{name}: {}", reply.header("insula-bill"));
    }
    assert_neighbours_answer();
}
