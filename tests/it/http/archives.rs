//! A tenant's archive over HTTP: out of one tenant, into another of the same host, and nothing else on the way.

use serde_json::{Value, json};

use super::{JSON, assert_refused};
use crate::harness::{Bystander, Host, Reply, Tenant, agents, send_to};

const ARCHIVE: (&str, &str) = ("content-type", "application/vnd.insula.archive");

fn export(host: &Host, tenant: &Tenant) -> Vec<u8> {
    let reply = host.operate("GET", &format!("/v1/tenants/{}/export", tenant.id), None);
    assert_eq!((reply.status, reply.header("content-type")), (200, ARCHIVE.1), "{}", reply.text());
    reply.body
}

fn import(host: &Host, name: &str, archive: &[u8]) -> Reply {
    let path = format!("/v1/tenants/import?name={name}");
    send_to(host.admin, "POST", &path, Some(&host.operator), &[ARCHIVE], Some(archive))
}

fn put(tenant: &Tenant, bucket: &str, key: &str, value: &str) {
    let put = json!({ "call": "storage.put", "bucket": bucket, "key": key, "value": value });
    assert!(tenant.probe(&put)["ok"].is_number());
}

fn stored(tenant: &Tenant, bucket: &str, key: &str) -> Value {
    tenant.probe(&json!({ "call": "storage.get", "bucket": bucket, "key": key }))
}

fn names(host: &Host) -> Vec<String> {
    let page = host.operate("GET", "/v1/tenants?limit=1000", None).json();
    let name = |tenant: &Value| tenant["name"].as_str().unwrap().to_owned();
    page["tenants"].as_array().unwrap().iter().map(name).collect()
}

#[test]
fn a_tenant_that_is_exported_and_imported_answers_twice_and_has_the_same_data() {
    let host = Host::shared();
    let (first, bystander) = (host.tenant("exported"), Bystander::settle(host.tenant("bystander")));
    first.deploy("probe", agents::probe());
    first.deploy("echo", &agents::text("echo"));
    first.deploy("echo", &agents::edited("(global i32 (i32.const 7))", ""));
    let config = first.send("PUT", "/v1/agents/probe/config", &[JSON], Some(br#"{"name":"value"}"#));
    assert_eq!(config.status, 200, "{}", config.text());
    for number in 0..20 {
        put(&first, "bucket", &format!("key {number}"), "value");
    }
    let before = host.operate("GET", &format!("/v1/tenants/{}", first.id), None).json();
    let archive = export(host, &first);

    let reply = import(host, "imported", &archive);
    assert_eq!(reply.status, 201, "{}", reply.text());
    let made = reply.json();
    assert_eq!((&made["agents"], &made["versions"], &made["entries"]), (&json!(2), &json!(3), &json!(20)));
    assert_eq!(made["from"], json!(first.id));
    let id = made["tenant"].as_str().unwrap();
    assert_ne!(id, first.id, "an id is never used twice");
    let second = Tenant::new(host.address, id, made["key"].as_str().unwrap());

    for tenant in [&first, &second] {
        let echoed = tenant.send("POST", "/v1/agents/echo/invoke", &[JSON], Some(b"\"hello\""));
        assert_eq!((echoed.status, echoed.header("insula-tenant")), (200, tenant.id.as_str()), "{}", echoed.text());
        assert_eq!(tenant.get("/v1/agents/probe/config").json(), json!({ "name": "value" }));
    }
    for number in [0, 19] {
        let key = format!("key {number}");
        assert_eq!(stored(&first, "bucket", &key), stored(&second, "bucket", &key), "value and version");
    }
    let after = host.operate("GET", &format!("/v1/tenants/{id}"), None).json();
    assert_eq!(after["limits"], before["limits"]);
    for count in ["storage-keys", "storage-bytes", "components"] {
        assert_eq!(after["holdings"][count], before["holdings"][count], "{count}");
    }
    // From here on they are two.
    put(&second, "bucket", "key 0", "another");
    assert_ne!(stored(&first, "bucket", "key 0"), stored(&second, "bucket", "key 0"));
    bystander.assert_untouched();
}

#[test]
fn an_archive_that_is_refused_leaves_no_tenant() {
    let host = Host::shared();
    let (tenant, bystander) = (host.tenant("cut"), Bystander::settle(host.tenant("bystander")));
    tenant.deploy("probe", agents::probe());
    put(&tenant, "bucket", "key", "value");
    let archive = export(host, &tenant);
    let before = names(host);
    for (what, bytes) in [
        ("cut short", archive[..archive.len() - 1].to_vec()),
        ("with something behind it", [archive.as_slice(), b"x"].concat()),
        ("of nothing", Vec::new()),
    ] {
        let reply = import(host, "refused-archive", &bytes);
        assert_refused(&reply, 400, "invalid-archive");
        assert!(reply.json()["offset"].is_u64(), "{what}: {}", reply.text());
    }
    // The name of a tenant that is there, and a name that none can have.
    assert_refused(&import(host, before[0].as_str(), &archive), 409, "conflict");
    assert_refused(&import(host, "NO", &archive), 400, "invalid-name");
    let path = "/v1/tenants/import?name=untyped";
    let untyped = send_to(host.admin, "POST", path, Some(&host.operator), &[JSON], Some(&archive));
    assert_refused(&untyped, 415, "unsupported-media-type");
    assert!(!names(host).iter().any(|name| ["refused-archive", "untyped"].contains(&name.as_str())));
    bystander.assert_untouched();
}

#[test]
fn an_import_that_fails_half_way_takes_everything_away_again() {
    let host = Host::shared();
    let (tenant, bystander) = (host.tenant("half-way"), Bystander::settle(host.tenant("bystander")));
    tenant.deploy("probe", agents::probe());
    for key in ["one", "two", "three"] {
        put(&tenant, "bucket", key, "value");
    }
    // What is over a quota that was lowered since stays where it is, and is not taken in elsewhere.
    let lower = json!({ "limits": { "storage-keys": 2 } });
    assert_eq!(host.operate("PATCH", &format!("/v1/tenants/{}", tenant.id), Some(&lower)).status, 200);
    let archive = export(host, &tenant);
    assert_eq!(import(host, "half-made", &archive).status, 507);
    assert!(!names(host).iter().any(|name| name == "half-made"));
    let raise = json!({ "limits": { "storage-keys": 3 } });
    assert_eq!(host.operate("PATCH", &format!("/v1/tenants/{}", tenant.id), Some(&raise)).status, 200);
    let again = import(host, "half-made", &export(host, &tenant));
    assert_eq!(again.status, 201, "the name is free again: {}", again.text());
    bystander.assert_untouched();
}

#[test]
fn an_export_of_no_tenant_is_not_found() {
    let host = Host::shared();
    let tenant = host.tenant("here");
    let absent = format!("/v1/tenants/ten_{}/export", "0".repeat(26));
    assert_refused(&host.operate("GET", &absent, None), 404, "not-found");
    assert_eq!(tenant.get("/v1/limits").status, 200);
}
