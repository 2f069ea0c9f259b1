//! Connections: many that lie idle, more than an address may have, clients that go away, and a host that is told to stop.

use std::time::Duration;

use insula_runtime::HostSettings;
use insula_server::ServerSettings;
use serde_json::json;

use super::assert_refused;
use super::wire::{INVOKE, echoing};
use crate::harness::{Host, Raw, Tenant, agents, eventually};

/// Lets this process open so many files, as far as the system does.
fn allow_files(count: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < count) {
        let current = Some(limit.maximum.map_or(count, |most| most.min(count)));
        setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
    }
}

#[test]
fn a_thousand_idle_connections_do_not_stop_a_neighbour() {
    const IDLE: usize = 1_000;
    allow_files(4 * IDLE as u64);
    let host = Host::start_with(HostSettings::standard(), |standard| ServerSettings {
        connections: IDLE + 24,
        connections_per_address: IDLE + 24,
        idle_timeout: Duration::from_secs(600),
        ..standard
    });
    let (idler, neighbour) = (echoing(&host, "idler"), echoing(&host, "neighbour"));
    let ask = |raw: &mut Raw| raw.head("GET", "/v1/limits", &idler.key, &[]).answer().status;
    let mut idle = Vec::new();
    for _ in 0..IDLE {
        let mut raw = Raw::connect(host.address);
        assert_eq!(ask(&mut raw), 200);
        idle.push(raw);
    }
    for number in 0..20 {
        let mut raw = Raw::connect(host.address);
        let body = format!("{number:04}");
        raw.head("POST", INVOKE, &neighbour.key, &["content-length: 4"]).send(&body);
        assert_eq!(raw.answer().text(), body);
    }
    // And they are still good for a request each.
    for raw in &mut idle {
        assert_eq!(ask(raw), 200);
    }
}

#[test]
fn an_address_gets_its_share_of_connections_and_each_one_back_when_it_ends() {
    let host = Host::start_with(HostSettings::standard(), |standard| ServerSettings {
        connections_per_address: 3,
        // What is over the share is closed at once, and silence is not what closes it.
        header_timeout: Duration::from_secs(600),
        ..standard
    });
    let (ours, theirs) = (host.tenant("ours"), host.tenant("theirs"));
    let ask = |raw: &mut Raw, tenant: &Tenant| {
        raw.head("GET", "/v1/limits", &tenant.key, &[]);
        raw.reply().map(|reply| reply.status)
    };
    let mut held: Vec<Raw> = (0..3).map(|_| Raw::connect(host.address)).collect();
    for raw in &mut held {
        assert_eq!(ask(raw, &ours), Some(200));
    }
    assert!(Raw::connect(host.address).ended(), "a fourth was let in");
    // The operators' listener has shares of its own.
    assert_eq!(host.operate("GET", "/v1/tenants", None).status, 200);
    held.pop();
    eventually("the place is free again", || {
        ask(&mut Raw::connect(host.address), &theirs).filter(|status| *status == 200)
    });
    for raw in &mut held {
        assert_eq!(ask(raw, &ours), Some(200));
    }
}

#[test]
fn a_client_that_goes_away_frees_its_slot() {
    let host = Host::start(HostSettings::standard());
    // The deadline is far away: what frees the slot is that no one waits for the answer.
    let limits = json!({ "concurrency": 1, "wall-us": 600_000_000 });
    let (ours, neighbour) = (host.tenant_with("ours", &limits), echoing(&host, "neighbour"));
    ours.deploy("hostile", agents::hostile());
    let sleep = r#"{"attack":"sleep"}"#;
    let mut raw = Raw::connect(host.address);
    let length = format!("content-length: {}", sleep.len());
    raw.head("POST", "/v1/agents/hostile/invoke", &ours.key, &[&length]).send(sleep);
    eventually("the call is in the host", || (host.in_flight() == 1).then_some(()));
    let busy = ours.invoke("hostile", "bystander");
    assert_refused(&busy, 429, "tenant-busy");
    assert_eq!((busy.json()["limit"].as_u64(), busy.header("retry-after")), (Some(1), "1"));
    assert_eq!(neighbour.invoke("echo", "hello").text(), "hello");
    drop(raw);
    eventually("the slot is free", || (host.in_flight() == 0).then_some(()));
    assert_eq!(ours.invoke("hostile", "bystander").text(), "still here");
}

#[test]
fn a_client_that_goes_away_stops_a_call_that_computes() {
    let host = Host::start(HostSettings::standard());
    // Minutes of processor time are left: what ends it is that no one waits for the answer.
    let limits = json!({ "cpu-us": 300_000_000, "wall-us": 600_000_000, "fuel": 10_000_000_000_000_u64 });
    let (ours, neighbour) = (host.tenant_with("ours", &limits), echoing(&host, "neighbour"));
    ours.deploy("hostile", agents::hostile());
    for ends in ["by its end", "by sending no more"] {
        let mut raw = Raw::connect(host.address);
        raw.head("POST", "/v1/agents/hostile/invoke", &ours.key, &["content-length: 4"]).send("spin");
        eventually("the call is in the host", || (host.in_flight() == 1).then_some(()));
        if ends == "by its end" {
            drop(raw);
        } else {
            raw.finish();
        }
        eventually("the call is over", || (host.in_flight() == 0).then_some(()));
        assert_eq!(neighbour.invoke("echo", "hello").text(), "hello", "{ends}");
    }
    let usage = ours.get("/v1/usage").json();
    assert_eq!((usage["usage"][0]["calls"].as_u64(), usage["usage"][0]["failures"].as_u64()), (Some(2), Some(2)));
}

#[test]
fn a_host_that_is_told_to_stop_answers_the_calls_in_flight() {
    let mut host = Host::start(HostSettings::standard());
    let (ours, theirs) = (host.tenant("ours"), host.tenant("theirs"));
    let length = |body: &str| format!("content-length: {}", body.len());
    let sleep = r#"{"attack":"sleep-short","ms":5000}"#;
    for tenant in [&ours, &theirs] {
        tenant.deploy("hostile", agents::hostile());
    }
    let mut calls = Vec::new();
    for tenant in [&ours, &theirs] {
        let mut raw = Raw::connect(host.address);
        raw.head("POST", "/v1/agents/hostile/invoke", &tenant.key, &[&length(sleep)]).send(sleep);
        calls.push((raw, tenant));
    }
    let mut idle = Raw::connect(host.address);
    assert_eq!(idle.head("GET", "/v1/limits", &ours.key, &[]).answer().status, 200);
    eventually("both calls are in the host", || (host.in_flight() == 2).then_some(()));
    host.tell_to_stop();
    assert!(idle.ended(), "an idle connection is closed at once");
    eventually("no one new is let in", || std::net::TcpStream::connect(host.address).is_err().then_some(()));
    for (raw, tenant) in &mut calls {
        let reply = raw.answer();
        assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"slept-ms":5000}"#));
        assert_eq!(reply.header("insula-tenant"), tenant.id);
        assert!(raw.ended(), "the connection is closed behind the answer");
    }
}
