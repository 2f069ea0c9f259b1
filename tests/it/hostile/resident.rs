//! What attacks leave in the host's memory: the real binary, in a process of its own, attacked in every way; after each
//! attack it is back within bounds, its neighbour is served, and the bill of the attack is there.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::harness::h2::{self, Http2};
use crate::harness::{Desk, Raw, Served, Tenant, agents, eventually};

/// What the host may hold above what it held before the attacks, once an attack is over. Of four calls
/// at once, four slots of 4 MiB stay warm.
const BOUND: u64 = 64 << 20;
/// How many at once.
const AT_ONCE: usize = 4;

/// Every attack of the hostile guest that ends by itself or by a limit, and how: a code, or nothing where it is answered.
fn guests() -> Vec<(Value, &'static [&'static str])> {
    const SPENT: &[&str] = &["cpu-exhausted", "fuel-exhausted"];
    vec![
        (json!({ "attack": "spin" }), SPENT),
        (json!({ "attack": "recurse" }), &["agent-trap"]),
        (json!({ "attack": "recurse-calling" }), &["agent-trap", "host-calls-exhausted", "deadline-exceeded"]),
        (json!({ "attack": "panic" }), &["agent-trap"]),
        (json!({ "attack": "exit" }), &["agent-trap"]),
        (json!({ "attack": "half-writes" }), &["agent-trap"]),
        (json!({ "attack": "grow-memory" }), &["memory-exhausted"]),
        (json!({ "attack": "grow-memory-politely" }), &[]),
        (json!({ "attack": "handle-flood" }), &["memory-exhausted"]),
        (json!({ "attack": "huge-result", "bytes": 20 << 20 }), &["response-too-large"]),
        (json!({ "attack": "huge-error", "bytes": 20 << 20 }), &["response-too-large"]),
        (json!({ "attack": "huge-metadata", "count": 100_000 }), &["response-too-large", "invalid-response"]),
        (json!({ "attack": "huge-argument", "bytes": 20 << 20 }), &["host-bytes-exhausted"]),
        (json!({ "attack": "huge-list", "count": 100_000 }), &["host-bytes-exhausted"]),
        (json!({ "attack": "huge-commit" }), &["host-bytes-exhausted", "memory-exhausted"]),
        (json!({ "attack": "log-flood", "count": 4_000 }), &[]),
        (json!({ "attack": "stdout-flood", "count": 4_000 }), &[]),
        (json!({ "attack": "stderr-flood", "count": 4_000 }), &[]),
        (json!({ "attack": "stdout-empty-writes" }), SPENT),
        (json!({ "attack": "host-call-flood" }), &["host-calls-exhausted"]),
        (json!({ "attack": "host-bytes-flood" }), &["host-bytes-exhausted", "deadline-exceeded"]),
        (json!({ "attack": "list-flood" }), &["host-bytes-exhausted", "deadline-exceeded", "agent-error"]),
        (json!({ "attack": "commit-flood" }), &["host-calls-exhausted", "deadline-exceeded", "cpu-exhausted"]),
        (json!({ "attack": "storage-flood" }), &[]),
        (json!({ "attack": "cache-flood", "bytes": 10_000, "count": 500 }), &[]),
        (json!({ "attack": "cache-huge" }), &[]),
        (json!({ "attack": "hoard-leases" }), &[]),
        (json!({ "attack": "wait-for-lease", "key": "idle" }), &[]),
        (json!({ "attack": "forged-lease" }), &["agent-trap"]),
        (json!({ "attack": "forged-ids" }), &[]),
        (json!({ "attack": "random", "bytes": 1 << 30 }), &["agent-trap"]),
        (json!({ "attack": "garbage-output" }), &["invalid-response"]),
        (json!({ "attack": "sleep" }), &["deadline-exceeded"]),
    ]
}

/// The bytes of a process that are in memory.
fn resident(served: &Served) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", served.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Attacks, and looks at how that ended and what it cost.
fn attack(attacker: &Tenant, request: &Value, codes: &[&str]) {
    let reply = attacker.invoke("hostile", &request.to_string());
    if reply.status == 200 {
        assert!(codes.is_empty() || codes.contains(&"agent-error"), "{request}: {}", reply.text());
    } else {
        assert!(codes.contains(&reply.code().as_str()), "{request}: {}", reply.text());
    }
    assert!(reply.bill("fuel") > 0 && reply.bill("wall-us") > 0, "{request}: {}", reply.header("insula-bill"));
}

struct Stage {
    _desk: Desk,
    served: Served,
    attacker: Tenant,
    neighbour: Tenant,
}

impl Stage {
    fn start() -> Self {
        let desk = Desk::new();
        let served = Served::start(&desk, &desk.path("data"));
        let operator = served.operator.clone().unwrap();
        let attacker = served.tenant(&operator, "attacker");
        let limits = json!({ "limits": {
            "cpu-us": 600_000, "wall-us": 6_000_000, "memory-bytes": 64 << 20, "host-calls": 5_000,
            "host-bytes": 16 << 20, "log-bytes": 16 << 10, "response-bytes": 1 << 20, "value-bytes": 256 << 10,
            "storage-bytes": 1 << 20, "storage-keys": 1_000, "cache-bytes": 1 << 20, "concurrency": 64,
        } });
        let patched = served.operate(&operator, "PATCH", &format!("/v1/tenants/{}", attacker.id), Some(&limits));
        assert_eq!(patched.status, 200, "{}", patched.text());
        attacker.deploy("hostile", agents::hostile());
        let neighbour = served.tenant(&operator, "neighbour");
        neighbour.deploy("echo", &agents::text("echo"));
        Self { _desk: desk, served, attacker, neighbour }
    }

    /// Back within bounds, and serving others.
    fn assert_recovers(&self, before: u64, attack: &str) -> u64 {
        assert_eq!(self.neighbour.invoke("echo", "still here").text(), "still here", "{attack}");
        eventually(&format!("the host's memory after {attack} is within {BOUND} bytes of {before}"), || {
            let now = resident(&self.served);
            (now <= before + BOUND).then_some(now)
        })
    }
}

#[test]
fn after_every_attack_of_a_guest_the_hosts_memory_is_back_within_bounds() {
    let stage = Stage::start();
    for (request, codes) in &guests() {
        attack(&stage.attacker, request, codes);
    }
    let before = resident(&stage.served);
    let (mut most, attacker) = (before, &stage.attacker);
    for (request, codes) in &guests() {
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| attack(attacker, request, codes));
            }
        });
        most = most.max(stage.assert_recovers(before, &request.to_string()));
    }
    println!("resident before {} KiB, at most {} KiB after an attack", before >> 10, most >> 10);
}

type Flood = fn(SocketAddr, &Tenant);

/// What does not come through a guest.
const FLOODS: [(&str, Flood); 7] = [
    ("rapid reset", |address, tenant| {
        let mut connection = Http2::connect(address);
        let head = h2::head("POST", "/v1/agents/hostile/invoke", &tenant.key, &[]);
        let mut stream = 1;
        while stream < 40_000 {
            let request = [
                h2::frame(h2::HEADERS, h2::END_HEADERS, stream, &head),
                h2::frame(h2::RESET, 0, stream, &8_u32.to_be_bytes()),
            ];
            if !connection.send(&request.concat()) {
                break;
            }
            stream += 2;
        }
    }),
    ("continuations without end", |address, _| {
        let mut connection = Http2::connect(address);
        connection.frame(h2::HEADERS, 0, 1, &h2::head("GET", "/", "k", &[]));
        let piece = h2::field("x", &"y".repeat(16_000));
        let mut sent = 0;
        while sent < 10_000 && connection.frame(h2::CONTINUATION, 0, 1, &piece) {
            sent += 1;
        }
    }),
    ("answers without room", |address, tenant| {
        let mut connection = Http2::connect_with(address, &[(4, 0)]);
        for number in 0..100 {
            connection.request(2 * number + 1, "GET", "/v1/limits", &tenant.key, None);
        }
    }),
    ("a head without end", |address, _| {
        let mut raw = Raw::connect(address);
        raw.send("GET /v1/agents HTTP/1.1\r\n");
        for _ in 0..1_000 {
            raw.send(format!("x: {}\r\n", "y".repeat(10 << 10)));
        }
    }),
    ("bodies that stand still", |address, tenant| {
        let halves: Vec<Raw> = (0..30)
            .map(|_| {
                let mut raw = Raw::connect(address);
                raw.head("PUT", "/v1/storage/b/k", &tenant.key, &["content-length: 200000"]);
                raw.send("x".repeat(150_000));
                raw
            })
            .collect();
        drop(halves);
    }),
    ("uploads of nonsense", |_, tenant| {
        for size in [1 << 20, 8 << 20] {
            let nonsense = [&b"\0asm\x0d\0\x01\0"[..], &vec![0xff; size]].concat();
            assert!((400..500).contains(&tenant.upload("nonsense", &nonsense).status));
        }
    }),
    ("connections that are held", |address, _| {
        let held: Vec<Raw> = (0..40).map(|_| Raw::connect(address)).collect();
        drop(held);
    }),
];

#[test]
fn after_every_flood_from_outside_the_hosts_memory_is_back_within_bounds() {
    let stage = Stage::start();
    let address = stage.served.address;
    for (_, flood) in FLOODS {
        flood(address, &stage.attacker);
    }
    let before = resident(&stage.served);
    let (mut most, attacker) = (before, &stage.attacker);
    for (name, flood) in FLOODS {
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| flood(address, attacker));
            }
            assert_eq!(stage.neighbour.invoke("echo", "meanwhile").text(), "meanwhile", "{name}");
        });
        most = most.max(stage.assert_recovers(before, name));
    }
    println!("resident before {} KiB, at most {} KiB after a flood", before >> 10, most >> 10);
}
