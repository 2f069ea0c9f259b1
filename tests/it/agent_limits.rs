//! An agent's own limits: below the tenant's, set by a key that may manage, held from the next call on, and deployed with
//! the agent's manifest.

use serde_json::{Value, json};

use crate::harness::{Bystander, Desk, Host, Reply, Tenant, agents, send_to};

const JSON: (&str, &str) = ("content-type", "application/json");

fn set(tenant: &Tenant, agent: &str, own: &Value) -> Reply {
    tenant.send("PUT", &format!("/v1/agents/{agent}/limits"), &[JSON], Some(own.to_string().as_bytes()))
}

fn show(tenant: &Tenant, agent: &str) -> Value {
    tenant.get(&format!("/v1/agents/{agent}/limits")).json()
}

fn two_calls() -> String {
    json!({ "calls": [{ "call": "cache.stats" }, { "call": "cache.stats" }] }).to_string()
}

#[test]
fn an_agents_own_limit_holds_from_the_next_call_on_and_for_no_other_agent() {
    let host = Host::shared();
    let (tenant, neighbour) = (host.tenant("owner"), host.tenant("neighbour"));
    let bystander = Bystander::settle(host.tenant("bystander"));
    for (tenant, agent) in [(&tenant, "probe"), (&tenant, "other"), (&neighbour, "probe")] {
        tenant.deploy(agent, agents::probe());
        assert_eq!(tenant.invoke(agent, &two_calls()).status, 200);
    }
    let told = set(&tenant, "probe", &json!({ "host-calls": 1 }));
    assert_eq!(told.status, 200, "{}", told.text());
    assert_eq!(
        (&told.json()["own"], &told.json()["effective"]["host-calls"]),
        (&json!({ "host-calls": 1 }), &json!(1))
    );
    let refused = tenant.invoke("probe", &two_calls());
    assert_eq!((refused.status, refused.code().as_str()), (508, "host-calls-exhausted"));
    assert_eq!((&refused.json()["resource"], &refused.json()["limit"]), (&json!("host-calls"), &json!(1)));
    assert_eq!(tenant.invoke("other", &two_calls()).status, 200);
    assert_eq!(neighbour.invoke("probe", &two_calls()).status, 200);
    assert_eq!(tenant.get("/v1/agents/probe").json()["limits"], json!({ "host-calls": 1 }));
    assert_eq!(tenant.get("/v1/agents/other").json()["limits"], json!({}));
    // A new version has the limits of its agent.
    tenant.deploy("probe", &agents::another_version(agents::probe(), "next"));
    assert_eq!(tenant.invoke("probe", &two_calls()).code(), "host-calls-exhausted");
    assert_eq!(set(&tenant, "probe", &json!({})).status, 200);
    assert_eq!(tenant.invoke("probe", &two_calls()).status, 200);
    bystander.assert_untouched();
}

#[test]
fn of_the_tenants_limit_and_the_agents_the_smaller_one_counts_whichever_changes() {
    let host = Host::shared();
    let (tenant, neighbour) = (host.tenant_with("owner", &json!({ "host-calls": 10 })), host.tenant("neighbour"));
    for tenant in [&tenant, &neighbour] {
        tenant.deploy("probe", agents::probe());
    }
    assert_eq!(set(&tenant, "probe", &json!({ "host-calls": 5 })).status, 200);
    let change = |calls: u64| {
        let patch = json!({ "limits": { "host-calls": calls } });
        assert_eq!(host.operate("PATCH", &format!("/v1/tenants/{}", tenant.id), Some(&patch)).status, 200);
    };
    for (of_the_tenant, effective) in [(10, 5), (100, 5), (1, 1), (10, 5)] {
        change(of_the_tenant);
        assert_eq!(show(&tenant, "probe")["effective"]["host-calls"], effective);
        let most = json!({ "calls": vec![json!({ "call": "cache.stats" }); effective] }).to_string();
        assert_eq!(tenant.invoke("probe", &most).status, 200, "{of_the_tenant}");
        let more = json!({ "calls": vec![json!({ "call": "cache.stats" }); effective + 1] }).to_string();
        assert_eq!(tenant.invoke("probe", &more).code(), "host-calls-exhausted", "{of_the_tenant}");
    }
    assert_eq!(show(&neighbour, "probe")["own"], json!({}));
}

#[test]
fn every_limit_of_a_call_can_be_an_agents_own() {
    let host = Host::shared();
    let (tenant, neighbour) = (host.tenant("owner"), host.tenant("neighbour"));
    for tenant in [&tenant, &neighbour] {
        tenant.deploy("hostile", agents::hostile());
    }
    let attacks = [
        ("fuel", 5_000_000, json!({ "attack": "spin" }), "fuel-exhausted"),
        ("cpu-us", 50_000, json!({ "attack": "spin" }), "cpu-exhausted"),
        ("wall-us", 200_000, json!({ "attack": "sleep" }), "deadline-exceeded"),
        ("memory-bytes", 4 << 20, json!({ "attack": "grow-memory" }), "memory-exhausted"),
        ("host-calls", 10, json!({ "attack": "host-call-flood" }), "host-calls-exhausted"),
        ("host-bytes", 100_000, json!({ "attack": "host-bytes-flood" }), "host-bytes-exhausted"),
        ("storage-read-bytes", 100_000, json!({ "attack": "host-bytes-flood" }), "storage-read-exhausted"),
        ("storage-write-bytes", 100_000, json!({ "attack": "storage-flood" }), "storage-write-exhausted"),
        ("cache-traffic-bytes", 100_000, json!({ "attack": "cache-flood" }), "cache-traffic-exhausted"),
        ("request-bytes", 10, json!({ "attack": "bystander" }), "request-too-large"),
        ("response-bytes", 1_000, json!({ "attack": "huge-result", "bytes": 2_000 }), "response-too-large"),
    ];
    for (name, limit, attack, code) in attacks {
        assert_eq!(set(&tenant, "hostile", &json!({ (name): limit })).status, 200, "{name}");
        let reply = tenant.invoke("hostile", &attack.to_string());
        assert_eq!((reply.code().as_str(), &reply.json()["limit"]), (code, &json!(limit)), "{name}: {}", reply.text());
        assert_eq!(neighbour.invoke("hostile", "bystander").status, 200, "{name}");
    }
    assert_eq!(set(&tenant, "hostile", &json!({ "value-bytes": 100, "log-bytes": 100 })).status, 200);
    let told = tenant.invoke("hostile", r#"{"attack":"storage-flood","bytes":101,"count":1}"#).json();
    assert_eq!(told["error"]["code"], "value-too-large", "{told}");
    let flood = tenant.invoke("hostile", r#"{"attack":"log-flood","count":10}"#);
    assert_eq!((flood.bill("log-bytes"), flood.bill("log-dropped")), (100, 9));
}

#[test]
fn what_cannot_be_an_agents_limit_is_refused_by_name_and_changes_nothing() {
    let host = Host::shared();
    let (tenant, neighbour) = (host.tenant_with("owner", &json!({ "fuel": 1_000_000 })), host.tenant("neighbour"));
    for tenant in [&tenant, &neighbour] {
        tenant.deploy("probe", agents::probe());
    }
    assert_eq!(set(&tenant, "probe", &json!({ "fuel": 1_000_000 })).status, 200);
    let before = show(&tenant, "probe");
    for (own, word) in [
        (json!({ "fuel": 0 }), "fuel"),
        (json!({ "fuel": 1_000_001 }), "1000000"),
        (json!({ "fuel": u64::MAX }), "fuel"),
        (json!({ "petrol": 1 }), "petrol"),
        (json!({ "agents": 1 }), "agents"),
        (json!({ "cpu-us": 5, "concurrency": 1 }), "concurrency"),
    ] {
        let reply = set(&tenant, "probe", &own);
        assert_eq!(reply.status, 400, "{own}: {}", reply.text());
        assert!(reply.text().contains(word), "{own}: {}", reply.text());
    }
    assert_eq!(set(&tenant, "nobody", &json!({})).code(), "not-found");
    let keys = format!("/v1/tenants/{}/keys", tenant.id);
    let made = host.operate("POST", &keys, Some(&json!({ "permissions": ["deploy", "invoke"] }))).json();
    let deployer = tenant.with_key(made["key"].as_str().unwrap());
    assert_eq!(set(&deployer, "probe", &json!({})).code(), "forbidden");
    assert_eq!(show(&deployer, "probe"), before);
    assert_eq!(show(&neighbour, "probe")["own"], json!({}));
}

#[test]
fn limits_of_a_manifest_become_the_agents_own_when_it_is_deployed() {
    let host = Host::shared();
    let (tenant, neighbour) = (host.tenant("author"), host.tenant("neighbour"));
    neighbour.deploy("manifested", agents::probe());
    let desk = Desk::new();
    let folder = desk.path("manifested");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("agent.wasm"), agents::probe()).unwrap();
    let url = format!("http://{}", host.address);
    let deploy = |limits: &str, key: &str| {
        let manifest = format!(
            "[agent]\nname = \"manifested\"\nlanguage = \"rust\"\n[build]\ncommand = [\"true\"]\n\
             component = \"agent.wasm\"\n[config]\ngreeting = \"hello\"\n[limits]\n{limits}\n"
        );
        std::fs::write(folder.join("insula.toml"), manifest).unwrap();
        desk.run(&["deploy", folder.to_str().unwrap(), "--url", &url, "--key", key, "--json"])
    };
    assert_eq!(deploy("host-calls = 1", &tenant.key).done().json()["activated"], true);
    assert_eq!(show(&tenant, "manifested")["own"], json!({ "host-calls": 1 }));
    assert_eq!(tenant.invoke("manifested", &two_calls()).code(), "host-calls-exhausted");
    assert_eq!(neighbour.invoke("manifested", &two_calls()).status, 200);
    // A manifest without limits leaves them as they are; one with others replaces them.
    deploy("", &tenant.key).done();
    assert_eq!(show(&tenant, "manifested")["own"], json!({ "host-calls": 1 }));
    deploy("fuel = 1_000_000_000", &tenant.key).done();
    assert_eq!(show(&tenant, "manifested")["own"], json!({ "fuel": 1_000_000_000 }));
    let refused = deploy("fuel = 3_000_000_000", &tenant.key);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("more than the tenant may use"), "{}", refused.stderr);

    let common = ["--url", url.as_str(), "--key", tenant.key.as_str(), "--json"];
    let limits = |more: &[&str]| desk.run(&[&["agent", "limits", "manifested"], more, common.as_slice()].concat());
    assert_eq!(
        limits(&["--limit", "cpu-us=500ms"]).done().json()["own"],
        json!({ "cpu-us": 500_000, "fuel": 1_000_000_000 })
    );
    assert_eq!(limits(&["--clear"]).done().json()["own"], json!({}));
    assert_eq!(limits(&["--limit", "agents=1"]).code, 2);
}

#[test]
fn an_archive_keeps_an_agents_own_limits() {
    let host = Host::shared();
    let (tenant, bystander) = (host.tenant("moving"), Bystander::settle(host.tenant("bystander")));
    tenant.deploy("probe", agents::probe());
    assert_eq!(set(&tenant, "probe", &json!({ "host-calls": 1 })).status, 200);
    let archive = host.operate("GET", &format!("/v1/tenants/{}/export", tenant.id), None).body;
    let path = format!("/v1/tenants/import?name=moved-{}", tenant.id[20..].to_lowercase());
    let headers = [("content-type", "application/vnd.insula.archive")];
    let reply = send_to(host.admin, "POST", &path, Some(&host.operator), &headers, Some(&archive));
    assert_eq!(reply.status, 201, "{}", reply.text());
    let moved = tenant.with_key(reply.json()["key"].as_str().unwrap());
    assert_eq!(show(&moved, "probe")["own"], json!({ "host-calls": 1 }));
    assert_eq!(moved.invoke("probe", &two_calls()).code(), "host-calls-exhausted");
    bystander.assert_untouched();
}
