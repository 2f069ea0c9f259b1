//! The bill: on every response to an invoke, in detail on request, summed up for each tenant, and the same fuel for the
//! same work.

use serde_json::{Value, json};

use crate::harness::{Bystander, Host, Reply, Tenant, agents, send_to};

const INVOKE: &str = "/v1/agents/probe/invoke";
const JSON: (&str, &str) = ("content-type", "application/json");

/// The figures of a bill, by the form that RFC 9651 gives a dictionary of integers.
fn figures(reply: &Reply) -> Vec<(String, u64)> {
    let member = |member: &str| {
        let (name, amount) = member.split_once('=').unwrap_or_else(|| panic!("{member:?}"));
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name:?}");
        (name.to_owned(), amount.parse().unwrap())
    };
    reply.header("insula-bill").split(", ").map(member).collect()
}

#[test]
fn every_response_to_an_invoke_has_a_bill_and_one_of_zeros_where_nothing_ran() {
    let host = Host::shared();
    let tenant = host.tenant_with("billed", &json!({ "request-bytes": 1_000, "wall-us": 2_000_000 }));
    let neighbour = host.tenant("neighbour");
    let bystander = Bystander::settle(host.tenant("bystander"));
    for tenant in [&tenant, &neighbour] {
        tenant.deploy("probe", agents::probe());
        tenant.deploy("hostile", agents::hostile());
    }
    let keys = format!("/v1/tenants/{}/keys", tenant.id);
    let made = host.operate("POST", &keys, Some(&json!({ "permissions": ["deploy"] }))).json();
    let deployer = tenant.with_key(made["key"].as_str().unwrap());
    let before = tenant.get("/v1/usage").json()["total"]["calls"].as_u64().unwrap();
    let large = "x".repeat(1_001);
    let metadata = "x".repeat(9_000);
    let many = [JSON, ("insula-meta-a", metadata.as_str()), ("insula-meta-b", metadata.as_str())];
    let refused = [
        ("no key", 401, send_to(host.address, "POST", INVOKE, None, &[JSON], Some(b"{}"))),
        ("an operator's key", 403, send_to(host.address, "POST", INVOKE, Some(&host.operator), &[JSON], Some(b"{}"))),
        ("a key that may not invoke", 403, deployer.send("POST", INVOKE, &[JSON], Some(b"{}"))),
        ("an agent that is not there", 404, tenant.invoke("nobody", "{}")),
        ("no name of an agent", 400, tenant.invoke("No!", "{}")),
        ("a large body", 413, tenant.invoke("probe", &large)),
        ("much metadata", 431, tenant.send("POST", INVOKE, &many, Some(b"{}"))),
        ("an odd wish", 400, tenant.send("POST", INVOKE, &[JSON, ("insula-bill", "please")], Some(b"{}"))),
    ];
    for (what, status, reply) in &refused {
        assert_eq!(reply.status, *status, "{what}: {}", reply.text());
        let figures = figures(reply);
        assert!(figures.len() > 10 && figures.iter().all(|(_, amount)| *amount == 0), "{what}: {figures:?}");
    }
    let ran = [
        (200, "bystander".to_owned()),
        (400, json!({ "attack": "error", "code": "bad-request" }).to_string()),
        (500, "panic".to_owned()),
        (502, json!({ "attack": "garbage-output", "part": "name" }).to_string()),
        (504, "sleep".to_owned()),
    ];
    for (status, body) in &ran {
        let reply = tenant.invoke("hostile", body);
        assert_eq!(reply.status, *status, "{}", reply.text());
        assert!(reply.bill("fuel") > 0 && reply.bill("wall-us") > 0, "{}", reply.header("insula-bill"));
        assert_eq!(reply.bill("request-bytes"), body.len() as u64);
    }
    let after = tenant.get("/v1/usage").json()["total"]["calls"].as_u64().unwrap();
    assert_eq!(after - before, ran.len() as u64, "what did not run is not counted");
    assert_eq!(neighbour.get("/v1/usage").json()["total"]["calls"], 0);
    bystander.assert_untouched();
}

#[test]
fn host_calls_are_billed_by_kind_where_the_caller_asks_for_it() {
    let host = Host::shared();
    let (tenant, neighbour) = (host.tenant("detailed"), host.tenant("neighbour"));
    for tenant in [&tenant, &neighbour] {
        tenant.deploy("probe", agents::probe());
    }
    let calls = json!({ "calls": [
        { "call": "storage.put", "bucket": "b", "key": "k", "value": "four" },
        { "call": "storage.get", "bucket": "b", "key": "k" },
        { "call": "storage.get", "bucket": "b", "key": "k" },
        { "call": "cache.put", "namespace": "n", "key": "k", "value": "v" },
    ]});
    let asked = [JSON, ("insula-bill", "detail")];
    let reply = tenant.send("POST", INVOKE, &asked, Some(calls.to_string().as_bytes()));
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("insula-bill-detail"), "storage.get=2, storage.put=1, cache.put=1");
    assert_eq!(reply.bill("host-calls"), 4);
    // Bucket, key and value in; key and value out, twice; namespace, key and value.
    assert_eq!(reply.bill("storage-write-bytes"), 6);
    assert_eq!((reply.bill("storage-read-bytes"), reply.bill("cache-traffic-bytes")), (10, 3));
    let plain = neighbour.invoke("probe", &calls.to_string());
    assert_eq!((plain.status, plain.header("insula-bill-detail")), (200, ""));
    for tenant in [&tenant, &neighbour] {
        let by_kind = json!({ "storage.get": 2, "storage.put": 1, "cache.put": 1 });
        assert_eq!(tenant.get("/v1/usage").json()["total"]["host-calls-by-kind"], by_kind);
    }
}

#[test]
fn a_tenants_usage_has_one_number_for_each_resource() {
    let host = Host::shared();
    let (tenant, neighbour) = (host.tenant("summed"), host.tenant("neighbour"));
    for tenant in [&tenant, &neighbour] {
        tenant.deploy("probe", agents::probe());
        tenant.deploy("hostile", agents::hostile());
    }
    let call = json!({ "call": "storage.put", "bucket": "b", "key": "k", "value": "v" }).to_string();
    let mut replies: Vec<_> = (0..3).map(|_| tenant.invoke("probe", &call)).collect();
    replies.push(tenant.invoke("hostile", "panic"));
    // Another version of an agent, and an agent that is deleted: the total keeps them.
    tenant.deploy("probe", &agents::another_version(agents::probe(), "second"));
    replies.push(tenant.invoke("probe", &call));
    assert_eq!(tenant.send("DELETE", "/v1/agents/hostile", &[], None).status, 204);
    assert_eq!(neighbour.invoke("probe", &call).status, 200);
    let usage = tenant.get("/v1/usage").json();
    assert_eq!(usage["usage"].as_array().unwrap().len(), 3, "{usage}");
    let total = &usage["total"];
    assert_eq!((&total["calls"], &total["failures"]), (&json!(5), &json!(1)));
    let sums = [
        "fuel",
        "cpu-us",
        "wall-us",
        "host-calls",
        "host-bytes",
        "storage-read-bytes",
        "storage-write-bytes",
        "cache-traffic-bytes",
        "log-bytes",
        "request-bytes",
        "response-bytes",
    ];
    for name in sums {
        let billed: u64 = replies.iter().map(|reply| reply.bill(name)).sum();
        assert_eq!(total[name], billed, "{name}");
        let rows: u64 = usage["usage"].as_array().unwrap().iter().map(|row| row[name].as_u64().unwrap()).sum();
        assert_eq!(rows, billed, "{name}");
    }
    let peak = replies.iter().map(|reply| reply.bill("peak-memory")).max().unwrap();
    assert_eq!(total["peak-memory"], peak);
    let operators = host.operate("GET", &format!("/v1/tenants/{}/usage", tenant.id), None).json();
    assert_eq!(operators, usage);
    assert_eq!(neighbour.get("/v1/usage").json()["total"]["calls"], 1);
}

/// Work of many kinds, one call behind the other: each finds what those before it left.
fn work() -> Vec<(&'static str, Value)> {
    let probe = |calls: Value| ("probe", json!({ "calls": calls }));
    let get = json!({ "call": "storage.get", "bucket": "b", "key": "k" });
    vec![
        ("echo", json!({ "body": "the same" })),
        ("hostile", json!({ "attack": "fuel-burner", "iterations": 20_000_000 })),
        ("hostile", json!({ "attack": "grow-memory-politely" })),
        ("hostile", json!({ "attack": "log-flood", "count": 500 })),
        ("hostile", json!({ "attack": "storage-flood", "bytes": 1_000, "count": 20 })),
        ("hostile", json!({ "attack": "cache-flood", "bytes": 1_000, "count": 200 })),
        ("hostile", json!({ "attack": "recurse", "depth": 500 })),
        probe(json!([{ "call": "storage.put", "bucket": "b", "key": "k", "value": "v" }, get, get])),
        // A miss, and then a hit.
        probe(json!([{ "call": "cache.get-or-fill", "namespace": "n", "key": "k", "fill": "made" }])),
        probe(json!([{ "call": "cache.get-or-fill", "namespace": "n", "key": "k", "fill": "made" }])),
        probe(json!([{ "call": "storage.list", "bucket": "storage-flood", "values": true }])),
        probe(json!([{ "call": "config.all" }, { "call": "usage.remaining", "name": "host-calls" }])),
    ]
}

fn fuel_of_work(tenant: &Tenant) -> Vec<u64> {
    work()
        .iter()
        .map(|(agent, body)| {
            let reply = tenant.invoke(agent, &body.to_string());
            assert_eq!(reply.status, 200, "{agent} {body}: {}", reply.text());
            reply.bill("fuel")
        })
        .collect()
}

#[test]
fn the_same_work_costs_the_same_fuel_to_the_unit_on_a_quiet_host_and_on_a_busy_one() {
    let host = Host::shared();
    let limits = json!({ "memory-bytes": 16 << 20, "cpu-us": 30_000_000, "wall-us": 100_000_000 });
    let (quiet, busy) = (host.tenant_with("quiet", &limits), host.tenant_with("busy", &limits));
    let noise = host.tenant_with("noise", &json!({ "cpu-us": 100_000, "wall-us": 60_000_000 }));
    for tenant in [&quiet, &busy] {
        tenant.deploy("probe", agents::probe());
        tenant.deploy("echo", agents::echo());
        tenant.deploy("hostile", agents::hostile());
    }
    noise.deploy("hostile", agents::hostile());
    let expected = fuel_of_work(&quiet);
    assert!(expected.iter().all(|fuel| *fuel > 0));
    let done = std::sync::atomic::AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        // Guests that spin all the while: the others' slices end at every tick.
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::SeqCst) {
                    assert_eq!(noise.invoke("hostile", "spin").code(), "cpu-exhausted");
                }
            });
        }
        let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| fuel_of_work(&busy)));
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        seen
    });
    assert_eq!(seen.unwrap(), expected);
    // What finds the same again costs the same again.
    let body = json!({ "attack": "fuel-burner", "iterations": 1_000_000 }).to_string();
    let again: Vec<_> = (0..5).map(|_| quiet.invoke("hostile", &body).bill("fuel")).collect();
    assert!(again.iter().all(|fuel| *fuel == again[0]), "{again:?}");
}

/// What the sample agents are for: each call finds what those before it left.
fn samples() -> Vec<(&'static str, String)> {
    let ticket = std::fs::read_to_string(agents::folder("sample-agents/triage/tickets/one.json")).unwrap();
    let remember = |id: &str, text: &str| json!({ "remember": { "id": id, "text": text } }).to_string();
    let open = |account: &str| json!({ "open": { "account": account, "opening": 100 } }).to_string();
    vec![
        // The rules are compiled, and then found in the cache.
        ("triage", ticket.clone()),
        ("triage", ticket),
        ("recall", remember("first", "the keys are under the mat")),
        ("recall", remember("second", "the mat is behind the door")),
        ("recall", json!({ "search": { "query": "mat", "limit": 5 } }).to_string()),
        ("recall", json!({ "search": { "query": "mat", "limit": 5 } }).to_string()),
        ("ledger", open("a")),
        ("ledger", open("b")),
        ("ledger", json!({ "transfer": { "from": "a", "to": "b", "amount": 7 } }).to_string()),
    ]
}

/// They ask for the time, which is an answer of the host: they write it down as a number of as many digits, and do nothing
/// else with it here.
#[test]
fn the_sample_agents_cost_two_tenants_the_same_fuel() {
    let host = Host::shared();
    let fuel = ["one", "other"].map(|name| {
        let tenant = host.tenant(name);
        tenant.deploy("triage", agents::triage());
        tenant.deploy("recall", agents::recall());
        tenant.deploy("ledger", agents::ledger());
        let call = |(number, (agent, body)): (usize, &(&'static str, String))| {
            let key = format!("call-{number}");
            let headers = [JSON, ("idempotency-key", key.as_str())];
            let reply = tenant.send("POST", &format!("/v1/agents/{agent}/invoke"), &headers, Some(body.as_bytes()));
            assert_eq!(reply.status, 200, "{agent} {body}: {}", reply.text());
            (*agent, reply.bill("fuel"))
        };
        samples().iter().enumerate().map(call).collect::<Vec<_>>()
    });
    assert_eq!(fuel[0], fuel[1]);
}
