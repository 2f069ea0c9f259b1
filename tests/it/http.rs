//! HTTP from outside: who is let in, what every answer carries, what refusals look like, and that the description is
//! the API.

mod archives;
mod connections;
mod h2;
mod smuggling;
mod storage;
mod wire;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Bystander, Host, Reply, agents, send_to};

const JSON: (&str, &str) = ("content-type", "application/json");

/// A refusal with this status and this code, in the one shape of refusals.
#[track_caller]
pub(crate) fn assert_refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, reply.code().as_str()), (status, code), "{}", reply.text());
    let problem = reply.json();
    assert_eq!(problem["type"], format!("urn:insula:problem:{code}"));
    assert_eq!(problem["status"], status);
    for member in ["title", "detail"] {
        assert!(!problem[member].as_str().unwrap().is_empty(), "{problem}");
    }
    assert!(reply.header("insula-request-id").starts_with("inv_"), "{:?}", reply.headers);
}

#[test]
fn without_a_key_that_is_known_here_no_one_is_let_in() {
    let host = Host::shared();
    let (ours, theirs) = (host.tenant("ours"), host.tenant("theirs"));
    let (key, random) = (ours.key.as_str(), &theirs.key[30..]);
    let mut cases = vec![vec![]];
    for authorization in [
        String::new(),
        "Bearer".into(),
        "Bearer isk_".into(),
        key.into(),
        format!("Basic {key}"),
        format!("Bearer {key}0"),
        format!("Bearer {}", key.to_uppercase()),
        // The right form and a known id, with the secret of another.
        format!("Bearer {}{random}", &key[..30]),
        format!("Bearer isk_{}{}", "0".repeat(26), &key[30..]),
    ] {
        cases.push(vec![authorization]);
    }
    cases.push(vec![format!("Bearer {key}"), format!("Bearer {key}")]);
    for case in &cases {
        let headers: Vec<_> = case.iter().map(|value| ("authorization", value.as_str())).collect();
        let places = [(host.address, "/v1/agents"), (host.address, "/v1/usage"), (host.admin, "/v1/tenants")];
        for (address, path) in places {
            let reply = send_to(address, "GET", path, None, &headers, None);
            assert_refused(&reply, 401, "unauthenticated");
            assert_eq!(reply.header("www-authenticate"), "Bearer", "{case:?}");
            assert_eq!(reply.header("insula-tenant"), "", "{case:?}");
            assert!(!reply.text().contains(random) && !reply.text().contains(&key[30..]));
        }
    }
    assert_eq!((ours.get("/v1/usage").status, theirs.get("/v1/usage").status), (200, 200));
}

#[test]
fn a_revoked_key_opens_nothing_from_the_answer_on() {
    let host = Host::shared();
    let (tenant, neighbour) = (host.tenant("revoking"), host.tenant("neighbour"));
    let keys = format!("/v1/tenants/{}/keys", tenant.id);
    let made = host.operate("POST", &keys, Some(&json!({ "label": "ci" })));
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let (id, second) = (made["id"].as_str().unwrap(), tenant.with_key(made["key"].as_str().unwrap()));
    for _ in 0..3 {
        assert_eq!(second.get("/v1/limits").status, 200);
    }
    // A key is revoked where it belongs, or not at all.
    let elsewhere = format!("/v1/tenants/{}/keys/{id}", neighbour.id);
    assert_refused(&host.operate("DELETE", &elsewhere, None), 404, "not-found");
    assert_eq!(second.get("/v1/limits").status, 200);

    assert_eq!(host.operate("DELETE", &format!("{keys}/{id}"), None).status, 204);
    assert_refused(&second.get("/v1/limits"), 401, "unauthenticated");
    assert_eq!((tenant.get("/v1/limits").status, neighbour.get("/v1/limits").status), (200, 200));
    let listed = host.operate("GET", &keys, None);
    assert!(!listed.text().contains("isk_"), "{}", listed.text());
    let listed = listed.json();
    let revoked = listed["keys"].as_array().unwrap().iter().find(|key| key["id"] == id).unwrap();
    assert!(revoked["revoked-us"].is_u64(), "{revoked}");
}

#[test]
fn a_key_of_the_wrong_kind_is_forbidden_both_ways() {
    let host = Host::shared();
    let (tenant, other) = (host.tenant("curious"), host.tenant("other"));
    for (method, path) in [("GET", "/v1/agents"), ("POST", "/v1/agents/echo/invoke"), ("GET", "/v1/storage/mine")] {
        let reply = send_to(host.address, method, path, Some(&host.operator), &[], None);
        assert_refused(&reply, 403, "forbidden");
        assert_eq!(reply.header("insula-tenant"), "");
    }
    let one = format!("/v1/tenants/{}", other.id);
    let acts = [
        ("GET", "/v1/tenants".to_owned()),
        ("POST", "/v1/tenants".to_owned()),
        ("GET", one.clone()),
        ("PATCH", one.clone()),
        ("DELETE", one.clone()),
        ("POST", format!("{one}/suspend")),
        ("POST", format!("{one}/keys")),
        ("GET", format!("{one}/usage")),
        ("GET", "/metrics".to_owned()),
    ];
    for (method, path) in acts {
        let reply = send_to(host.admin, method, &path, Some(&tenant.key), &[JSON], Some(b"{}"));
        assert_refused(&reply, 403, "forbidden");
    }
    assert_eq!(other.get("/v1/limits").status, 200);
}

#[test]
fn a_key_opens_what_its_permissions_say_and_no_more() {
    let host = Host::shared();
    let (tenant, bystander) = (host.tenant("careful"), Bystander::settle(host.tenant("bystander")));
    tenant.deploy("echo", &agents::text("echo"));
    let keys = format!("/v1/tenants/{}/keys", tenant.id);
    // What each permission is needed for, in a form that changes nothing when it is allowed.
    let needs = [
        ("invoke", "POST", "/v1/agents/echo/invoke"),
        ("deploy", "PUT", "/v1/agents/echo/config"),
        ("deploy", "GET", "/v1/logs"),
        ("manage", "GET", "/v1/storage/mine"),
        ("manage", "GET", "/v1/cache"),
    ];
    for permission in ["invoke", "deploy", "manage"] {
        let made = host.operate("POST", &keys, Some(&json!({ "permissions": [permission] }))).json();
        let key = tenant.with_key(made["key"].as_str().unwrap());
        for (needed, method, path) in needs {
            let body: Option<&[u8]> = (method != "GET").then_some(b"{}");
            let reply = key.send(method, path, &[JSON], body);
            if needed == permission {
                assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            } else {
                assert_refused(&reply, 403, "forbidden");
                assert_eq!(reply.json()["permission"], needed);
                assert_eq!(reply.header("insula-tenant"), tenant.id);
            }
        }
    }
    bystander.assert_untouched();
}

#[test]
fn a_stated_tenant_must_be_the_keys_own() {
    let host = Host::shared();
    let (ours, theirs) = (host.tenant("ours"), host.tenant("theirs"));
    for wrong in [theirs.id.as_str(), "ten_0", "", &ours.id.to_uppercase()] {
        let reply = ours.send("GET", "/v1/agents", &[("insula-tenant", wrong)], None);
        assert_refused(&reply, 403, "tenant-mismatch");
        assert_eq!(reply.header("insula-tenant"), ours.id);
    }
    let both = [("insula-tenant", ours.id.as_str()), ("insula-tenant", theirs.id.as_str())];
    assert_refused(&ours.send("GET", "/v1/agents", &both, None), 403, "tenant-mismatch");
    assert_eq!(ours.send("GET", "/v1/agents", &[("insula-tenant", &ours.id)], None).status, 200);
}

#[test]
fn every_answer_has_an_id_of_its_own_and_says_whose_it_is() {
    let host = Host::shared();
    let (ours, theirs) = (host.tenant("ours"), host.tenant("theirs"));
    let mut ids = BTreeSet::new();
    for tenant in [&ours, &theirs] {
        tenant.deploy("echo", &agents::text("echo"));
        let replies = [
            tenant.get("/v1/agents"),
            tenant.get("/v1/agents/absent"),
            tenant.invoke("echo", "hello"),
            tenant.invoke("absent", "hello"),
            tenant.upload("echo", b"not wasm"),
            tenant.send("PUT", "/v1/agents/echo/config", &[JSON], Some(b"{")),
            tenant.get("/v1/storage/b/absent"),
        ];
        for reply in replies {
            assert_eq!(reply.header("insula-tenant"), tenant.id, "{}", reply.text());
            assert!(ids.insert(reply.header("insula-request-id").to_owned()));
        }
    }
    for (address, path) in [(host.address, "/nowhere"), (host.admin, "/healthz"), (host.admin, "/openapi.json")] {
        let reply = send_to(address, "GET", path, None, &[], None);
        assert!(ids.insert(reply.header("insula-request-id").to_owned()));
        assert_eq!(reply.header("insula-tenant"), "");
    }
    assert!(ids.iter().all(|id| id.starts_with("inv_")), "{ids:?}");
}

#[test]
fn an_unknown_route_is_404_and_a_wrong_method_405_with_the_right_ones() {
    let host = Host::shared();
    let (tenant, other) = (host.tenant("lost"), host.tenant("other"));
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v1/agents/",
        "/v1/agents/a/b/c",
        "/v2/agents",
        "/v1/storage/",
        "/v1/caches",
        "/V1/agents",
    ] {
        assert_refused(&tenant.get(path), 404, "not-found");
    }
    // On a listener of their own, operators' routes are nowhere else; nor are tenants' routes there.
    let shown = format!("/v1/tenants/{}", other.id);
    for path in ["/v1/tenants", "/metrics", "/healthz", "/openapi.json", &shown] {
        assert_refused(&send_to(host.address, "GET", path, Some(&host.operator), &[], None), 404, "not-found");
    }
    for path in ["/v1/agents", "/v1/limits", "/v1/storage/mine"] {
        assert_refused(&send_to(host.admin, "GET", path, Some(&tenant.key), &[], None), 404, "not-found");
    }
    for (method, path, allowed) in [
        ("DELETE", "/v1/agents", "GET,HEAD"),
        ("PATCH", "/v1/agents/echo", "DELETE,GET,HEAD,PUT"),
        ("GET", "/v1/agents/echo/invoke", "POST"),
        ("POST", "/v1/limits", "GET,HEAD"),
        ("POST", "/v1/storage/b/k", "DELETE,GET,HEAD,PUT"),
    ] {
        let reply = tenant.send(method, path, &[], Some(b""));
        assert_refused(&reply, 405, "method-not-allowed");
        let mut methods: Vec<_> = reply.header("allow").split(',').map(str::trim).collect();
        methods.sort_unstable();
        assert_eq!(methods.join(","), allowed, "{method} {path}");
    }
}

#[test]
fn a_foreign_agent_and_an_absent_one_are_one_and_the_same_answer() {
    let host = Host::shared();
    let (ours, theirs) = (host.tenant("ours"), host.tenant("theirs"));
    let bystander = Bystander::settle(host.tenant("bystander"));
    let deployed = theirs.deploy("theirs", &agents::text("echo"));
    let activate = json!({ "version": deployed["version"] }).to_string();
    let acts = [
        ("GET", "", ""),
        ("DELETE", "", ""),
        ("POST", "/invoke", "hello"),
        ("GET", "/versions", ""),
        ("POST", "/activate", activate.as_str()),
        ("POST", "/rollback", ""),
        ("GET", "/config", ""),
        ("PUT", "/config", r#"{"a":"b"}"#),
    ];
    for (method, rest, body) in acts {
        let body = (method != "GET").then_some(body.as_bytes());
        let ask = |agent: &str| ours.send(method, &format!("/v1/agents/{agent}{rest}"), &[JSON], body);
        let (foreign, absent) = (ask("theirs"), ask("absent"));
        assert_refused(&foreign, 404, "not-found");
        assert_eq!(foreign.body, absent.body, "{method} {rest}");
        let lasting = |reply: &Reply| {
            let mut headers = reply.headers.clone();
            // What differs from any answer to the next.
            headers.remove("insula-request-id");
            headers.remove("date");
            headers
        };
        assert_eq!(lasting(&foreign), lasting(&absent), "{method} {rest}");
    }
    assert_eq!(theirs.invoke("theirs", "hello").text(), "hello");
    assert_eq!(theirs.get("/v1/agents/theirs/config").text(), "{}");
    bystander.assert_untouched();
}

#[test]
fn health_and_readiness_want_no_key_and_metrics_want_the_operators() {
    let host = Host::shared();
    let (tenant, other) = (host.tenant("curious"), host.tenant("other"));
    let ask = |path: &str, key| send_to(host.admin, "GET", path, key, &[], None);
    assert_eq!((ask("/healthz", None).status, ask("/healthz", None).text().as_str()), (200, "ok\n"));
    let ready = ask("/readyz", None);
    assert_eq!((ready.status, &ready.json()["ready"]), (200, &Value::Bool(true)), "{}", ready.text());
    assert_refused(&ask("/metrics", None), 401, "unauthenticated");
    for tenant in [&tenant, &other] {
        assert_refused(&ask("/metrics", Some(&tenant.key)), 403, "forbidden");
    }
    let metrics = ask("/metrics", Some(&host.operator));
    assert_eq!(metrics.status, 200);
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    assert!(metrics.text().contains("insula_calls_in_flight "), "{}", metrics.text());
    assert!(!metrics.text().contains(&tenant.id), "no tenant is named to those who only watch the host");
}

#[test]
fn the_description_lists_every_route_and_every_route_is_there() {
    let host = Host::shared();
    let described = send_to(host.admin, "GET", "/openapi.json", None, &[], None);
    assert_eq!(described.status, 200);
    let described = described.json();
    let mut listed = BTreeSet::new();
    for (path, item) in described["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().map(|method| method.to_uppercase()) {
            let concrete = path.replace(['{', '}'], "");
            let ask = |address| send_to(address, &method, &concrete, None, &[], None).status;
            let open = ["/healthz", "/readyz", "/openapi.json"].contains(&path.as_str());
            let expected = if open { 200 } else { 401 };
            let answers = (ask(host.address), ask(host.admin));
            assert!(answers == (expected, 404) || answers == (404, expected), "{method} {path}: {answers:?}");
            listed.insert(format!("{method} {path}"));
        }
    }
    for route in CONTRACT {
        assert!(listed.remove(*route), "{route} is not described");
    }
    let beyond: Vec<_> = listed.iter().map(String::as_str).collect();
    let added = [
        "DELETE /v1/cache/{namespace}",
        "DELETE /v1/tiers/{tier}",
        "GET /v1/agents/{agent}/limits",
        "GET /v1/storage",
        "GET /v1/tenants/{tenant}/usage",
        "GET /v1/tiers",
        "POST /v1/tenants/{tenant}/compact",
        "PUT /v1/agents/{agent}/limits",
        "PUT /v1/tiers/{tier}",
    ];
    assert_eq!(beyond, added, "described, and not in the contract");
}

/// The routes of the contract, but for those of later issues.
const CONTRACT: &[&str] = &[
    "PUT /v1/agents/{agent}",
    "POST /v1/agents/{agent}/invoke",
    "GET /v1/agents",
    "GET /v1/agents/{agent}",
    "DELETE /v1/agents/{agent}",
    "GET /v1/agents/{agent}/versions",
    "POST /v1/agents/{agent}/activate",
    "POST /v1/agents/{agent}/rollback",
    "GET /v1/agents/{agent}/config",
    "PUT /v1/agents/{agent}/config",
    "GET /v1/storage/{bucket}/{key}",
    "PUT /v1/storage/{bucket}/{key}",
    "DELETE /v1/storage/{bucket}/{key}",
    "GET /v1/storage/{bucket}",
    "GET /v1/cache",
    "GET /v1/logs",
    "GET /v1/usage",
    "GET /v1/limits",
    "POST /v1/tenants",
    "GET /v1/tenants",
    "GET /v1/tenants/{tenant}",
    "PATCH /v1/tenants/{tenant}",
    "DELETE /v1/tenants/{tenant}",
    "POST /v1/tenants/{tenant}/suspend",
    "POST /v1/tenants/{tenant}/resume",
    "POST /v1/tenants/{tenant}/keys",
    "GET /v1/tenants/{tenant}/keys",
    "DELETE /v1/tenants/{tenant}/keys/{key}",
    "GET /v1/tenants/{tenant}/export",
    "POST /v1/tenants/import",
    "POST /v1/tenants/{tenant}/erase",
    "GET /v1/audit",
    "GET /metrics",
    "GET /healthz",
    "GET /readyz",
    "GET /openapi.json",
];

#[test]
fn what_a_caller_sends_beside_the_body_reaches_the_agent() {
    let host = Host::shared();
    let (ours, theirs) = (host.tenant("ours"), host.tenant("theirs"));
    for tenant in [&ours, &theirs] {
        tenant.deploy("probe", agents::probe());
    }
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = [
        ("content-type", "application/vnd.insula+json"),
        ("Insula-Meta-Colour", "green"),
        ("insula-meta-colour", "blue"),
        ("traceparent", trace),
        ("idempotency-key", "order-17"),
        ("x-other", "not for the agent"),
    ];
    let body = br#"{"call":"request"}"#;
    let reply = ours.send("POST", "/v1/agents/probe/invoke", &headers, Some(body));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let request = reply.json()["ok"].clone();
    assert_eq!(request["content-type"], "application/vnd.insula+json");
    assert_eq!(request["idempotency-key"], "order-17");
    assert_eq!(request["body-bytes"], body.len());
    let metadata: BTreeSet<(&str, &str)> = request["metadata"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry[0].as_str().unwrap(), entry[1].as_str().unwrap()))
        .collect();
    let expected = BTreeSet::from([
        ("colour", "green"),
        ("colour", "blue"),
        ("traceparent", trace),
        ("insula-agent", "probe"),
        ("insula-version", reply.header("insula-version")),
        ("insula-invocation", reply.header("insula-request-id")),
    ]);
    assert_eq!(metadata, expected);

    // The next call knows nothing of it.
    let theirs = theirs.probe(&json!({ "call": "request" }));
    assert_eq!(theirs["ok"]["idempotency-key"], Value::Null);
    assert!(!theirs.to_string().contains("green"), "{theirs}");
}

#[test]
fn a_caller_cannot_speak_as_the_host_nor_send_too_much_beside_the_body() {
    let host = Host::shared();
    let (tenant, bystander) = (host.tenant("forger"), Bystander::settle(host.tenant("bystander")));
    tenant.deploy("echo", &agents::text("echo"));
    let send = |name: &str, value: &str| {
        let reply = tenant.send("POST", "/v1/agents/echo/invoke", &[(name, value)], Some(b"hello"));
        assert!(reply.nothing_ran(), "{}", reply.header("insula-bill"));
        reply
    };
    for name in ["insula-meta-insula-agent", "insula-meta-insula-x", "insula-meta-traceparent", "insula-meta-"] {
        assert_refused(&send(name, "x"), 400, "invalid-metadata");
    }
    assert_refused(&send("insula-meta-large", &"x".repeat(17 << 10)), 431, "metadata-too-large");
    for key in ["", "two words", &"x".repeat(256)] {
        assert_refused(&send("idempotency-key", key), 400, "invalid-idempotency-key");
    }
    bystander.assert_untouched();
}
