//! What calls leave resident in slots of the pool that nobody uses: it is counted, and taken back from whoever left it.

use std::num::NonZeroU64;

use insula_runtime::HostSettings;
use serde_json::json;

use crate::harness::{Bystander, Host, agents, eventually};

const HOST: u64 = 128 << 20;
/// What a call may have, of which the pool keeps the half.
const CALL: u64 = 8 << 20;
/// What they keep is more than a quarter of the host.
const CALLS: u64 = 10;

fn metric(host: &Host, name: &str) -> u64 {
    let metrics = host.operate("GET", "/metrics", None).text();
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("insula_{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
}

#[test]
fn memory_that_a_tenants_calls_leave_in_the_pool_is_taken_back_and_its_neighbours_keep_theirs() {
    let guest_memory_bytes = NonZeroU64::new(HOST).unwrap();
    let host = Host::start(HostSettings { guest_memory_bytes, ..HostSettings::standard() });
    let minute = 60_000_000;
    let greedy = host.tenant_with("greedy", &json!({ "memory-bytes": CALL, "concurrency": 16, "wall-us": minute }));
    greedy.deploy("hostile", agents::hostile());
    let neighbour = host.tenant_with("neighbour", &json!({ "memory-bytes": CALL }));
    neighbour.deploy("echo", &agents::text("echo"));
    let bystander = Bystander::settle(host.tenant("bystander"));
    assert_eq!(neighbour.invoke("echo", "before").text(), "before");

    let fills = |call: u64| {
        let key = format!("key-{call}");
        let attack = json!({ "attack": "hold-lease", "key": key, "then": "gate", "bytes": CALL * 3 / 4 });
        greedy.invoke("hostile", &attack.to_string())
    };
    std::thread::scope(|scope| {
        let held: Vec<_> = (0..CALLS).map(|call| scope.spawn(move || fills(call))).collect();
        for call in 0..CALLS {
            let path = format!("/v1/storage/leases/key-{call}");
            eventually("all of them are in", || (greedy.get(&path).text() == "held").then_some(()));
        }
        assert_eq!(neighbour.invoke("echo", "beside").text(), "beside");
        let loaded = metric(&host, "components_loaded");
        assert!(greedy.send("PUT", "/v1/storage/leases/gate", &[], Some(b"open")).status < 300);
        for call in held {
            let reply = call.join().unwrap();
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        eventually("it is taken back", || {
            let kept = metric(&host, "guest_memory_kept_bytes");
            (kept <= HOST / 4 && metric(&host, "components_loaded") == loaded - 1).then_some(())
        });
    });
    for (tenant, agent) in [(&neighbour, "echo"), (&greedy, "hostile")] {
        let reply = tenant.invoke(agent, "bystander");
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    bystander.assert_untouched();
}
