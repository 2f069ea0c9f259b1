//! Hosts with more components than they keep loaded: what makes room, or was not called for a while, is loaded again, and
//! nobody notices but by the time of a call.

use std::num::NonZeroUsize;
use std::time::Duration;

use insula_runtime::HostSettings;

use crate::harness::{Bystander, Desk, Host, ON_FREE_PORTS, Served, agents, eventually};

/// A gauge of the host's.
fn gauge(metrics: &str, name: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
}

fn loaded(host: &Host) -> u64 {
    gauge(&host.operate("GET", "/metrics", None).text(), "insula_components_loaded")
}

#[test]
fn components_that_make_room_for_others_are_loaded_again_and_answer_as_before() {
    let components = NonZeroUsize::new(2).unwrap();
    let host = Host::start(HostSettings { components, ..HostSettings::standard() });
    let bystander = Bystander::settle(host.tenant("bystander"));
    let tenants = [host.tenant("acme"), host.tenant("globex")];
    for tenant in &tenants {
        tenant.deploy("one", &agents::another_version(agents::echo(), "one"));
        tenant.deploy("two", &agents::another_version(agents::echo(), "two"));
    }
    for _ in 0..3 {
        for tenant in &tenants {
            for agent in ["one", "two"] {
                let reply = tenant.invoke(agent, "hello");
                assert_eq!((reply.status, loaded(&host) <= 2), (200, true), "{}", reply.text());
            }
        }
        bystander.assert_untouched();
    }
}

#[test]
fn components_that_nobody_calls_are_let_go_of_and_loaded_again_by_a_call() {
    let host = Host::start(HostSettings { component_idle: Duration::from_millis(1), ..HostSettings::standard() });
    let bystander = Bystander::settle(host.tenant("bystander"));
    let tenants = [host.tenant("acme"), host.tenant("globex")];
    for tenant in &tenants {
        tenant.deploy("echo", agents::echo());
    }
    for _ in 0..2 {
        eventually("no component is loaded", || (loaded(&host) == 0).then_some(()));
        for tenant in &tenants {
            assert_eq!(tenant.invoke("echo", tenant.id.as_str()).text(), tenant.id);
        }
    }
    bystander.assert_untouched();
}

#[test]
fn a_host_knows_what_its_machine_has_also_where_it_gave_up_its_rights() {
    let desk = Desk::new();
    let limits = |data: &str, more: &[&str]| {
        let data = desk.path(data);
        let serve = ["serve", "--data", data.to_str().unwrap()];
        let host = Served::from(desk.start(&[serve.as_slice(), ON_FREE_PORTS.as_slice(), more].concat()));
        let operator = host.operator.clone().unwrap();
        let metrics = host.operate(&operator, "GET", "/metrics", None).text();
        ["insula_guest_memory_limit_bytes", "insula_components_limit"].map(|name| gauge(&metrics, name))
    };
    assert_eq!(limits("shut-in", &[]), limits("free", &["--no-landlock"]));
}
