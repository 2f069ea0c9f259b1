//! The dev runner is the production host: the same requests get the same answers from `insula dev` and `insula serve`, in
//! status, headers and body, and the same limits hold.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{Bystander, Desk, Reply, Served, Tenant, agents};

/// What of an answer is the same wherever it was made: ids and measurements are not.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Value,
}

fn shape(reply: &Reply) -> Shape {
    let mut headers = BTreeMap::new();
    for (name, value) in &reply.headers {
        let value = match name.as_str() {
            "date" | "insula-request-id" | "insula-tenant" | "insula-version" | "content-length" => "...".to_owned(),
            // The names and what is counted, without what is measured.
            "insula-bill" => value.to_str().unwrap().split(", ").filter(|member| !is_measured(member)).collect(),
            _ => value.to_str().unwrap().to_owned(),
        };
        headers.insert(name.to_string(), value);
    }
    let mut body = serde_json::from_slice(&reply.body).unwrap_or_else(|_| json!(reply.text()));
    without_measurements(&mut body);
    Shape { status: reply.status, headers, body }
}

fn is_measured(member: &str) -> bool {
    ["cpu-us", "wall-us", "queued-us"].iter().any(|name| member.starts_with(name))
}

fn without_measurements(body: &mut Value) {
    if let Some(budget) = body.get_mut("budget").and_then(Value::as_array_mut) {
        budget.retain(|allowance| !is_measured(allowance["name"].as_str().unwrap()));
    }
}

/// Requests that meet everything a host can say to an author.
fn answers(tenant: &Tenant, other: &Tenant) -> Vec<(String, Shape)> {
    let mut shapes = Vec::new();
    let mut ask = |what: &str, reply: Reply| shapes.push((what.to_owned(), shape(&reply)));
    for attack in ["trap", "panic", "exit", "fill-memory", "log-flood", "huge-result", "recurse", "host-call-flood"] {
        ask(attack, tenant.invoke("hostile", &json!({ "attack": attack, "count": 10 }).to_string()));
    }
    ask("answers", tenant.invoke("hostile", "bystander"));
    ask("an error of its own", tenant.invoke("hostile", "no json at all"));
    ask("a detailed bill", {
        let headers = [("insula-bill", "detail"), ("content-type", "application/json")];
        tenant.send("POST", "/v1/agents/hostile/invoke", &headers, Some(b"bystander"))
    });
    ask("a bill of nonsense", tenant.send("POST", "/v1/agents/hostile/invoke", &[("insula-bill", "yes")], Some(b"x")));
    ask("no such agent", tenant.invoke("absent", "x"));
    ask("no agent's name", tenant.invoke("No-Name", "x"));
    ask("too large", tenant.invoke("hostile", &"x".repeat(20 << 20)));
    ask("no key", tenant.with_key("").invoke("hostile", "x"));
    ask("a wrong key", tenant.with_key("isk_nonsense").invoke("hostile", "x"));
    ask("another tenant stated", {
        tenant.send("POST", "/v1/agents/hostile/invoke", &[("insula-tenant", &other.id)], Some(b"x"))
    });
    ask("no wasm", tenant.upload("broken", b"this is no component"));
    ask("no route", tenant.get("/v1/nothing"));
    ask("limits", tenant.get("/v1/limits"));
    ask("storage", tenant.send("PUT", "/v1/storage/bucket/key", &[], Some(b"value")));
    ask("storage read", tenant.get("/v1/storage/bucket/key"));
    shapes
}

#[test]
fn the_dev_runner_answers_as_production_does() {
    let desk = Desk::new();
    agents::hostile();
    let folder = agents::folder("tests/hostile");
    let dev = desk.start(
        &[
            ["dev", folder.to_str().unwrap(), "--json", "--listen", "127.0.0.1:0"].as_slice(),
            &["--tenant", "acme", "--tenant", "globex", "--tenant", "bystander"],
        ]
        .concat(),
    );
    let ready = dev.event("ready");
    let address = ready["url"].as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
    let tenant = |index: usize| {
        let known = &ready["tenants"][index];
        Tenant::new(address, known["tenant"].as_str().unwrap(), known["key"].as_str().unwrap())
    };
    for _ in 0..3 {
        dev.event("deployed");
    }
    let on_the_laptop = [tenant(0), tenant(1), tenant(2)];

    let data = desk.path("data");
    let served = Served::start(&desk, &data);
    let key = served.operator.clone().unwrap();
    let in_production = ["acme", "globex", "bystander"].map(|name| served.tenant(&key, name));
    for tenant in &in_production {
        tenant.deploy("hostile", agents::hostile());
    }
    let answers = [on_the_laptop, in_production].map(|[ours, theirs, bystander]| {
        let bystander = Bystander::settle(bystander);
        let answers = answers(&ours, &theirs);
        bystander.assert_untouched();
        answers
    });
    let [laptop, production] = answers;
    for (laptop, production) in laptop.iter().zip(&production) {
        assert_eq!(laptop, production, "{}", laptop.0);
    }
    assert_eq!(laptop.len(), production.len());
}
