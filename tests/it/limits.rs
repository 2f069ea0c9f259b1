//! Limits as totals, and host functions that charge before they act (B2).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{Host, agents, wit};

/// One call of each host function, as the `probe` agent takes it. A function without one fails the first test below.
pub(crate) fn calls() -> BTreeMap<&'static str, Value> {
    let calls = [
        ("storage.get", json!({ "bucket": "b", "key": "k" })),
        ("storage.get-many", json!({ "at": [{ "bucket": "b", "key": "k" }] })),
        ("storage.list", json!({ "bucket": "b" })),
        ("storage.buckets", json!({})),
        (
            "storage.commit",
            json!({ "preconditions": [], "writes": [{ "bucket": "b", "key": "commit", "change": { "put": "v" } }] }),
        ),
        ("storage.put", json!({ "bucket": "b", "key": "put", "value": "v" })),
        ("storage.delete", json!({ "bucket": "b", "key": "k" })),
        ("storage.increment", json!({ "bucket": "b", "key": "increment", "delta": 1 })),
        ("cache.get", json!({ "namespace": "n", "key": "k" })),
        ("cache.put", json!({ "namespace": "n", "key": "k", "value": "v" })),
        ("cache.get-or-fill", json!({ "namespace": "n", "key": "k" })),
        ("cache.fill", json!({ "namespace": "n", "key": "fill", "value": "v" })),
        ("cache.delete", json!({ "namespace": "n", "key": "k" })),
        ("cache.clear", json!({ "namespace": "n" })),
        ("cache.stats", json!({})),
        ("log.write", json!({ "level": "info", "message": "m" })),
        ("config.get", json!({ "name": "n" })),
        ("config.all", json!({})),
        ("usage.report", json!({})),
        ("usage.remaining", json!({ "name": "fuel" })),
    ];
    calls
        .into_iter()
        .map(|(name, mut call)| {
            call["call"] = name.into();
            (name, call)
        })
        .collect()
}

/// How many host calls come before the function's own: a lease must be taken before it is filled.
fn earlier_calls(function: &str) -> u64 {
    u64::from(function == "cache.fill")
}

#[test]
fn every_host_function_is_charged_as_one_call() {
    let tenant = Host::shared().tenant("charged");
    tenant.deploy("probe", agents::probe());
    let calls = calls();
    for function in wit::functions() {
        let call = calls.get(function.as_str()).unwrap_or_else(|| panic!("no call for {function}: add one"));
        let reply = tenant.invoke("probe", &call.to_string());
        assert_eq!(reply.status, 200, "{function}: {}", reply.text());
        assert_eq!(reply.bill("host-calls"), 1 + earlier_calls(&function), "{function}");
    }
    assert_eq!(calls.len(), wit::functions().len(), "a call for a function that is not in wit/");
}

#[test]
fn a_host_function_that_is_over_the_budget_does_nothing() {
    let host = Host::shared();
    let (poor, rich) = (host.tenant_with("poor", &json!({ "host-calls": 1 })), host.tenant("rich"));
    for tenant in [&poor, &rich] {
        tenant.deploy("probe", agents::probe());
    }
    for (name, call) in calls() {
        let two = json!({ "calls": [{ "call": "cache.stats" }, call] }).to_string();
        let refused = poor.invoke("probe", &two);
        assert_eq!((refused.status, refused.code().as_str()), (508, "host-calls-exhausted"), "{name}");
        assert_eq!(refused.bill("host-calls"), 2, "{name}");
        assert_eq!(rich.invoke("probe", &two).status, 200, "{name}");
    }
    let left = poor.get("/v1/storage/b").json();
    assert_eq!(left["entries"], json!([]), "a write that was refused was made");
    assert_eq!(rich.get("/v1/storage/b").json()["entries"].as_array().unwrap().len(), 3);
    assert!(!poor.get("/v1/logs").text().contains("\"message\":\"m\""));
}

#[test]
fn a_fill_that_is_over_the_budget_keeps_nothing_and_ends_its_lease() {
    let host = Host::shared();
    let (poor, rich) = (host.tenant_with("poor", &json!({ "host-calls": 1 })), host.tenant("rich"));
    for tenant in [&poor, &rich] {
        tenant.deploy("probe", agents::probe());
    }
    let fill = json!({ "call": "cache.fill", "namespace": "n", "key": "k", "value": "v" });
    let refused = poor.invoke("probe", &fill.to_string());
    assert_eq!((refused.status, refused.code().as_str()), (508, "host-calls-exhausted"));
    let look = json!({ "call": "cache.get-or-fill", "namespace": "n", "key": "k" });
    assert_eq!(poor.probe(&look)["ok"], json!({ "fill": "dropped" }), "a lease of a call that ended is still held");
    assert_eq!(rich.probe(&fill)["ok"], true);
    assert_eq!(rich.probe(&look)["ok"], json!({ "hit": "v" }));
}

#[test]
fn a_limit_that_is_changed_holds_from_the_next_call_on() {
    let host = Host::shared();
    let (tenant, neighbour) = (host.tenant("changed"), host.tenant("unchanged"));
    for tenant in [&tenant, &neighbour] {
        tenant.deploy("probe", agents::probe());
    }
    let two = json!({ "calls": [{ "call": "cache.stats" }, { "call": "cache.stats" }] }).to_string();
    assert_eq!(tenant.invoke("probe", &two).status, 200);
    let patch = json!({ "limits": { "host-calls": 1 } });
    let patched = host.operate("PATCH", &format!("/v1/tenants/{}", tenant.id), Some(&patch));
    assert_eq!(patched.status, 200, "{}", patched.text());
    assert_eq!(tenant.invoke("probe", &two).code(), "host-calls-exhausted");
    assert_eq!(tenant.get("/v1/limits").json()["host-calls"], 1);
    assert_eq!(neighbour.invoke("probe", &two).status, 200);
}

#[test]
fn a_limit_of_zero_and_one_out_of_range_are_refused_by_name() {
    let host = Host::shared();
    let tenant = host.tenant("refused");
    let before = tenant.get("/v1/limits").text();
    for limits in [json!({ "fuel": 0 }), json!({ "fuel": u64::MAX }), json!({ "fool": 1 }), json!({ "fuel": -1 })] {
        let patch = json!({ "limits": limits });
        let reply = host.operate("PATCH", &format!("/v1/tenants/{}", tenant.id), Some(&patch));
        assert_eq!(reply.status, 400, "{limits}: {}", reply.text());
        let told = reply.text();
        assert!(told.contains("fuel") || told.contains("fool") || told.contains("column"), "{told}");
    }
    assert_eq!(tenant.get("/v1/limits").text(), before);
}

#[test]
fn an_agent_can_read_what_is_left_of_its_budget() {
    let tenant = Host::shared().tenant("frugal");
    tenant.deploy("probe", agents::probe());
    let report = tenant.probe(&json!({ "call": "usage.report" }));
    let report = report["ok"].as_array().or(report.as_array()).unwrap_or_else(|| panic!("{report}")).clone();
    let names: Vec<_> = report.iter().map(|allowance| allowance["name"].as_str().unwrap()).collect();
    let expected = [
        "fuel",
        "cpu-us",
        "wall-us",
        "memory-bytes",
        "table-elements",
        "host-calls",
        "host-bytes",
        "storage-read-bytes",
        "storage-write-bytes",
        "cache-traffic-bytes",
        "log-bytes",
    ];
    assert_eq!(names, expected);
    for allowance in &report {
        let (used, limit) = (allowance["used"].as_u64().unwrap(), allowance["limit"].as_u64().unwrap());
        assert!(used <= limit && limit > 0, "{allowance}");
    }
}

#[test]
fn the_same_call_costs_the_same_fuel() {
    let host = Host::shared();
    let (one, other) = (host.tenant("one"), host.tenant("other"));
    let fuel: Vec<_> = [&one, &other, &one]
        .into_iter()
        .map(|tenant| {
            tenant.deploy("echo", agents::echo());
            tenant.invoke("echo", "the same body").bill("fuel")
        })
        .collect();
    assert!(fuel[0] > 0 && fuel.iter().all(|each| *each == fuel[0]), "{fuel:?}");
}

#[test]
fn a_tenant_at_its_concurrency_is_told_so_and_its_neighbour_is_not() {
    let host = Host::shared();
    let busy = host.tenant_with("busy", &json!({ "concurrency": 1, "wall-us": 2_000_000 }));
    let quiet = host.tenant("quiet");
    for tenant in [&busy, &quiet] {
        tenant.deploy("hostile", agents::hostile());
    }
    let refused = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4).map(|_| scope.spawn(|| busy.invoke("hostile", r#"{"attack":"sleep"}"#))).collect();
        assert_eq!(quiet.invoke("hostile", "bystander").status, 200);
        let replies: Vec<_> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
        replies.into_iter().filter(|reply| reply.status == 429).collect::<Vec<_>>()
    });
    assert!(!refused.is_empty());
    assert_eq!(refused[0].code(), "tenant-busy");
    assert!(!refused[0].header("retry-after").is_empty());
    assert_eq!((refused[0].bill("fuel"), refused[0].bill("wall-us")), (0, 0), "nothing ran");
    assert_eq!(busy.invoke("hostile", "bystander").status, 200, "the slot was given back");
}
