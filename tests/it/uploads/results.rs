//! What became of an upload is known for the next one of the same bytes, to the tenant that made it and to no other: its
//! artefact where it compiled, its error where it did not. And who waits for a compiler, waits in turn.

use insula_runtime::HostSettings;
use serde_json::Value;

use super::compiler::wide;
use crate::harness::{Bystander, Host, Tenant, agents, eventually};
use crate::http::assert_refused;

/// How many uploads wanted a compile worker, by how they ended.
fn compilations(host: &Host, outcome: &str) -> u64 {
    let metrics = host.operate("GET", "/metrics", None).text();
    let name = format!("insula_compilations_total{{outcome=\"{outcome}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
}

fn report(tenant: &Tenant, agent: &str, component: &[u8]) -> Value {
    tenant.deploy(agent, component)["report"].clone()
}

#[test]
fn the_same_bytes_are_compiled_once_for_each_tenant_that_uploads_them() {
    let host = Host::start(HostSettings::standard());
    let (ours, theirs) = (host.tenant("ours"), host.tenant("theirs"));
    let bystander = Bystander::settle(host.tenant("bystander"));
    let (before, component) = (compilations(&host, "compiled"), agents::text("echo"));
    let first = report(&ours, "one", &component);
    assert_eq!(first["compiled"], true, "{first}");
    // The same agent again, and another of the same tenant.
    for agent in ["one", "two"] {
        let again = report(&ours, agent, &component);
        assert_eq!((&again["compiled"], &again["compile-ms"]), (&Value::from(false), &Value::from(0)), "{again}");
        assert_eq!(again["artefact-bytes"], first["artefact-bytes"]);
    }
    assert_eq!(compilations(&host, "compiled"), before + 1);
    // Whoever else has these bytes waits for a compiler as if no one had: there is nothing to be learnt from the time.
    assert_eq!(report(&theirs, "one", &component)["compiled"], true);
    assert_eq!(compilations(&host, "compiled"), before + 2);
    for tenant in [&ours, &theirs] {
        assert_eq!(tenant.invoke("one", "hello").text(), "hello");
    }
    // With the last version that uses it, the result goes.
    for agent in ["one", "two"] {
        assert_eq!(ours.send("DELETE", &format!("/v1/agents/{agent}"), &[], None).status, 204);
    }
    assert_eq!(report(&ours, "three", &component)["compiled"], true);
    bystander.assert_untouched();
}

#[test]
fn what_did_not_compile_is_refused_again_without_a_compiler_and_only_to_its_own_tenant() {
    let host = Host::start(HostSettings::standard());
    let (ours, theirs) = (host.tenant("ours"), host.tenant("theirs"));
    let bystander = Bystander::settle(host.tenant("bystander"));
    let bad = agents::edited("(func (result i32) (nop))", "");
    let first = ours.upload("one", &bad);
    assert_refused(&first, 422, "compile-failed");
    for agent in ["one", "two"] {
        let again = ours.upload(agent, &bad);
        assert_refused(&again, 422, "compile-failed");
        assert_eq!(again.json()["detail"], first.json()["detail"]);
    }
    assert_eq!(compilations(&host, "compile-failed"), 1);
    assert_refused(&theirs.upload("one", &bad), 422, "compile-failed");
    assert_eq!(compilations(&host, "compile-failed"), 2);
    // Other bytes are another matter.
    ours.deploy("one", &agents::text("echo"));
    // An erasure finds it, and leaves it not.
    let erased = host.operate("POST", &format!("/v1/tenants/{}/erase", ours.id), None).json();
    let places = erased["places"].as_array().unwrap();
    let place = places.iter().find(|place| place["place"] == "failed-uploads").unwrap();
    assert_eq!((&place["found"], &place["left"]), (&Value::from(1), &Value::from(0)), "{erased}");
    bystander.assert_untouched();
}

#[test]
fn a_tenant_that_uploads_many_does_not_keep_its_neighbours_upload_waiting_for_them() {
    let host = Host::start(HostSettings::standard());
    let (many, one) = (host.tenant("many"), host.tenant("one"));
    let bystander = Bystander::settle(host.tenant("bystander"));
    let before = compilations(&host, "compiled");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (many, component) = (many.clone(), wide(2_000 + number));
            scope.spawn(move || many.deploy("flood", &component));
        }
        eventually("the flood has begun", || (compilations(&host, "compiled") > before).then_some(()));
        one.deploy("echo", &agents::text("echo"));
        // The order is that of `Line`, and shown there. Here: it did not wait for the flood's end.
        assert!(compilations(&host, "compiled") < before + 9);
    });
    assert_eq!(compilations(&host, "compiled"), before + 9);
    assert_eq!(one.invoke("echo", "hello").text(), "hello");
    bystander.assert_untouched();
}
