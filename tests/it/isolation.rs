//! Two tenants that do the same things under the same names, and never meet.

use serde_json::json;

use crate::harness::{Bystander, Host, Tenant, agents};

fn pair() -> (Tenant, Tenant) {
    let host = Host::shared();
    let (one, other) = (host.tenant("one"), host.tenant("other"));
    one.deploy("probe", agents::probe());
    other.deploy("probe", agents::probe());
    (one, other)
}

#[test]
fn the_same_bucket_and_key_are_two_entries() {
    let (one, other) = pair();
    for (tenant, value) in [(&one, "of one"), (&other, "of the other")] {
        tenant.probe(&json!({ "call": "storage.put", "bucket": "shared", "key": "k", "value": value }));
    }
    for (tenant, value) in [(&one, "of one"), (&other, "of the other")] {
        let read = tenant.probe(&json!({ "call": "storage.get", "bucket": "shared", "key": "k" }));
        assert_eq!(read["ok"]["value"], value);
        assert_eq!(tenant.get("/v1/storage/shared/k").text(), value);
    }
}

#[test]
fn one_tenants_cached_answer_is_never_anothers() {
    let (one, other) = pair();
    one.probe(&json!({ "call": "cache.put", "namespace": "answers", "key": "q", "value": "of one" }));
    let get = json!({ "call": "cache.get", "namespace": "answers", "key": "q" });
    assert!(other.probe(&get)["ok"].is_null());
    other.probe(&json!({ "call": "cache.clear", "namespace": "answers" }));
    assert_eq!(one.probe(&get)["ok"], "of one");
}

#[test]
fn deleting_everything_deletes_ones_own_only() {
    let (one, _) = pair();
    let bystander = Bystander::settle(Host::shared().tenant("bystander"));
    for key in ["key-0", "key-1", "key-2"] {
        one.probe(&json!({ "call": "storage.delete", "bucket": "mine", "key": key }));
        one.send("DELETE", &format!("/v1/storage/mine/{key}"), &[], None);
    }
    one.probe(&json!({ "call": "cache.clear", "namespace": "mine" }));
    assert_eq!(one.send("DELETE", "/v1/agents/probe", &[], None).status, 204);
    bystander.assert_untouched();
}

#[test]
fn log_lines_usage_and_agents_are_ones_own() {
    let (one, other) = pair();
    one.probe(&json!({ "call": "log.write", "level": "info", "message": "a line of one" }));
    assert!(one.get("/v1/logs").text().contains("a line of one"));
    assert!(!other.get("/v1/logs").text().contains("a line of one"));
    let (used, unused) = (one.get("/v1/usage").text(), other.get("/v1/usage").text());
    assert!(used.contains("ver_"), "{used}");
    assert!(!unused.contains("ver_"), "{unused}");
    one.deploy("only-of-one", &agents::text("echo"));
    assert!(!other.get("/v1/agents").text().contains("only-of-one"));
}

#[test]
fn what_is_foreign_looks_like_what_is_absent() {
    let (one, other) = pair();
    one.deploy("secret", &agents::text("echo"));
    for (method, path) in [
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/versions"),
        ("GET", "/config"),
        ("POST", "/invoke"),
        ("POST", "/rollback"),
    ] {
        let foreign = other.send(method, &format!("/v1/agents/secret{path}"), &[], Some(b""));
        let absent = other.send(method, &format!("/v1/agents/nobody{path}"), &[], Some(b""));
        assert_eq!(foreign.status, 404, "{method} {path}: {}", foreign.text());
        assert_eq!((foreign.status, foreign.body), (absent.status, absent.body), "{method} {path}");
    }
}

#[test]
fn a_suspended_tenant_stops_and_its_neighbour_does_not() {
    let (one, other) = pair();
    let host = Host::shared();
    assert_eq!(host.operate("POST", &format!("/v1/tenants/{}/suspend", one.id), None).status, 200);
    let refused = one.invoke("probe", r#"{"call":"request"}"#);
    assert_eq!((refused.status, refused.code().as_str()), (403, "tenant-suspended"));
    assert_eq!(other.invoke("probe", r#"{"call":"request"}"#).status, 200);
    assert_eq!(host.operate("POST", &format!("/v1/tenants/{}/resume", one.id), None).status, 200);
    assert_eq!(one.invoke("probe", r#"{"call":"request"}"#).status, 200);
}

#[test]
fn a_guest_never_sees_what_the_last_one_left_in_memory() {
    let host = Host::shared();
    let (one, other) = (host.tenant("one"), host.tenant("other"));
    // Writes a canary over its second page, or looks for one.
    let writer = agents::edited(
        "",
        "(drop (memory.grow (i32.const 8))) (memory.fill (i32.const 65536) (i32.const 42) (i32.const 500000))",
    );
    let reader = agents::edited(
        "(global $at (mut i32) (i32.const 65536))",
        "(drop (memory.grow (i32.const 8)))
         (loop $look
           (if (i32.load8_u (global.get $at)) (then unreachable))
           (global.set $at (i32.add (global.get $at) (i32.const 1)))
           (br_if $look (i32.lt_u (global.get $at) (i32.const 589824))))",
    );
    one.deploy("writer", &writer);
    other.deploy("reader", &reader);
    for _ in 0..200 {
        assert_eq!(one.invoke("writer", "{}").status, 200);
        let looked = other.invoke("reader", "{}");
        assert_eq!(looked.status, 200, "{}", looked.text());
    }
}
