//! What an author is told of a call that trapped: where it was, and what it had left. And what nobody else is told.

use serde_json::{Value, json};

use crate::harness::{Bystander, Host, Tenant, agents};

/// The echo agent, that traps in a function of this name.
fn trapping(name: &str) -> Vec<u8> {
    agents::edited(&format!("(func {name} unreachable)"), &format!("(call {name})"))
}

/// A key of this tenant that may do this.
fn with_permissions(host: &Host, tenant: &Tenant, permissions: &[&str]) -> Tenant {
    let path = format!("/v1/tenants/{}/keys", tenant.id);
    let made = host.operate("POST", &path, Some(&json!({ "permissions": permissions }))).json();
    tenant.with_key(made["key"].as_str().unwrap())
}

fn functions(problem: &Value) -> Vec<&str> {
    problem["stack"].as_array().unwrap().iter().filter_map(|frame| frame["function"].as_str()).collect()
}

#[test]
fn who_may_deploy_an_agent_is_told_where_in_it_a_call_trapped_and_nobody_else() {
    let host = Host::shared();
    let (ours, theirs) = (host.tenant("ours"), host.tenant("theirs"));
    let bystander = Bystander::settle(host.tenant("bystander"));
    ours.deploy("agent", &trapping("$the-sore-spot"));
    theirs.deploy("agent", &trapping("$another-place"));
    let reply = ours.invoke("agent", "x");
    assert_eq!((reply.status, reply.code().as_str()), (500, "agent-trap"));
    let problem = reply.json();
    assert_eq!(functions(&problem)[0], "the-sore-spot", "{problem}");
    let budget = problem["budget"].as_array().unwrap();
    let fuel = budget.iter().find(|allowance| allowance["name"] == "fuel").unwrap();
    assert_eq!(fuel["used"].as_u64(), Some(reply.bill("fuel")), "{problem}");
    assert!(fuel["limit"].as_u64().unwrap() > reply.bill("fuel"));

    // Who calls for somebody else sees that it trapped, and not where.
    let caller = with_permissions(host, &ours, &["invoke"]);
    let told = caller.invoke("agent", "x").json();
    assert_eq!((&told["code"], &told["stack"], &told["budget"]), (&json!("agent-trap"), &Value::Null, &Value::Null));
    let log = ours.get("/v1/logs?agent=agent").text();
    assert!(log.contains("in the-sore-spot") && !log.contains("another-place"), "{log}");
    assert_eq!(functions(&theirs.invoke("agent", "x").json())[0], "another-place");
    bystander.assert_untouched();
}

#[test]
fn names_are_cut_and_drive_no_terminal() {
    let host = Host::shared();
    let (ours, theirs) = (host.tenant("ours"), host.tenant("theirs"));
    let bystander = Bystander::settle(host.tenant("bystander"));
    for tenant in [&ours, &theirs] {
        tenant.deploy("agent", &trapping(&format!("$\"\\1b[2J{}\"", "x".repeat(60_000))));
        let problem = tenant.invoke("agent", "x").json();
        let name = functions(&problem)[0].to_owned();
        assert!(name.starts_with("\u{fffd}[2Jxxx") && name.len() <= 200, "{name}");
        assert!(!tenant.get("/v1/logs?agent=agent").text().contains("\\u001b"));
    }
    bystander.assert_untouched();
}
