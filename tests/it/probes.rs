//! The limits that are tried at start, as operators see them: all of them on a sound host, and a host on which one does not
//! bite.

use std::time::Duration;

use insula_runtime::{EngineSettings, HostSettings};
use serde_json::Value;

use crate::harness::{Host, agents, send_to};

/// Every limit that is tried.
const LIMITS: [&str; 14] = [
    "fuel",
    "cpu",
    "epoch",
    "deadline",
    "stack",
    "memory",
    "table",
    "handles",
    "resources",
    "lift",
    "host-calls",
    "host-bytes",
    "output",
    "response",
];

fn checks(host: &Host) -> (u16, Vec<Value>) {
    let reply = send_to(host.admin, "GET", "/readyz", None, &[], None);
    (reply.status, reply.json()["checks"].as_array().unwrap().clone())
}

fn red(checks: &[Value]) -> Vec<&str> {
    let failed = checks.iter().filter(|check| check["passed"] == false);
    failed.map(|check| check["name"].as_str().unwrap()).collect()
}

#[test]
fn a_sound_host_has_tried_every_limit() {
    let (status, checks) = checks(Host::shared());
    assert_eq!((status, red(&checks)), (200, vec![]), "{checks:#?}");
    for limit in LIMITS {
        assert!(checks.iter().any(|check| check["name"] == limit), "{limit} was not tried: {checks:#?}");
    }
}

#[test]
fn a_host_on_which_a_limit_does_not_bite_says_which_and_calls_nobody() {
    // Its epoch would advance in an hour: no guest that computes would be interrupted before that.
    let engine = EngineSettings { instances: 8, tick: Duration::from_secs(3_600), ..EngineSettings::standard() };
    let host = Host::start_on(engine, HostSettings::standard(), |standard| standard);
    let (status, checks) = checks(&host);
    assert_eq!((status, red(&checks)), (503, vec!["cpu", "epoch"]), "{checks:#?}");
    for tenant in [host.tenant("one"), host.tenant("other")] {
        tenant.deploy("echo", &agents::text("echo"));
        let refused = tenant.invoke("echo", "hello");
        assert_eq!((refused.status, refused.code().as_str()), (503, "unavailable"), "{}", refused.text());
        assert!(refused.nothing_ran(), "{}", refused.header("insula-bill"));
        // What is the tenant's stays within its reach.
        assert_eq!(tenant.get("/v1/agents").status, 200);
    }
}
