//! Versions: staged, activated, rolled back, deleted, and pruned.

use serde_json::json;

use crate::harness::{Host, Tenant, agents};

/// An agent that is the echo, but for its size in memory: each number is another component.
fn numbered(number: u32) -> Vec<u8> {
    agents::edited(&format!("(global $number i32 (i32.const {number}))"), "")
}

fn active(tenant: &Tenant, agent: &str) -> String {
    let reply = tenant.invoke(agent, "{}");
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.header("insula-version").to_owned()
}

#[test]
fn a_staged_version_answers_once_it_is_activated() {
    let tenant = Host::shared().tenant("stager");
    let first = tenant.deploy("a", &numbered(1));
    let headers = [("content-type", "application/wasm")];
    let staged = tenant.send("PUT", "/v1/agents/a?activate=false", &headers, Some(&numbered(2)));
    assert_eq!(staged.status, 201, "{}", staged.text());
    assert_eq!(active(&tenant, "a"), first["version"].as_str().unwrap());
    let version = staged.json()["version"].clone();
    let activate = json!({ "version": version }).to_string();
    let headers = [("content-type", "application/json")];
    let activated = tenant.send("POST", "/v1/agents/a/activate", &headers, Some(activate.as_bytes()));
    assert_eq!(activated.status, 200, "{}", activated.text());
    assert_eq!(active(&tenant, "a"), version.as_str().unwrap());
}

#[test]
fn a_rollback_goes_to_the_version_before() {
    let (tenant, neighbour) = (Host::shared().tenant("roller"), Host::shared().tenant("neighbour"));
    let first = tenant.deploy("a", &numbered(1));
    let theirs = neighbour.deploy("a", &numbered(1));
    let refused = tenant.send("POST", "/v1/agents/a/rollback", &[], Some(b""));
    assert_eq!(refused.status, 409, "{}", refused.text());
    tenant.deploy("a", &numbered(2));
    let rolled = tenant.send("POST", "/v1/agents/a/rollback", &[], Some(b""));
    assert_eq!(rolled.status, 200, "{}", rolled.text());
    assert_eq!(active(&tenant, "a"), first["version"].as_str().unwrap());
    assert_eq!(active(&neighbour, "a"), theirs["version"].as_str().unwrap());
}

#[test]
fn a_foreign_version_cannot_be_activated() {
    let (one, other) = (Host::shared().tenant("one"), Host::shared().tenant("other"));
    one.deploy("a", &numbered(1));
    let foreign = other.deploy("a", &numbered(2));
    let before = active(&one, "a");
    let activate = json!({ "version": foreign["version"] }).to_string();
    let headers = [("content-type", "application/json")];
    let reply = one.send("POST", "/v1/agents/a/activate", &headers, Some(activate.as_bytes()));
    assert_eq!((reply.status, reply.code().as_str()), (404, "not-found"));
    assert_eq!(active(&one, "a"), before);
}

#[test]
fn a_deleted_agent_is_gone_and_its_name_is_free() {
    let tenant = Host::shared().tenant("deleter");
    tenant.deploy("a", &numbered(1));
    assert_eq!(tenant.send("DELETE", "/v1/agents/a", &[], None).status, 204);
    assert_eq!(tenant.invoke("a", "{}").status, 404);
    assert_eq!(tenant.send("DELETE", "/v1/agents/a", &[], None).status, 404);
    tenant.deploy("a", &numbered(1));
    active(&tenant, "a");
}

#[test]
fn old_versions_make_room_and_the_active_one_never_does() {
    let tenant = Host::shared().tenant_with("pruner", &json!({ "versions": 2 }));
    for number in 1..=5 {
        tenant.deploy("a", &numbered(number));
    }
    let versions = tenant.get("/v1/agents/a/versions").json();
    let versions = versions["versions"].as_array().unwrap();
    assert!(versions.len() <= 3, "{versions:?}");
    active(&tenant, "a");
}

#[test]
fn configuration_reaches_the_next_call() {
    let (tenant, neighbour) = (Host::shared().tenant("configured"), Host::shared().tenant("neighbour"));
    for tenant in [&tenant, &neighbour] {
        tenant.deploy("probe", agents::probe());
    }
    let headers = [("content-type", "application/json")];
    let set = tenant.send("PUT", "/v1/agents/probe/config", &headers, Some(br#"{"greeting":"hello"}"#));
    assert!((200..300).contains(&set.status), "{}", set.text());
    let get = json!({ "call": "config.get", "name": "greeting" });
    assert!(tenant.probe(&get).to_string().contains("hello"));
    assert!(!neighbour.probe(&get).to_string().contains("hello"));
}

#[test]
fn what_a_broken_upload_left_behind_is_swept_and_what_is_named_stays() {
    let host = Host::start(insula_runtime::HostSettings::standard());
    let (tenant, neighbour) = (host.tenant("swept"), host.tenant("neighbour"));
    let shelf = |tenant: &Tenant| host.data.path().join("data/tenants").join(&tenant.id).join("components");
    let orphan = format!("{}.wasm", "ab".repeat(32));
    for tenant in [&tenant, &neighbour] {
        std::fs::create_dir_all(shelf(tenant)).unwrap();
        std::fs::write(shelf(tenant).join(&orphan), "half of a component").unwrap();
    }
    tenant.deploy("a", &numbered(1));
    tenant.deploy("a", &numbered(2));
    assert!(!shelf(&tenant).join(&orphan).exists());
    assert_eq!(std::fs::read_dir(shelf(&tenant)).unwrap().count(), 2, "both versions' components are still there");
    active(&tenant, "a");
    assert!(shelf(&neighbour).join(&orphan).exists(), "one tenant's upload sweeps its own shelf");
}
