//! Calls that are given up: their future is dropped at every turn on the way through the host, and wherever the guest then
//! is. Afterwards nothing is held, nothing is half done, and what ran is billed.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use insula_runtime::tenancy::{Credential, Invoke};
use insula_runtime::{AgentName, Call, HostSettings, Invocation, InvokeError};
use serde_json::{Value, json};

use crate::harness::{Bystander, Host, Tenant, agents, eventually};

/// How far calls are let go on before they are dropped, in steps that grow.
const TURNS: usize = 24;

/// Polls a call again and again, and drops it as soon as it is enough. An answer that came first is returned.
fn give_up(
    host: &Host,
    tenant: &Tenant,
    request: &Value,
    mut is_enough: impl FnMut(usize) -> bool,
) -> Option<Result<Invocation, InvokeError>> {
    let agent: AgentName = "hostile".parse().unwrap();
    let call = Call {
        body: request.to_string().into(),
        content_type: "application/json".to_owned(),
        metadata: Vec::new(),
        idempotency_key: None,
    };
    let runtime = host.runtime.clone();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let scope = runtime.login(&tenant.key.parse::<Credential>().unwrap()).await.unwrap();
        let permit = scope.permit::<Invoke>().unwrap();
        let mut call = pin!(runtime.invoke(&permit, &agent, call));
        let mut turn = 0;
        loop {
            let polled = poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
            if let Poll::Ready(answer) = polled {
                return Some(answer);
            }
            if is_enough(turn) {
                return None;
            }
            turn += 1;
            tokio::task::yield_now().await;
        }
    })
}

fn until_nothing_is_in_flight(host: &Host) {
    eventually("every call has left the host", || (host.in_flight() == 0).then_some(()));
}

/// Calls that were billed, and how many of them failed.
fn billed(tenant: &Tenant) -> (u64, u64) {
    let usage = tenant.get("/v1/usage").json();
    let rows = usage["usage"].as_array().unwrap().clone();
    let sum = |name: &str| rows.iter().map(|row| row[name].as_u64().unwrap()).sum();
    (sum("calls"), sum("failures"))
}

/// The versions of all keys of a bucket, as of one instant: those of one commit follow each other.
fn versions(tenant: &Tenant, bucket: &str) -> Vec<u64> {
    let listed = tenant.get(&format!("/v1/storage/{bucket}?limit=1000")).json();
    listed["entries"].as_array().unwrap().iter().map(|entry| entry["version"].as_u64().unwrap()).collect()
}

/// The attacker, its neighbour, and the bystander, on a host of their own: what is in flight is theirs alone.
fn settle(name: &str) -> (Host, Tenant, Tenant, Bystander) {
    let host = Host::start(HostSettings::standard());
    let limits = json!({ "cpu-us": 60_000_000, "wall-us": 600_000_000, "fuel": 10_000_000_000_000_u64 });
    let (ours, neighbour) = (host.tenant_with(name, &limits), host.tenant("neighbour"));
    ours.deploy("hostile", agents::hostile());
    neighbour.deploy("echo", &agents::text("echo"));
    assert_eq!(ours.invoke("hostile", "bystander").status, 200);
    let bystander = Bystander::settle(host.tenant("bystander"));
    (host, ours, neighbour, bystander)
}

#[test]
fn a_call_that_is_dropped_at_any_turn_holds_nothing_and_halves_nothing() {
    let (host, ours, neighbour, bystander) = settle("fickle");
    let mut completed = 0;
    for turns in 0..TURNS {
        let requests = [
            json!({ "attack": "huge-commit", "count": 6, "bytes": turns + 1 }),
            json!({ "attack": "hold-lease", "then": "spin" }),
            json!({ "attack": "wait-for-lease", "key": "other" }),
            json!({ "attack": "log-flood", "count": 1_000 }),
            json!({ "attack": "sleep" }),
            json!({ "attack": "spin" }),
        ];
        for request in requests {
            // Each turn further on: from the first wait of the host to somewhere within the guest.
            let answered = give_up(&host, &ours, &request, |turn| turn >= turns * turns);
            completed += u64::from(answered.is_some());
        }
        until_nothing_is_in_flight(&host);
        let versions = versions(&ours, "huge-commit");
        assert!(versions.is_empty() || versions.len() == 6, "half of a commit: {versions:?}");
        let one_commit = versions.windows(2).all(|pair| pair[0] + 1 == pair[1]);
        assert!(one_commit, "halves of two commits: {versions:?}");
        let heir = ours.invoke("hostile", &json!({ "attack": "wait-for-lease", "ms": 0 }).to_string()).json();
        assert!(heir == json!({ "filled": true }) || heir == json!({ "hit": "made" }), "a lease was lost: {heir}");
        assert_eq!(ours.send("DELETE", "/v1/cache/leases", &[], None).status, 204);
        assert_eq!(neighbour.invoke("echo", "still here").text(), "still here");
    }
    let (calls, failures) = billed(&ours);
    let turns = TURNS as u64;
    assert!(calls > completed + turns && calls <= 1 + turns + 6 * turns, "{calls} of {completed}");
    assert!(failures > 0, "what was given up is billed as a failure");
    bystander.assert_untouched();
}

#[test]
fn a_call_that_is_dropped_where_its_guest_is_stops_there_and_is_billed() {
    let (host, ours, neighbour, bystander) = settle("leaver");
    let places = [
        ("within the guest, that spins", json!({ "attack": "half-writes", "then": "spin", "message": "whole" })),
        ("within a sleep", json!({ "attack": "half-writes", "then": "sleep", "message": "whole" })),
        ("with a lease", json!({ "attack": "hold-lease", "then": "sleep" })),
        ("with a lease, spinning", json!({ "attack": "hold-lease", "then": "spin" })),
    ];
    let seen = |path: &str| ours.get(path).status == 200;
    for (number, (place, request)) in (1..).zip(&places) {
        let sign =
            if request["attack"] == "hold-lease" { "/v1/storage/leases/key" } else { "/v1/storage/half-writes/a" };
        let answered = give_up(&host, &ours, request, |_| seen(sign));
        assert!(answered.is_none(), "{place}: {answered:?}");
        until_nothing_is_in_flight(&host);
        // The budget of processor time is a minute: it was stopped long before.
        assert_eq!(billed(&ours), (1 + number, number), "{place}");
        assert_eq!(ours.get("/v1/storage/half-writes/b").status, 404, "{place}: it went on");
        assert_eq!(ours.send("DELETE", sign, &[], None).status, 204);
    }
    let heir = ours.invoke("hostile", &json!({ "attack": "wait-for-lease", "ms": 0 }).to_string()).json();
    assert_eq!(heir, json!({ "filled": true }));
    assert_eq!(neighbour.invoke("echo", "still here").text(), "still here");
    bystander.assert_untouched();
}

#[test]
fn who_is_dropped_while_waiting_for_a_value_takes_none_from_the_others() {
    let (host, ours, neighbour, bystander) = settle("waiter");
    let wait = json!({ "attack": "wait-for-lease" });
    let hold = json!({ "attack": "hold-lease", "then": "gate" }).to_string();
    std::thread::scope(|scope| {
        let holder = scope.spawn(|| ours.invoke("hostile", &hold));
        eventually("the lease is held", || (ours.get("/v1/storage/leases/key").text() == "held").then_some(()));
        let waits = || ours.get("/v1/cache").json()["waits"].as_u64().unwrap();
        for _ in 0..8 {
            let before = waits();
            assert!(give_up(&host, &ours, &wait, |_| waits() > before).is_none());
        }
        eventually("those who were dropped have left", || (host.in_flight() == 1).then_some(()));
        assert!(ours.send("PUT", "/v1/storage/leases/gate", &[], Some(b"open")).status < 300);
        assert_eq!(holder.join().unwrap().status, 200);
    });
    let heir = ours.invoke("hostile", &wait.to_string()).json();
    assert_eq!(heir, json!({ "filled": true }), "the lease is free");
    assert_eq!(neighbour.invoke("echo", "still here").text(), "still here");
    bystander.assert_untouched();
}
