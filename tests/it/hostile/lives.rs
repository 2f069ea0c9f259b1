//! Attacks through lives and large commits: a clock that is not overflowed, a quota that is not filled with the dead.

use serde_json::{Value, json};

use super::assert_neighbours_answer;
use crate::harness::{Host, agents};

#[test]
fn a_life_outside_its_range_is_refused_wherever_it_is_stated() {
    let tenant = Host::shared().tenant("immortal");
    tenant.deploy("hostile", agents::hostile());
    let reply = tenant.invoke("hostile", "lives");
    assert_eq!(reply.status, 200, "{}", reply.text());
    let told: Vec<Value> = reply.json().as_array().unwrap().clone();
    assert_eq!(told.len(), 27);
    for one in told {
        assert_eq!(one[2], "invalid-ttl", "{one}");
    }
    assert_eq!(tenant.get("/v1/storage/lives").json()["entries"], json!([]));
    assert_neighbours_answer();
}

#[test]
fn a_flood_of_short_lives_does_not_fill_the_quota() {
    let tenant = Host::shared().tenant_with("mayfly", &json!({ "storage-keys": 100, "wall-us": 60_000_000 }));
    tenant.deploy("hostile", agents::hostile());
    let reply = tenant.invoke("hostile", r#"{"attack":"short-lives","count":400}"#);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let told = reply.json();
    assert_eq!((&told["puts"], &told["error"]), (&json!(400), &Value::Null), "{told}");
    let put = tenant.send("PUT", "/v1/storage/b/k", &[], Some(b"room is left"));
    assert_eq!(put.status, 201, "{}", put.text());
    assert_neighbours_answer();
}

#[test]
fn a_huge_commit_is_refused_whole() {
    let limits = json!({
        "value-bytes": 256 << 10, "response-bytes": 1 << 20, "host-bytes": 32 << 20, "storage-bytes": 1 << 20,
    });
    let tenant = Host::shared().tenant_with("huge", &limits);
    tenant.deploy("hostile", agents::hostile());
    let commit = |count: u64, bytes: u64| {
        let request = json!({ "attack": "huge-commit", "count": count, "bytes": bytes });
        tenant.invoke("hostile", &request.to_string())
    };
    let lifted = commit(256, 64 << 10);
    assert_eq!((lifted.status, lifted.code().as_str()), (507, "host-bytes-exhausted"), "{}", lifted.text());
    assert_eq!(commit(257, 1).json()["error"], "too-many");
    assert_eq!(commit(1, 257 << 10).json()["error"], "value-too-large");
    assert_eq!(commit(255, 3 << 10).json()["writes"], 255);
    // The same keys again, larger: over the quota as a whole, though many of them would fit.
    let refused = commit(256, 4_090).json();
    assert_eq!(refused["error"], "quota-exceeded", "{refused}");
    let kept = tenant.get("/v1/storage/huge-commit?limit=1000").json();
    assert_eq!(kept["entries"].as_array().unwrap().len(), 255);
    assert_eq!(tenant.get("/v1/storage/huge-commit/7").body.len(), 3 << 10);
    assert_neighbours_answer();
}
