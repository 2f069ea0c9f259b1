//! Keys: who is let in, and to what.

use serde_json::json;

use super::{JSON, assert_refused};
use crate::harness::{Bystander, Host, agents, send_to};

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
