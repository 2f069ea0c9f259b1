//! Tiers: named limits that an operator changes for all their tenants at once, live, with what is set for one tenant alone
//! on top.

use serde_json::{Value, json};

use crate::harness::{Bystander, Desk, Host, Reply, Tenant, agents};

/// A host of its own: tiers are the host's, and other tests' tenants have them too.
struct Stage {
    host: Host,
    desk: Desk,
}

impl Stage {
    fn new() -> Self {
        Self { host: Host::start(insula_runtime::HostSettings::standard()), desk: Desk::new() }
    }

    fn set_tier(&self, tier: &str, limits: &Value) -> Reply {
        self.host.operate("PUT", &format!("/v1/tiers/{tier}"), Some(&json!({ "limits": limits })))
    }

    fn tenant(&self, name: &str, tier: &str, limits: &Value) -> Tenant {
        let new = json!({ "name": name, "tier": tier, "limits": limits });
        let reply = self.host.operate("POST", "/v1/tenants", Some(&new));
        assert_eq!((reply.status, &reply.json()["tier"]), (201, &json!(tier)), "{}", reply.text());
        let body = reply.json();
        let tenant = Tenant::new(self.host.address, body["tenant"].as_str().unwrap(), body["key"].as_str().unwrap());
        tenant.deploy("probe", agents::probe());
        tenant
    }

    fn change(&self, tenant: &Tenant, change: &Value) -> Reply {
        self.host.operate("PATCH", &format!("/v1/tenants/{}", tenant.id), Some(change))
    }

    fn cli(&self, arguments: &[&str]) -> Value {
        let url = format!("http://{}", self.host.admin);
        let common = ["--url", url.as_str(), "--key", self.host.operator.as_str(), "--json"];
        self.desk.run(&[arguments, common.as_slice()].concat()).done().json()
    }
}

/// Calls of the host that a call of this tenant may make.
fn host_calls(tenant: &Tenant) -> usize {
    let calls = |count: usize| json!({ "calls": vec![json!({ "call": "cache.stats" }); count] }).to_string();
    let limit = tenant.get("/v1/limits").json()["host-calls"].as_u64().unwrap();
    let limit = usize::try_from(limit).unwrap();
    assert_eq!(tenant.invoke("probe", &calls(limit)).status, 200);
    assert_eq!(tenant.invoke("probe", &calls(limit + 1)).code(), "host-calls-exhausted");
    limit
}

#[test]
fn a_change_of_a_tier_holds_for_all_its_tenants_from_the_next_call_on_and_for_no_others() {
    let stage = Stage::new();
    let bystander = Bystander::settle(stage.host.tenant("bystander"));
    assert_eq!(stage.set_tier("small", &json!({ "host-calls": 5, "fuel": 1_000_000_000 })).status, 200);
    let first = stage.tenant("first", "small", &json!({}));
    let second = stage.tenant("second", "small", &json!({ "host-calls": 7 }));
    let other = stage.tenant("other", "free", &json!({ "host-calls": 9 }));
    assert_eq!([&first, &second, &other].map(host_calls), [5, 7, 9]);
    let changed = stage.set_tier("small", &json!({ "host-calls": 3 }));
    assert_eq!((changed.status, &changed.json()["tenants"]), (200, &json!(2)), "{}", changed.text());
    assert_eq!([&first, &second, &other].map(host_calls), [3, 7, 9]);
    assert_eq!(first.get("/v1/limits").json()["fuel"], 2_000_000_000_u64, "what the tier sets no more is the standard");

    // Its own limit, given back to the tier; another tier; and both shown with where they come from.
    assert_eq!(stage.change(&second, &json!({ "limits": { "host-calls": null } })).status, 200);
    assert_eq!(host_calls(&second), 3);
    assert_eq!(stage.change(&second, &json!({ "tier": "free", "limits": { "host-calls": 4 } })).status, 200);
    assert_eq!(host_calls(&second), 4);
    let detail = second.get("/v1/limits?detail=true").json();
    assert_eq!(detail["tier"], "free");
    assert_eq!(detail["limits"]["host-calls"], json!({ "value": 4, "source": "tenant" }));
    assert_eq!(detail["limits"]["fuel"], json!({ "value": 500_000_000, "source": "tier" }));
    assert_eq!(detail["limits"]["value-bytes"], json!({ "value": 1 << 20, "source": "standard" }));
    assert_eq!([&first, &other].map(host_calls), [3, 9]);
    bystander.assert_untouched();
}

#[test]
fn a_tier_that_cannot_be_is_refused_and_changes_nothing() {
    let stage = Stage::new();
    let (tenant, neighbour) =
        (stage.tenant("tenant", "free", &json!({ "host-calls": 2 })), stage.host.tenant("neighbour"));
    let before = (tenant.get("/v1/limits").text(), neighbour.get("/v1/limits").text());
    for (limits, word) in
        [(json!({ "fuel": 0 }), "fuel"), (json!({ "fuel": u64::MAX }), "fuel"), (json!({ "petrol": 1 }), "petrol")]
    {
        let reply = stage.set_tier("free", &limits);
        assert_eq!(reply.status, 400, "{limits}: {}", reply.text());
        assert!(reply.text().contains(word), "{}", reply.text());
    }
    assert_eq!(stage.set_tier("Free!", &json!({})).code(), "invalid-name");
    assert_eq!(stage.change(&tenant, &json!({ "tier": "nowhere" })).status, 400);
    assert_eq!(stage.change(&tenant, &json!({ "limits": { "petrol": null } })).status, 400);
    let delete = |tier: &str| stage.host.operate("DELETE", &format!("/v1/tiers/{tier}"), None);
    for used in ["free", "standard"] {
        assert_eq!(delete(used).code(), "conflict", "{used}");
    }
    assert_eq!(delete("nowhere").code(), "not-found");
    assert_eq!(delete("dedicated").status, 204);
    assert_eq!((tenant.get("/v1/limits").text(), neighbour.get("/v1/limits").text()), before);
    assert_eq!(host_calls(&tenant), 2);
}

#[test]
fn an_operator_looks_after_tiers_at_the_terminal_and_every_act_is_recorded() {
    let stage = Stage::new();
    let (tenant, neighbour) = (stage.tenant("acme", "free", &json!({})), stage.host.tenant("neighbour"));
    let names = |answer: &Value| -> Vec<String> {
        answer["tiers"].as_array().unwrap().iter().map(|tier| tier["tier"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&stage.cli(&["tier", "list"])), ["dedicated", "free", "standard"]);
    stage.cli(&["tier", "set", "gold", "--limit", "memory-bytes=256MiB", "--limit", "fuel=5_000"]);
    let gold = stage.cli(&["tier", "set", "gold", "--limit", "fuel=6_000"]);
    assert_eq!(gold["sets"], json!({ "fuel": 6_000, "memory-bytes": 256 << 20 }));
    assert_eq!(stage.cli(&["tier", "show", "gold"])["limits"]["fuel"], 6_000);
    let changed = stage.cli(&["tenant", "set", &tenant.id, "--tier", "gold", "--limit", "fuel=7_000"]);
    assert_eq!((&changed["tier"], &changed["overrides"]), (&json!("gold"), &json!({ "fuel": 7_000 })));
    let changed = stage.cli(&["tenant", "set", &tenant.id, "--unset", "fuel"]);
    assert_eq!((&changed["limits"]["fuel"], &changed["overrides"]), (&json!(6_000), &json!({})));
    let made = stage.cli(&["tenant", "create", "globex", "--tier", "gold"]);
    assert_eq!((&made["tier"], &made["limits"]["memory-bytes"]), (&json!("gold"), &json!(256 << 20)));
    assert_eq!(stage.cli(&["tier", "delete", "dedicated"])["deleted"], true);
    assert_eq!(neighbour.get("/v1/limits?detail=true").json()["tier"], "standard");
    let audit = stage.host.operate("GET", "/v1/audit?limit=1000", None).json();
    let acts: Vec<_> = audit["records"].as_array().unwrap().iter().map(|act| act["act"].as_str().unwrap()).collect();
    for (act, times) in [("tier.set", 2), ("tier.delete", 1), ("tenant.update", 2)] {
        assert_eq!(acts.iter().filter(|done| **done == act).count(), times, "{act}: {acts:?}");
    }
}
