//! Requests that a proxy in front could read in another way than this host: refused, or read in the one safe way, and the
//! connection is closed behind them.

use super::assert_refused;
use super::wire::{INVOKE, echoing};
use crate::harness::{Host, Raw};

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
fn a_body_whose_chunks_are_ambiguous_is_refused_and_the_connection_closed() {
    let host = Host::shared();
    let (ours, theirs) = (echoing(host, "ours"), echoing(host, "theirs"));
    let smuggled =
        format!("DELETE {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", "/v1/agents/echo", theirs.key);
    let chunks = [
        "ffffffffffffffff1\r\nx\r\n0\r\n\r\n",
        "10000000000000000\r\nx\r\n0\r\n\r\n",
        "-1\r\nx\r\n0\r\n\r\n",
        "0x1\r\nx\r\n0\r\n\r\n",
        "+1\r\nx\r\n0\r\n\r\n",
        " 1\r\nx\r\n0\r\n\r\n",
        "\r\n1\r\nx\r\n0\r\n\r\n",
        "1\nx\n0\n\n",
        "1\r\nxy\r\n0\r\n\r\n",
        "1;a\nb\r\nx\r\n0\r\n\r\n",
    ];
    for chunks in chunks {
        let mut raw = Raw::connect(host.address);
        raw.head("POST", INVOKE, &ours.key, &["transfer-encoding: chunked"]).send(chunks).send(&smuggled);
        let reply = raw.answer();
        assert_refused(&reply, 400, "incomplete-body");
        assert!(raw.ended(), "{chunks:?}");
    }
    // An extension without end is no way of sending for nothing.
    let mut raw = Raw::connect(host.address);
    raw.head("POST", INVOKE, &ours.key, &["transfer-encoding: chunked"]).send("1;");
    raw.send("a".repeat(1 << 20)).send("\r\nx\r\n0\r\n\r\n");
    assert_refused(&raw.answer(), 400, "incomplete-body");
    assert_eq!(theirs.invoke("echo", "still here").text(), "still here");
}

#[test]
fn who_is_meant_is_what_the_key_says_in_every_form_of_target() {
    let host = Host::shared();
    let (ours, theirs) = (echoing(host, "ours"), echoing(host, "theirs"));
    // The absolute form names a host of its own; there is one host here, whatever it is called.
    let mut raw = Raw::connect(host.address);
    raw.head("GET", "http://elsewhere.example/v1/limits", &ours.key, &[]);
    let reply = raw.answer();
    assert_eq!((reply.status, reply.header("insula-tenant")), (200, ours.id.as_str()));
    for target in ["*", "elsewhere.example:80", "/v1/../v1/limits", "/v1/%2e%2e/limits", "//v1/limits", "/v1/limits/"] {
        let mut raw = Raw::connect(host.address);
        let reply = raw.head("GET", target, &ours.key, &[]).answer();
        assert!((400..500).contains(&reply.status), "{target}: {reply:?}");
    }
    let mut raw = Raw::connect(host.address);
    assert!((400..500).contains(&raw.head("CONNECT", "elsewhere.example:80", &ours.key, &[]).answer().status));
    // Lines that end without a carriage return are lines (RFC 9112, 2.2), for the head as a whole and not for a part.
    let mut raw = Raw::connect(host.address);
    raw.send(format!("GET /v1/limits HTTP/1.1\nhost: x\nauthorization: Bearer {}\n\n", ours.key));
    let reply = raw.answer();
    assert!(reply.status == 400 || reply.header("insula-tenant") == ours.id, "{reply:?}");
    // Two keys are none.
    let mut raw = Raw::connect(host.address);
    let second = format!("authorization: Bearer {}", theirs.key);
    let reply = raw.head("GET", "/v1/limits", &ours.key, &[&second]).answer();
    assert!(reply.status == 400 || reply.status == 401, "{reply:?}");
}
