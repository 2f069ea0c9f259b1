//! The wire: requests that are too large, too slow, cut short or ambiguous, and clients that go away.

use std::sync::OnceLock;
use std::time::Duration;

use insula_runtime::HostSettings;
use insula_server::ServerSettings;
use serde_json::json;

use super::assert_refused;
use crate::harness::{Bystander, Host, Raw, Tenant, agents, eventually};

const INVOKE: &str = "/v1/agents/echo/invoke";

/// A host that is impatient with slow clients, so that the tests need not be patient.
fn brisk() -> &'static Host {
    static BRISK: OnceLock<Host> = OnceLock::new();
    BRISK.get_or_init(|| {
        Host::start_with(HostSettings::standard(), |standard| ServerSettings {
            header_timeout: Duration::from_secs(2),
            body_idle_timeout: Duration::from_secs(1),
            body_deadline: Duration::from_secs(3),
            ..standard
        })
    })
}

fn echoing(host: &Host, name: &str) -> Tenant {
    let tenant = host.tenant(name);
    tenant.deploy("echo", &agents::text("echo"));
    tenant
}

/// Calls that are in the host.
fn in_flight(host: &Host) -> u64 {
    let metrics = host.operate("GET", "/metrics", None).text();
    let line = metrics.lines().find_map(|line| line.strip_prefix("insula_calls_in_flight "));
    line.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
}

#[test]
fn a_body_over_the_limit_is_refused_by_what_it_declares_and_by_what_it_is() {
    let host = Host::shared();
    let (small, neighbour) =
        (host.tenant_with("small", &json!({ "request-bytes": 1_000 })), echoing(host, "neighbour"));
    small.deploy("echo", &agents::text("echo"));
    assert_eq!(small.invoke("echo", &"x".repeat(1_000)).body.len(), 1_000);
    assert_refused(&small.invoke("echo", &"x".repeat(1_001)), 413, "request-too-large");
    assert_eq!(neighbour.invoke("echo", &"x".repeat(1_001)).status, 200);

    // By what it declares: nothing of it is waited for, and nobody is asked to send it.
    for headers in [&["content-length: 1001"][..], &["content-length: 1001", "expect: 100-continue"]] {
        let mut raw = Raw::connect(host.address);
        let refused = raw.head("POST", INVOKE, &small.key, headers).answer();
        assert_refused(&refused, 413, "request-too-large");
        assert_eq!(refused.json()["limit"], 1_000);
        assert!(raw.ended());
    }
    // By what it is: cut where it goes over, and not read to an end that may never come.
    let mut raw = Raw::connect(host.address);
    raw.head("POST", INVOKE, &small.key, &["transfer-encoding: chunked"]);
    for _ in 0..5 {
        raw.send(format!("c8\r\n{}\r\n", "x".repeat(200)));
    }
    raw.send("1\r\nx\r\n");
    assert_refused(&raw.answer(), 413, "request-too-large");
    assert!(raw.ended());
}

#[test]
fn a_chunked_body_is_as_good_as_any() {
    let host = Host::shared();
    let (ours, theirs) = (echoing(host, "ours"), echoing(host, "theirs"));
    for tenant in [&ours, &theirs] {
        let mut raw = Raw::connect(host.address);
        raw.head("POST", INVOKE, &tenant.key, &["transfer-encoding: chunked", "content-type: text/x"]);
        raw.send("5\r\nhello\r\n").send("7;extension=1\r\n, world\r\n").send("0\r\ntrailer: x\r\n\r\n");
        let reply = raw.answer();
        assert_eq!((reply.status, reply.text().as_str()), (200, "hello, world"));
        assert_eq!(reply.header("content-type"), "text/x");
        assert_eq!(reply.header("insula-tenant"), tenant.id);
    }
}

#[test]
fn one_connection_serves_many_requests_in_their_order() {
    let host = Host::shared();
    let (ours, theirs) = (echoing(host, "ours"), echoing(host, "theirs"));
    let mut raw = Raw::connect(host.address);
    for number in 0..3 {
        let body = format!("request {number}");
        raw.head("POST", INVOKE, &ours.key, &[&format!("content-length: {}", body.len())]).send(&body);
        assert_eq!(raw.answer().text(), body);
    }
    // All at once, and of two tenants: whose request it is depends on its own key and on nothing before it.
    let tenants = [&ours, &theirs, &theirs, &ours];
    for (number, tenant) in tenants.iter().enumerate() {
        raw.head("POST", INVOKE, &tenant.key, &["content-length: 1"]).send(number.to_string());
    }
    for (number, tenant) in tenants.iter().enumerate() {
        let reply = raw.answer();
        assert_eq!((reply.text(), reply.header("insula-tenant")), (number.to_string(), tenant.id.as_str()));
    }
    // A refusal in between is an answer like any other.
    raw.head("GET", "/v1/agents", "isk_nonsense", &[]).head("GET", "/v1/usage", &theirs.key, &["connection: close"]);
    assert_refused(&raw.answer(), 401, "unauthenticated");
    let last = raw.answer();
    assert_eq!((last.status, last.header("insula-tenant")), (200, theirs.id.as_str()));
    assert!(raw.ended());
}

#[test]
fn a_head_that_never_ends_is_cut_and_so_is_a_client_that_says_nothing() {
    let host = brisk();
    let (ours, bystander) = (echoing(host, "ours"), Bystander::settle(host.tenant("bystander")));
    let mut silent = Raw::connect(host.address);
    let mut slow = Raw::connect(host.address);
    slow.send("GET /v1/agents HTTP/1.1\r\nhost: x\r\n");
    let mut second = Raw::connect(host.address);
    second.head("GET", "/v1/agents", &ours.key, &[]);
    assert_eq!(second.answer().status, 200);
    second.send("GET /v1/age");
    // Meanwhile everyone else is served.
    assert_eq!(ours.invoke("echo", "hello").text(), "hello");
    for raw in [&mut silent, &mut slow, &mut second] {
        assert!(raw.ended());
    }
    bystander.assert_untouched();
}

#[test]
fn a_body_that_stands_still_or_drips_is_given_up() {
    let host = brisk();
    let (ours, bystander) = (echoing(host, "ours"), Bystander::settle(host.tenant("bystander")));
    let mut still = Raw::connect(host.address);
    still.head("POST", INVOKE, &ours.key, &["content-length: 10"]).send("half.");
    let mut value = Raw::connect(host.address);
    value.head("PUT", "/v1/storage/b/half", &ours.key, &["content-length: 10"]).send("half.");
    let mut upload = Raw::connect(host.address);
    upload
        .head("PUT", "/v1/agents/half", &ours.key, &["content-type: application/wasm", "content-length: 10"])
        .send("\0asm");
    for raw in [&mut still, &mut value, &mut upload] {
        let reply = raw.answer();
        assert_refused(&reply, 408, "request-timeout");
        let bill = reply.header("insula-bill");
        assert!(bill.is_empty() || bill.starts_with("fuel=0, cpu-us=0, wall-us=0, "), "nothing ran: {bill}");
        assert!(raw.ended());
    }
    // One that always sends a little more is given up as a whole.
    let mut drip = Raw::connect(host.address);
    drip.head("POST", INVOKE, &ours.key, &["content-length: 1000000"]);
    assert_refused(&drip.drip(), 408, "request-timeout");

    assert_refused(&ours.get("/v1/storage/b/half"), 404, "not-found");
    assert_refused(&ours.get("/v1/agents/half"), 404, "not-found");
    assert_eq!(ours.invoke("echo", "hello").text(), "hello");
    bystander.assert_untouched();
}

#[test]
fn a_body_that_breaks_off_is_no_shorter_body() {
    let host = Host::shared();
    let (ours, bystander) = (echoing(host, "ours"), Bystander::settle(host.tenant("bystander")));
    assert_eq!(ours.send("PUT", "/v1/storage/b/kept", &[], Some(b"whole")).status, 201);
    let lengths = [
        ["content-length: 10", "half."],
        ["transfer-encoding: chunked", "5\r\nhalf.\r\n"],
        ["transfer-encoding: chunked", "a\r\nhalf."],
    ];
    for [length, body] in lengths {
        for (method, path) in [("POST", INVOKE), ("PUT", "/v1/storage/b/kept"), ("PUT", "/v1/storage/b/new")] {
            let mut raw = Raw::connect(host.address);
            raw.head(method, path, &ours.key, &[length]).send(body).finish();
            if let Some(reply) = raw.reply() {
                assert_refused(&reply, 400, "incomplete-body");
                assert!(raw.ended());
            }
        }
    }
    assert_eq!(ours.get("/v1/storage/b/kept").text(), "whole");
    assert_refused(&ours.get("/v1/storage/b/new"), 404, "not-found");
    let usage = ours.get("/v1/usage").json();
    assert_eq!((&usage["usage"], &usage["total"]["calls"]), (&json!([]), &json!(0)), "no call ran");
    bystander.assert_untouched();
}

#[test]
fn a_body_of_two_lengths_smuggles_nothing() {
    let host = Host::shared();
    let (ours, theirs) = (echoing(host, "ours"), echoing(host, "theirs"));
    // What a proxy in front, going by the other length, would take for a part of the first request's body.
    let smuggled =
        format!("DELETE {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", "/v1/agents/echo", theirs.key);
    let body = format!("0\r\n\r\n{smuggled}");
    let length = format!("content-length: {}", body.len());
    for headers in [[length.as_str(), "transfer-encoding: chunked"], ["transfer-encoding: chunked", &length]] {
        let mut raw = Raw::connect(host.address);
        let reply = raw.head("POST", INVOKE, &ours.key, &headers).send(&body).answer();
        // RFC 9112, 6.3: refuse it, or go by the encoding and close the connection.
        assert!(reply.status == 400 || (reply.status == 200 && reply.body.is_empty()), "{reply:?}");
        assert!(raw.ended());
    }
    assert_eq!(theirs.invoke("echo", "still here").text(), "still here");
}

#[test]
fn an_ambiguous_head_is_refused_and_the_connection_closed() {
    let host = Host::shared();
    let (ours, theirs) = (echoing(host, "ours"), echoing(host, "theirs"));
    let smuggled =
        format!("DELETE {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", "/v1/agents/echo", theirs.key);
    let cases: [&[&str]; 12] = [
        &["content-length: 0", "content-length: 100"],
        &["content-length: 0, 100"],
        &["content-length: +0"],
        &["content-length: -1"],
        &["content-length: 0x0"],
        &["content-length : 0"],
        &["content-length: 99999999999999999999"],
        &["transfer-encoding: identity"],
        &["transfer-encoding: chunked, gzip"],
        &["x: folded\r\n content-length: 0"],
        &["x: a\rcontent-length: 0"],
        &["x: a\0b"],
    ];
    for headers in cases {
        let mut raw = Raw::connect(host.address);
        let reply = raw.head("POST", INVOKE, &ours.key, headers).send(&smuggled).answer();
        assert_eq!(reply.status, 400, "{headers:?}: {reply:?}");
        assert!(raw.ended(), "{headers:?}");
    }
    let mut raw = Raw::connect(host.address);
    raw.send(format!("POST {INVOKE} HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"));
    assert_eq!(raw.answer().status, 400);
    assert!(raw.ended());
    assert_eq!(theirs.invoke("echo", "still here").text(), "still here");
}

#[test]
fn a_flood_of_headers_is_refused() {
    let host = Host::shared();
    let (ours, bystander) = (echoing(host, "ours"), Bystander::settle(host.tenant("bystander")));
    let many: Vec<String> = (0..1_000).map(|number| format!("x-{number}: y")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let large = format!("x: {}", "y".repeat(100 << 10));
    for headers in [&many[..], &[&large]] {
        let mut raw = Raw::connect(host.address);
        assert_eq!(raw.head("GET", "/v1/agents", &ours.key, headers).answer().status, 431);
        assert!(raw.ended());
    }
    let mut raw = Raw::connect(host.address);
    raw.head("GET", &format!("/{}", "x".repeat(100 << 10)), &ours.key, &[]);
    assert!(matches!(raw.answer().status, 414 | 431));
    // An endless head is cut as well, however fast it comes.
    let mut raw = Raw::connect(host.address);
    raw.send("GET /v1/agents HTTP/1.1\r\n");
    for _ in 0..100 {
        raw.send(format!("x: {}\r\n", "y".repeat(10 << 10)));
    }
    assert_eq!(raw.reply().map_or(431, |reply| reply.status), 431);
    assert_eq!(ours.invoke("echo", "hello").text(), "hello");
    bystander.assert_untouched();
}

#[test]
fn a_hundred_idle_connections_do_not_stop_a_neighbour() {
    let host = brisk();
    let (idler, neighbour) = (echoing(host, "idler"), echoing(host, "neighbour"));
    let ask = |raw: &mut Raw| raw.head("GET", "/v1/limits", &idler.key, &[]).answer().status;
    let mut idle = Vec::new();
    for _ in 0..100 {
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
    eventually("the call is in the host", || (in_flight(&host) == 1).then_some(()));
    let busy = ours.invoke("hostile", "bystander");
    assert_refused(&busy, 429, "tenant-busy");
    assert_eq!((busy.json()["limit"].as_u64(), busy.header("retry-after")), (Some(1), "1"));
    assert_eq!(neighbour.invoke("echo", "hello").text(), "hello");
    drop(raw);
    eventually("the slot is free", || (in_flight(&host) == 0).then_some(()));
    assert_eq!(ours.invoke("hostile", "bystander").text(), "still here");
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
    eventually("both calls are in the host", || (in_flight(&host) == 2).then_some(()));
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
