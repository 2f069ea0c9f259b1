//! One budget a call, one number for each resource: every one is tripped, with its own status and code, and the bill
//! says why; what costs fuel is billed.

use serde_json::{Value, json};

use crate::harness::{Bystander, Host, Reply, Tenant, agents};

/// A resource, how it is used up, and what comes of it.
struct Row {
    /// As problems name it.
    resource: &'static str,
    limit: u64,
    attack: Value,
    status: u16,
    code: &'static str,
    /// The figure of the bill that says why, and how much it may be short of the limit: a growth that was refused was not
    /// made, and what is not lifted is not counted.
    billed: Option<(&'static str, u64)>,
}

const fn row(
    resource: &'static str,
    limit: u64,
    attack: Value,
    status: u16,
    code: &'static str,
    billed: Option<(&'static str, u64)>,
) -> Row {
    Row { resource, limit, attack, status, code, billed }
}

fn rows() -> Vec<Row> {
    let attack = |name: &str| json!({ "attack": name });
    let large = |name: &str| json!({ "attack": name, "bytes": 8 << 20 });
    vec![
        row("fuel", 5_000_000, attack("spin"), 508, "fuel-exhausted", Some(("fuel", 0))),
        row("cpu-us", 100_000, attack("spin"), 508, "cpu-exhausted", Some(("cpu-us", 0))),
        row("wall-us", 300_000, attack("sleep"), 504, "deadline-exceeded", Some(("wall-us", 0))),
        row("memory-bytes", 8 << 20, attack("grow-memory"), 507, "memory-exhausted", Some(("peak-memory", 65_535))),
        row("table-elements", 1_000, attack("tables"), 507, "memory-exhausted", Some(("table-elements", 0))),
        row("handles", 1_024, attack("handle-flood"), 507, "memory-exhausted", None),
        row("host-calls", 100, attack("host-call-flood"), 508, "host-calls-exhausted", Some(("host-calls", 0))),
        row("host-bytes", 1 << 20, attack("host-bytes-flood"), 507, "host-bytes-exhausted", Some(("host-bytes", 0))),
        row(
            "storage-read-bytes",
            200_000,
            attack("host-bytes-flood"),
            507,
            "storage-read-exhausted",
            Some(("storage-read-bytes", 0)),
        ),
        row(
            "storage-write-bytes",
            200_000,
            attack("storage-flood"),
            507,
            "storage-write-exhausted",
            Some(("storage-write-bytes", 0)),
        ),
        row(
            "cache-traffic-bytes",
            200_000,
            attack("cache-flood"),
            507,
            "cache-traffic-exhausted",
            Some(("cache-traffic-bytes", 0)),
        ),
        row("value-bytes", 1 << 20, large("huge-argument"), 507, "host-bytes-exhausted", None),
        row("response-bytes", 1 << 20, large("huge-result"), 502, "response-too-large", None),
    ]
}

/// What grows a table by one until it is refused, and then traps.
fn tables() -> Vec<u8> {
    let again = "(br_if $again (i32.ne (i32.const -1) (table.grow $table (ref.null func) (i32.const 1))))";
    agents::edited("(table $table 1 funcref)", &format!("(loop $again {again}) unreachable"))
}

fn attacked(tenant: &Tenant, attack: &Value) -> Reply {
    let agent = if attack["attack"] == "tables" { "tables" } else { "hostile" };
    tenant.invoke(agent, &attack.to_string())
}

#[test]
fn every_resource_over_its_budget_has_its_own_error_and_the_bill_says_why() {
    let host = Host::shared();
    let (neighbour, bystander) = (host.tenant("neighbour"), Bystander::settle(host.tenant("bystander")));
    neighbour.deploy("hostile", agents::hostile());
    for Row { resource, limit, attack, status, code, billed } in rows() {
        // What no tenant sets is a constant of the host.
        let limits = if resource == "handles" { json!({}) } else { json!({ (resource): limit }) };
        let tenant = host.tenant_with("spender", &limits);
        tenant.deploy("hostile", agents::hostile());
        tenant.deploy("tables", &tables());
        let reply = attacked(&tenant, &attack);
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{resource}: {}", reply.text());
        let problem = reply.json();
        assert_eq!((&problem["resource"], &problem["limit"]), (&resource.into(), &limit.into()), "{problem}");
        if let Some((figure, short)) = billed {
            let used = reply.bill(figure);
            assert!(used + short >= limit, "{resource}: {}", reply.header("insula-bill"));
        }
        assert_eq!(neighbour.invoke("hostile", "bystander").text(), "still here", "{resource}");
        assert_eq!(tenant.invoke("hostile", "bystander").text(), "still here", "{resource}: the next call of the same");
        bystander.assert_untouched();
    }
}

#[test]
fn what_is_over_the_budget_of_traffic_is_not_done() {
    let host = Host::shared();
    let tenant = host.tenant_with("writer", &json!({ "storage-write-bytes": 200_000, "cache-traffic-bytes": 200_000 }));
    let neighbour = host.tenant("neighbour");
    for tenant in [&tenant, &neighbour] {
        tenant.deploy("hostile", agents::hostile());
    }
    assert_eq!(tenant.invoke("hostile", "storage-flood").code(), "storage-write-exhausted");
    let entries = |tenant: &Tenant| {
        let listed = tenant.get("/v1/storage/storage-flood").json();
        listed["entries"].as_array().unwrap().len()
    };
    assert_eq!(entries(&tenant), 3, "three values of 64 KiB are within the budget; the fourth is not written");
    assert_eq!(tenant.invoke("hostile", "cache-flood").code(), "cache-traffic-exhausted");
    assert_eq!(tenant.get("/v1/cache").json()["entries"], 3);
    let flood = neighbour.invoke("hostile", r#"{"attack":"storage-flood","count":5}"#);
    assert_eq!((flood.status, entries(&neighbour)), (200, 5), "{}", flood.text());
    assert_eq!(flood.bill("storage-write-bytes"), 5 * ((64 << 10) + "storage-flood".len() as u64 + 1));
    assert_eq!((flood.bill("storage-read-bytes"), flood.bill("cache-traffic-bytes")), (0, 0));
}

#[test]
fn growing_a_memory_and_a_table_costs_fuel_by_what_is_asked_for() {
    let host = Host::shared();
    let (tenant, neighbour) = (host.tenant("grower"), host.tenant("neighbour"));
    let fuel = |declarations: &str, body: String| {
        let component = agents::edited(declarations, &body);
        let bills = [&tenant, &neighbour].map(|tenant| {
            tenant.deploy("grower", &component);
            let reply = tenant.invoke("grower", "the same");
            assert_eq!(reply.status, 200, "{}", reply.text());
            reply.bill("fuel")
        });
        assert_eq!(bills[0], bills[1]);
        bills[0]
    };
    let memory = |pages: u32| fuel("", format!("(drop (memory.grow (i32.const {pages})))"));
    // A page of 64 KiB: `GROW_FUEL_PER_PAGE`.
    assert_eq!(memory(101) - memory(1), 100 * 255);
    // What is refused is paid for too: asking is work for the host.
    assert_eq!(memory(60_001) - memory(1), 60_000 * 255);
    let table = |elements: u32| {
        let grow = format!("(drop (table.grow $table (ref.null func) (i32.const {elements})))");
        fuel("(table $table 1 funcref)", grow)
    };
    assert_eq!(table(1_001) - table(1), 1_000);
}
