//! Places, waits and refusals, over HTTP: who has a limit of its own is told so, who is within its share is served, and
//! whoever goes away leaves nothing behind.

use std::num::{NonZeroU64, NonZeroUsize};

use insula_runtime::HostSettings;
use serde_json::json;

use crate::harness::{Bystander, Host, Raw, Reply, Tenant, agents, eventually};

const MEMORY: u64 = 128 << 20;

/// A host of so many places and so many waiting calls. Its operator's metrics say what it holds.
fn host(concurrency: usize, queue: usize) -> Host {
    let number = |number| NonZeroUsize::new(number).unwrap();
    Host::start(HostSettings { concurrency: number(concurrency), queue: number(queue), ..HostSettings::standard() })
}

/// A tenant whose calls wait and hold for a minute, if nobody ends that.
fn tenant(host: &Host, name: &str, concurrency: u64, queue: u64) -> Tenant {
    let minute = 60_000_000;
    let limits = json!({ "concurrency": concurrency, "queue": queue, "queue-us": minute, "wall-us": minute });
    let tenant = host.tenant_with(name, &limits);
    tenant.deploy("hostile", agents::hostile());
    tenant
}

fn metric(host: &Host, name: &str) -> u64 {
    let metrics = host.operate("GET", "/metrics", None).text();
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("insula_{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
}

fn until_waiting(host: &Host, calls: u64) {
    eventually("so many calls wait", || (metric(host, "calls_waiting") == calls).then_some(()));
}

fn nothing_is_held(host: &Host) {
    for name in ["calls_in_flight", "calls_waiting", "guest_memory_reserved_bytes"] {
        eventually(name, || (metric(host, name) == 0).then_some(()));
    }
}

/// A call that holds its place until the tenant's gate is open.
fn hold(tenant: &Tenant, key: &str) -> Reply {
    tenant.invoke("hostile", &json!({ "attack": "hold-lease", "key": key, "then": "gate" }).to_string())
}

fn until_held(tenant: &Tenant, key: &str) {
    let path = format!("/v1/storage/leases/{key}");
    eventually("the place is held", || (tenant.get(&path).text() == "held").then_some(()));
}

fn open_the_gate(tenant: &Tenant) {
    assert!(tenant.send("PUT", "/v1/storage/leases/gate", &[], Some(b"open")).status < 300);
}

/// A short call.
fn ask(tenant: &Tenant) -> Reply {
    tenant.invoke("hostile", "bystander")
}

/// A short call on a connection that the test can close.
fn begin_to_ask(host: &Host, tenant: &Tenant) -> Raw {
    let mut raw = Raw::connect(host.address);
    raw.head("POST", "/v1/agents/hostile/invoke", &tenant.key, &["content-length: 9"]).send("bystander");
    raw
}

#[track_caller]
fn assert_busy(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, reply.code().as_str()), (status, code), "{}", reply.text());
    assert!(reply.header("retry-after").parse::<u64>().unwrap() >= 1);
}

#[test]
fn a_tenant_at_its_rate_is_told_when_to_come_back_and_its_neighbour_is_served() {
    let host = Host::shared();
    let fast = host.tenant_with("fast", &json!({ "rate": 1, "burst": 8 }));
    let (quiet, bystander) = (host.tenant("quiet"), Bystander::settle(host.tenant("bystander")));
    for tenant in [&fast, &quiet] {
        tenant.deploy("echo", agents::echo());
    }
    assert_eq!(fast.invoke("echo", "hello").header("ratelimit"), "", "there is plenty left");
    let mut told = String::new();
    let refused = (0..1_000).find_map(|_| {
        let reply = fast.invoke("echo", "hello");
        if reply.status == 429 {
            return Some(reply);
        }
        assert_eq!(reply.status, 200, "{}", reply.text());
        told.push_str(reply.header("ratelimit"));
        None
    });
    let refused = refused.expect("a thousand calls were let in at a rate of one a second");
    assert!(told.contains(r#""calls";r=1;t=1"#), "it was not told that little is left: {told}");
    assert_busy(&refused, 429, "tenant-busy");
    let problem = refused.json();
    assert_eq!((problem["limit"].as_u64(), problem["limit-name"].as_str()), (Some(1), Some("rate")));
    assert_eq!(refused.header("ratelimit-policy"), r#""calls";q=8;w=8"#);
    assert_eq!(refused.header("ratelimit"), r#""calls";r=0;t=1"#);
    assert_eq!((refused.header("retry-after"), refused.header("insula-tenant")), ("1", fast.id.as_str()));
    for _ in 0..20 {
        assert_eq!(quiet.invoke("echo", "hello").text(), "hello");
    }
    bystander.assert_untouched();
}

#[test]
fn a_call_that_waits_has_its_turn_and_is_billed_for_the_wait_apart() {
    let host = host(8, 8);
    let (ours, theirs) = (tenant(&host, "ours", 1, 4), tenant(&host, "theirs", 1, 4));
    std::thread::scope(|scope| {
        let holder = scope.spawn(|| hold(&ours, "key"));
        until_held(&ours, "key");
        let waits: Vec<_> = (0..2).map(|_| scope.spawn(|| ask(&ours))).collect();
        until_waiting(&host, 2);
        assert_eq!(ask(&theirs).bill("queued-us"), 0);
        open_the_gate(&ours);
        assert_eq!(holder.join().unwrap().status, 200);
        for wait in waits {
            let reply = wait.join().unwrap();
            assert_eq!((reply.status, reply.text().as_str()), (200, "still here"));
            assert!(reply.bill("queued-us") > 0, "{}", reply.header("insula-bill"));
        }
    });
    nothing_is_held(&host);
}

#[test]
fn a_wait_for_ones_own_calls_ends_with_429() {
    let host = host(8, 8);
    let (ours, theirs) = (tenant(&host, "ours", 1, 4), tenant(&host, "theirs", 1, 4));
    std::thread::scope(|scope| {
        let holder = scope.spawn(|| hold(&ours, "key"));
        until_held(&ours, "key");
        let patch = json!({ "limits": { "queue-us": 1 } });
        assert_eq!(host.operate("PATCH", &format!("/v1/tenants/{}", ours.id), Some(&patch)).status, 200);
        let refused = ask(&ours);
        assert_busy(&refused, 429, "tenant-busy");
        assert_eq!(refused.json()["limit-name"], "concurrency");
        assert_eq!(ask(&theirs).status, 200);
        open_the_gate(&ours);
        assert_eq!(holder.join().unwrap().status, 200);
    });
    nothing_is_held(&host);
}

#[test]
fn a_client_that_leaves_while_it_waits_frees_its_place_in_line() {
    let host = host(8, 8);
    let (ours, theirs) = (tenant(&host, "ours", 1, 1), tenant(&host, "theirs", 1, 1));
    std::thread::scope(|scope| {
        let holder = scope.spawn(|| hold(&ours, "key"));
        until_held(&ours, "key");
        let gone = begin_to_ask(&host, &ours);
        until_waiting(&host, 1);
        let refused = ask(&ours);
        assert_busy(&refused, 429, "tenant-busy");
        assert_eq!((refused.json()["limit"].as_u64(), refused.json()["limit-name"].as_str()), (Some(1), Some("queue")));
        assert_eq!(ask(&theirs).status, 200);
        drop(gone);
        until_waiting(&host, 0);
        let stays = scope.spawn(|| ask(&ours));
        until_waiting(&host, 1);
        open_the_gate(&ours);
        assert_eq!((holder.join().unwrap().status, stays.join().unwrap().status), (200, 200));
    });
    nothing_is_held(&host);
}

#[test]
fn a_full_host_sheds_the_greedy_tenants_newest_and_serves_who_is_within_its_share() {
    let host = host(2, 2);
    let (greedy, modest) = (tenant(&host, "greedy", 60, 60), tenant(&host, "modest", 60, 60));
    let bystander = Bystander::settle(host.tenant("bystander"));
    std::thread::scope(|scope| {
        let holders = ["one", "two"].map(|key| {
            let holder = scope.spawn(|| hold(&greedy, key));
            until_held(&greedy, key);
            holder
        });
        let oldest = scope.spawn(|| ask(&greedy));
        until_waiting(&host, 1);
        let newest = scope.spawn(|| ask(&greedy));
        until_waiting(&host, 2);
        // It would be its own newest.
        assert_busy(&ask(&greedy), 503, "host-busy");
        let served = scope.spawn(|| ask(&modest));
        assert_busy(&newest.join().unwrap(), 503, "host-busy");
        assert!(!served.is_finished() && !oldest.is_finished());
        until_waiting(&host, 2);
        open_the_gate(&greedy);
        assert_eq!(served.join().unwrap().text(), "still here");
        assert_eq!(oldest.join().unwrap().text(), "still here");
        assert!(holders.into_iter().all(|holder| holder.join().unwrap().status == 200));
    });
    let metrics = host.operate("GET", "/metrics", None).text();
    for line in [r#"{reason="shed"} 1"#, r#"{reason="host-queue"} 1"#, r#"{reason="tenant-rate"} 0"#] {
        assert!(metrics.contains(&format!("insula_calls_refused_total{line}")), "{line} in {metrics}");
    }
    bystander.assert_untouched();
    nothing_is_held(&host);
}

#[test]
fn calls_without_an_end_do_not_keep_a_tenant_from_its_first_place() {
    let host = host(16, 32);
    let long = [tenant(&host, "long", 16, 16), tenant(&host, "longer", 16, 16)];
    let (quiet, bystander) = (tenant(&host, "quiet", 16, 16), Bystander::settle(host.tenant("bystander")));
    let keys: Vec<_> = (0..9).map(|number| format!("key-{number}")).collect();
    std::thread::scope(|scope| {
        let held: Vec<_> =
            keys.iter().flat_map(|key| long.each_ref().map(|tenant| scope.spawn(|| hold(tenant, key)))).collect();
        eventually("all is held that is lent", || (metric(&host, "calls_in_flight") == 14).then_some(()));
        until_waiting(&host, 4);
        for _ in 0..20 {
            assert_eq!(ask(&quiet).text(), "still here");
        }
        assert_eq!((metric(&host, "calls_in_flight"), metric(&host, "calls_waiting")), (14, 4));
        long.iter().for_each(open_the_gate);
        for call in held {
            assert_eq!(call.join().unwrap().status, 200);
        }
    });
    nothing_is_held(&host);
    bystander.assert_untouched();
}

#[test]
fn memory_is_reserved_before_a_call_begins_and_what_can_never_fit_is_told_so() {
    let memory = NonZeroU64::new(MEMORY).unwrap();
    let host = Host::start(HostSettings { guest_memory_bytes: memory, ..HostSettings::standard() });
    let (ours, theirs) = (tenant(&host, "ours", 8, 8), tenant(&host, "theirs", 8, 8));
    let large = host.tenant_with("large", &json!({ "memory-bytes": MEMORY + 65_536 }));
    large.deploy("hostile", agents::hostile());
    std::thread::scope(|scope| {
        let holder = scope.spawn(|| hold(&ours, "key"));
        until_held(&ours, "key");
        assert_eq!(metric(&host, "guest_memory_reserved_bytes"), MEMORY);
        let waits = scope.spawn(|| ask(&theirs));
        until_waiting(&host, 1);
        let never = ask(&large);
        assert_eq!((never.status, never.code().as_str()), (503, "host-too-small"), "{}", never.text());
        assert_eq!((never.json()["limit"].as_u64(), never.header("retry-after")), (Some(MEMORY), ""));
        open_the_gate(&ours);
        assert_eq!((holder.join().unwrap().status, waits.join().unwrap().status), (200, 200));
    });
    nothing_is_held(&host);
}

#[test]
fn a_suspended_tenants_calls_wait_no_longer_and_its_neighbours_do() {
    let host = host(1, 8);
    let (ours, theirs) = (tenant(&host, "ours", 8, 8), tenant(&host, "theirs", 8, 8));
    std::thread::scope(|scope| {
        let holder = scope.spawn(|| hold(&theirs, "key"));
        until_held(&theirs, "key");
        let our_wait = scope.spawn(|| ask(&ours));
        until_waiting(&host, 1);
        let their_wait = scope.spawn(|| ask(&theirs));
        until_waiting(&host, 2);
        let suspended = host.operate("POST", &format!("/v1/tenants/{}/suspend", ours.id), None);
        assert_eq!(suspended.status, 200, "{}", suspended.text());
        let sent_away = our_wait.join().unwrap();
        assert_eq!((sent_away.status, sent_away.code().as_str()), (403, "tenant-suspended"));
        assert!(!their_wait.is_finished());
        open_the_gate(&theirs);
        assert_eq!((holder.join().unwrap().status, their_wait.join().unwrap().status), (200, 200));
    });
    nothing_is_held(&host);
}
