//! Attacks through leases of the cache: whoever holds one, hoards them or waits without end, stops nobody for longer than
//! its own call.

use serde_json::{Value, json};

use super::assert_neighbours_answer;
use crate::harness::{Host, Reply, Tenant, agents, eventually};

/// A tenant whose calls may go on for a minute on the clock, and compute for a fifth of a second.
fn tenant(name: &str) -> Tenant {
    let tenant = Host::shared().tenant_with(name, &json!({ "cpu-us": 200_000, "wall-us": 60_000_000 }));
    tenant.deploy("hostile", agents::hostile());
    tenant
}

/// From the next call on, its calls end after so long.
fn shorten(tenant: &Tenant, wall_us: u64) {
    let patch = json!({ "limits": { "wall-us": wall_us } });
    let patched = Host::shared().operate("PATCH", &format!("/v1/tenants/{}", tenant.id), Some(&patch));
    assert_eq!(patched.status, 200, "{}", patched.text());
}

fn attack(tenant: &Tenant, request: &Value) -> Reply {
    tenant.invoke("hostile", &request.to_string())
}

fn told(tenant: &Tenant, request: &Value) -> Value {
    let reply = attack(tenant, request);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// Waits until a call has said that it holds the lease of a key.
fn until_held(tenant: &Tenant, key: &str) {
    let path = format!("/v1/storage/leases/{key}");
    eventually("the lease is held", || (tenant.get(&path).text() == "held").then_some(()));
}

fn open_the_gate(tenant: &Tenant) {
    assert!(tenant.send("PUT", "/v1/storage/leases/gate", &[], Some(b"open")).status < 300);
}

#[test]
fn a_lease_goes_to_an_heir_however_its_holder_ends() {
    for (then, codes) in [
        ("trap", ["agent-trap"].as_slice()),
        ("exit", &["agent-trap"]),
        ("spin", &["cpu-exhausted", "fuel-exhausted"]),
        ("sleep", &["deadline-exceeded"]),
    ] {
        let tenant = tenant(then);
        if then == "sleep" {
            shorten(&tenant, 3_000_000);
        }
        let hold = json!({ "attack": "hold-lease", "then": then });
        std::thread::scope(|scope| {
            let holder = scope.spawn(|| attack(&tenant, &hold));
            until_held(&tenant, "key");
            shorten(&tenant, 60_000_000);
            let heir = told(&tenant, &json!({ "attack": "wait-for-lease" }));
            assert_eq!(heir, json!({ "filled": true }), "{then}");
            assert!(codes.contains(&holder.join().unwrap().code().as_str()), "{then}");
        });
        assert_eq!(told(&tenant, &json!({ "attack": "wait-for-lease" })), json!({ "hit": "made" }), "{then}");
    }
    assert_neighbours_answer();
}

#[test]
fn of_many_that_wait_one_makes_the_value_and_all_have_it() {
    let (tenant, wait) = (tenant("queue"), json!({ "attack": "wait-for-lease" }));
    std::thread::scope(|scope| {
        let holder = scope.spawn(|| attack(&tenant, &json!({ "attack": "hold-lease", "then": "gate" })));
        until_held(&tenant, "key");
        let waiters: Vec<_> = (0..6).map(|_| scope.spawn(|| told(&tenant, &wait))).collect();
        open_the_gate(&tenant);
        assert_eq!(holder.join().unwrap().status, 200);
        let answers: Vec<_> = waiters.into_iter().map(|waiter| waiter.join().unwrap()).collect();
        let made = answers.iter().filter(|answer| **answer == json!({ "filled": true })).count();
        let given = answers.iter().filter(|answer| **answer == json!({ "hit": "made" })).count();
        assert_eq!((made, given), (1, 5), "{answers:?}");
    });
}

#[test]
fn waiting_without_end_ends_at_the_deadline_and_holds_no_thread() {
    let (tenant, wait) = (tenant("patient"), json!({ "attack": "wait-for-lease" }));
    std::thread::scope(|scope| {
        let holder = scope.spawn(|| attack(&tenant, &json!({ "attack": "hold-lease", "then": "gate" })));
        until_held(&tenant, "key");
        shorten(&tenant, 1_000_000);
        let waiters: Vec<_> = (0..8).map(|_| scope.spawn(|| attack(&tenant, &wait))).collect();
        assert_neighbours_answer();
        for waiter in waiters {
            let reply = waiter.join().unwrap();
            assert_eq!((reply.status, reply.code().as_str()), (504, "deadline-exceeded"), "{}", reply.text());
            assert!(reply.bill("cpu-us") < 200_000, "it waited: {}", reply.header("insula-bill"));
        }
        let impatient = told(&tenant, &json!({ "attack": "wait-for-lease", "ms": 0 }));
        assert_eq!(impatient, json!({ "error": "fill-in-progress" }));
        open_the_gate(&tenant);
        assert_eq!(holder.join().unwrap().status, 200);
    });
    assert_eq!(
        told(&tenant, &json!({ "attack": "wait-for-lease" })),
        json!({ "filled": true }),
        "no place is left over"
    );
}

#[test]
fn who_holds_a_lease_does_not_wait_for_another() {
    let tenant = tenant("ring");
    let hold = json!({ "attack": "hold-lease", "key": "other", "then": "gate" });
    std::thread::scope(|scope| {
        let holder = scope.spawn(|| attack(&tenant, &hold));
        until_held(&tenant, "other");
        let ring = told(&tenant, &json!({ "attack": "wait-in-a-ring", "key": "own", "message": "other" }));
        assert_eq!(ring, json!({ "error": "lease-held" }));
        open_the_gate(&tenant);
        assert_eq!(holder.join().unwrap().status, 200);
    });
}

#[test]
fn leases_are_hoarded_up_to_a_number_and_come_back_with_the_end_of_the_call() {
    let tenant = tenant("hoard");
    for _ in 0..2 {
        let hoarded = told(&tenant, &json!({ "attack": "hoard-leases" }));
        assert_eq!(hoarded, json!({ "leases": 64, "error": "too-many" }));
    }
    assert_neighbours_answer();
}

#[test]
fn a_forged_lease_ends_the_call_that_forged_it() {
    let tenant = tenant("forger");
    for part in ["index", "dropped", "foreign"] {
        for then in ["fill", "drop"] {
            let reply = attack(&tenant, &json!({ "attack": "forged-lease", "part": part, "then": then }));
            assert_eq!((reply.status, reply.code().as_str()), (500, "agent-trap"), "{part} {then}: {}", reply.text());
        }
    }
    assert_neighbours_answer();
}

#[test]
fn a_lease_of_one_tenant_holds_nobody_elses_key() {
    let (one, other) = (tenant("one"), tenant("other"));
    std::thread::scope(|scope| {
        let holder = scope.spawn(|| attack(&one, &json!({ "attack": "hold-lease", "then": "gate" })));
        until_held(&one, "key");
        assert_eq!(told(&other, &json!({ "attack": "wait-for-lease", "ms": 0 })), json!({ "filled": true }));
        open_the_gate(&one);
        assert_eq!(holder.join().unwrap().status, 200);
    });
    assert_eq!(
        told(&one, &json!({ "attack": "wait-for-lease" })),
        json!({ "filled": true }),
        "the other's fill is its own"
    );
}
