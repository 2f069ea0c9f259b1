//! The sample agents at their real job, for two tenants at once.

use serde_json::Value;

use crate::harness::{Host, Reply, Tenant, agents};

fn ticket(name: &str) -> String {
    let path = agents::folder("sample-agents/triage/tickets").join(name).with_extension("json");
    std::fs::read_to_string(path).unwrap()
}

fn triage(tenant: &Tenant, name: &str) -> Value {
    let reply: Reply = tenant.invoke("triage", &ticket(name));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

fn pair() -> (Tenant, Tenant) {
    let (one, other) = (Host::shared().tenant("acme"), Host::shared().tenant("globex"));
    one.deploy("triage", agents::triage());
    other.deploy("triage", agents::triage());
    (one, other)
}

#[test]
fn triage_routes_every_ticket_that_ships_with_it() {
    let (tenant, _) = pair();
    let folder = agents::folder("sample-agents/triage/tickets");
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(names.len() >= 5);
    for path in names {
        let answer = triage(&tenant, path.file_stem().unwrap().to_str().unwrap());
        assert!(answer["queue"].is_string() && answer["priority"].is_string(), "{}: {answer}", path.display());
    }
}

#[test]
fn triage_caches_its_rules_and_each_tenant_compiles_its_own() {
    let (one, other) = pair();
    assert_eq!(triage(&one, "one")["rules"], "compiled");
    assert_eq!(triage(&one, "one")["rules"], "cached");
    assert_eq!(triage(&other, "one")["rules"], "compiled", "another tenant's cache served it");
}

#[test]
fn triage_finds_its_rules_in_the_cache_under_the_version_that_compiled_them() {
    let (one, other) = pair();
    assert_eq!(triage(&one, "one")["rules"], "compiled");
    one.deploy("triage", &agents::another_version(agents::triage(), "second"));
    assert_eq!(triage(&one, "one")["rules"], "compiled", "another version's form of the rules was taken");
    assert_eq!(triage(&one, "one")["rules"], "cached");
    assert_eq!(one.send("POST", "/v1/agents/triage/rollback", &[], None).status, 200);
    assert_eq!(triage(&one, "one")["rules"], "compiled", "the form of a newer version was taken");
    assert_eq!(triage(&one, "one")["rules"], "cached");
    assert_eq!(triage(&other, "one")["rules"], "compiled");
}

#[test]
fn triage_knows_a_customer_from_before_and_only_its_own_tenants() {
    let (one, other) = pair();
    for name in ["sync-again", "sync-again-2", "sync-again-3"] {
        triage(&one, name);
    }
    let known = triage(&one, "sync-again-3");
    assert_eq!(known["customer"]["tickets"], 3, "the same ticket again does not count twice: {known}");
    let unknown = triage(&other, "sync-again-3");
    assert_eq!(unknown["customer"]["tickets"], 1, "{unknown}");
}

#[test]
fn triage_says_what_is_wrong_with_a_ticket() {
    let (tenant, _) = pair();
    let reply = tenant.invoke("triage", r#"{"id": "T-1"}"#);
    assert_eq!((reply.status, reply.code().as_str()), (400, "agent-error"), "{}", reply.text());
    assert!(reply.text().contains("customer"), "{}", reply.text());
}
