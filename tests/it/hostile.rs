//! A hostile guest, one attack a test: the exact error, a bill that says why, and a neighbour that keeps answering with
//! its data untouched.

mod abandoned;
mod birth;
mod bulk;
mod kept;
mod leases;
mod lives;
mod resident;
mod timing;

use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::harness::{Bystander, Host, Reply, Tenant, agents};

struct Stage {
    attacker: Tenant,
    neighbour: Tenant,
    bystander: Bystander,
}

/// One attacker and its neighbours, for all attacks: what one leaves behind, the next one meets.
fn stage() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(|| {
        let host = Host::shared();
        let limits = json!({
            "cpu-us": 500_000, "wall-us": 5_000_000, "memory-bytes": 32 << 20, "host-calls": 5_000,
            "host-bytes": 16 << 20, "log-bytes": 16 << 10, "response-bytes": 1 << 20, "value-bytes": 256 << 10,
            "storage-bytes": 1 << 20, "storage-keys": 1_000, "cache-bytes": 1 << 20, "table-elements": 20_000,
        });
        let attacker = host.tenant_with("attacker", &limits);
        attacker.deploy("hostile", agents::hostile());
        let neighbour = host.tenant("neighbour");
        neighbour.deploy("hostile", agents::hostile());
        Stage { attacker, neighbour, bystander: Bystander::settle(host.tenant("bystander")) }
    })
}

/// Attacks, and then asks the neighbours how they are.
fn attack(request: &Value) -> Reply {
    let stage = stage();
    let reply = stage.attacker.invoke("hostile", &request.to_string());
    assert_neighbours_answer();
    assert!(reply.bill("wall-us") > 0, "a call that ran has a bill");
    reply
}

fn assert_neighbours_answer() {
    let answer = stage().neighbour.invoke("hostile", "bystander");
    assert_eq!((answer.status, answer.text().as_str()), (200, "still here"));
    stage().bystander.assert_untouched();
}

#[track_caller]
fn assert_fails(request: &Value, status: u16, code: &str) -> Reply {
    let reply = attack(request);
    assert_eq!((reply.status, reply.code().as_str()), (status, code), "{}", reply.text());
    reply
}

fn answer(request: &Value) -> Value {
    let reply = attack(request);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

#[test]
fn a_spin_is_stopped_by_its_processor_time() {
    let reply = assert_fails(&json!({ "attack": "spin" }), 508, "cpu-exhausted");
    assert!(reply.bill("cpu-us") >= 500_000, "the bill says why: {}", reply.header("insula-bill"));
    assert!(reply.bill("fuel") > 20_000_000, "fuel is billed up to the end: {}", reply.header("insula-bill"));
}

#[test]
fn a_spin_is_stopped_by_its_fuel_where_that_comes_first() {
    let host = Host::shared();
    let tenant = host.tenant_with("fuelled", &json!({ "fuel": 5_000_000 }));
    tenant.deploy("hostile", agents::hostile());
    let reply = tenant.invoke("hostile", "spin");
    assert_eq!((reply.status, reply.code().as_str()), (508, "fuel-exhausted"));
    assert_eq!(reply.bill("fuel"), 5_000_000);
    assert_neighbours_answer();
}

#[test]
fn deep_recursion_overflows_its_own_stack_only() {
    let reply = assert_fails(&json!({ "attack": "recurse" }), 500, "agent-trap");
    assert!(reply.json()["detail"].as_str().unwrap().contains("stack"), "{}", reply.text());
    assert!(reply.bill("fuel") > 1_000, "{}", reply.header("insula-bill"));
}

#[test]
fn a_host_function_at_the_bottom_of_the_stack_has_room() {
    let limits = json!({ "host-calls": 1_000_000, "log-bytes": 1, "cpu-us": 20_000_000, "wall-us": 120_000_000 });
    let tenant = Host::shared().tenant_with("deep", &limits);
    tenant.deploy("hostile", agents::hostile());
    let reply = tenant.invoke("hostile", "recurse-calling");
    assert_eq!((reply.status, reply.code().as_str()), (500, "agent-trap"), "{}", reply.text());
    assert!(reply.json()["detail"].as_str().unwrap().contains("stack"), "{}", reply.text());
    assert!(reply.bill("host-calls") > 100, "it called all the way down: {}", reply.header("insula-bill"));
    assert_neighbours_answer();
}

#[test]
fn memory_grows_up_to_the_limit_and_no_further() {
    let reply = assert_fails(&json!({ "attack": "grow-memory" }), 507, "memory-exhausted");
    assert!(reply.bill("peak-memory") <= 32 << 20, "{}", reply.header("insula-bill"));
    assert!(reply.bill("peak-memory") > 31 << 20, "the bill says why: {}", reply.header("insula-bill"));
}

#[test]
fn a_guest_that_takes_a_refusal_politely_goes_on() {
    let reply = attack(&json!({ "attack": "grow-memory-politely" }));
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.bill("peak-memory") <= 32 << 20);
}

#[test]
fn several_memories_share_one_limit() {
    let tenant = &stage().attacker;
    let agent = agents::edited(
        "(memory $second 1) (memory $third 1)",
        "(if (i32.eq (i32.const -1) (memory.grow $second (i32.const 300))) (then unreachable))
         (if (i32.eq (i32.const -1) (memory.grow $third (i32.const 300))) (then unreachable))",
    );
    tenant.deploy("memories", &agent);
    let reply = tenant.invoke("memories", "{}");
    assert_eq!((reply.status, reply.code().as_str()), (507, "memory-exhausted"), "{}", reply.text());
    assert_neighbours_answer();
}

#[test]
fn a_memory_that_starts_over_the_limit_never_starts() {
    let tenant = &stage().attacker;
    tenant.deploy("born-large", &agents::edited("(memory $large 2000)", ""));
    let reply = tenant.invoke("born-large", "{}");
    assert_eq!((reply.status, reply.code().as_str()), (507, "memory-exhausted"), "{}", reply.text());
    assert_neighbours_answer();
}

#[test]
fn tables_grow_up_to_the_limit_and_no_further() {
    let tenant = &stage().attacker;
    let agent = agents::edited(
        "(table $table 1 funcref)",
        "(loop $again
           (br_if $again (i32.ne (i32.const -1) (table.grow $table (ref.null func) (i32.const 1000)))))
         unreachable",
    );
    tenant.deploy("tables", &agent);
    let reply = tenant.invoke("tables", "{}");
    assert_eq!((reply.status, reply.code().as_str()), (507, "memory-exhausted"), "{}", reply.text());
    assert_neighbours_answer();
}

#[test]
fn handles_run_out_before_the_host_does() {
    assert_fails(&json!({ "attack": "handle-flood" }), 507, "memory-exhausted");
}

#[test]
fn a_result_over_the_limit_is_not_lifted() {
    assert_fails(&json!({ "attack": "huge-result", "bytes": 2 << 20 }), 502, "response-too-large");
    assert_fails(&json!({ "attack": "huge-result", "bytes": 8 << 20 }), 502, "response-too-large");
}

#[test]
fn an_error_or_metadata_over_the_limit_is_not_lifted() {
    assert_fails(&json!({ "attack": "huge-error", "bytes": 8 << 20 }), 502, "response-too-large");
    let reply = attack(&json!({ "attack": "huge-metadata", "count": 1_000 }));
    assert_eq!((reply.status, reply.code().as_str()), (502, "invalid-response"), "{}", reply.text());
}

#[test]
fn an_argument_over_the_limit_is_an_error_or_ends_the_call() {
    let told = answer(&json!({ "attack": "huge-argument", "bytes": 512 << 10 }));
    assert_eq!(told["error"], "value-too-large");
    assert_fails(&json!({ "attack": "huge-argument", "bytes": 8 << 20 }), 507, "host-bytes-exhausted");
    let told = answer(&json!({ "attack": "huge-list", "count": 1_000 }));
    assert_eq!(told["error"], "too-many");
    assert_fails(&json!({ "attack": "huge-list", "count": 100_000 }), 507, "host-bytes-exhausted");
}

#[test]
fn a_flood_of_log_lines_is_cut_to_its_budget_and_counted() {
    let reply = attack(&json!({ "attack": "log-flood", "count": 4_000 }));
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.bill("log-bytes") <= 16 << 10);
    assert_eq!(reply.bill("log-dropped"), 4_000 - (16 << 10) / 100);
}

#[test]
fn a_flood_on_standard_output_and_error_is_cut_to_the_same_budget() {
    for attack_name in ["stdout-flood", "stderr-flood"] {
        let reply = attack(&json!({ "attack": attack_name, "count": 4_000 }));
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.bill("log-bytes") <= 16 << 10);
        assert!(reply.bill("log-dropped") > 3_000, "{}", reply.header("insula-bill"));
    }
}

#[test]
fn endless_empty_writes_keep_nothing_and_end_with_the_processor_time() {
    let reply = attack(&json!({ "attack": "stdout-empty-writes" }));
    assert!(["cpu-exhausted", "fuel-exhausted"].contains(&reply.code().as_str()), "{}", reply.text());
    assert_eq!(reply.bill("log-bytes"), 0);
}

#[test]
fn a_flood_of_host_calls_ends_at_its_limit() {
    let reply = assert_fails(&json!({ "attack": "host-call-flood" }), 508, "host-calls-exhausted");
    assert_eq!(reply.bill("host-calls"), 5_001, "the one too many is counted and not done");
}

#[test]
fn a_flood_of_host_bytes_ends_at_its_limit() {
    for attack_name in ["host-bytes-flood", "list-flood"] {
        let reply = assert_fails(&json!({ "attack": attack_name }), 507, "host-bytes-exhausted");
        assert!(reply.bill("host-bytes") > 16 << 20, "the bill says why: {}", reply.header("insula-bill"));
    }
}

#[test]
fn a_flood_of_commits_ends_at_its_limit_and_keeps_what_was_acknowledged() {
    let tenant = Host::shared().tenant_with("committer", &json!({ "host-calls": 200, "wall-us": 120_000_000 }));
    tenant.deploy("hostile", agents::hostile());
    let reply = tenant.invoke("hostile", "commit-flood");
    assert_eq!((reply.status, reply.code().as_str()), (508, "host-calls-exhausted"), "{}", reply.text());
    assert_eq!(reply.bill("host-calls"), 201);
    assert_eq!(tenant.get("/v1/storage/commit-flood/number").body, 200_i64.to_le_bytes());
    assert_neighbours_answer();
}

#[test]
fn random_bytes_without_end_are_not_made() {
    let reply = assert_fails(&json!({ "attack": "random", "bytes": 1 << 30 }), 500, "agent-trap");
    assert!(reply.bill("peak-memory") < 2 << 20, "{}", reply.header("insula-bill"));
    assert_eq!(answer(&json!({ "attack": "random", "bytes": 64 << 10 }))["got"], 64 << 10);
}

#[test]
fn a_value_that_would_take_the_whole_cache_is_refused() {
    let told = answer(&json!({ "attack": "cache-huge", "bytes": 300 << 10 }));
    assert_eq!(told["error"], "value-too-large", "{told}");
}

#[test]
fn storage_is_filled_to_its_quota_and_says_so() {
    let tenant = Host::shared().tenant_with("hoarder", &json!({ "storage-bytes": 1 << 20, "storage-keys": 100 }));
    tenant.deploy("hostile", agents::hostile());
    for (request, unit) in [(r#"{"attack":"storage-flood"}"#, "bytes"), (r#"{"attack":"many-keys"}"#, "keys")] {
        let told = tenant.invoke("hostile", request).json();
        assert_eq!(told["error"]["code"], "quota-exceeded", "{told}");
        assert!(told["error"]["message"].as_str().unwrap().contains(unit), "{told}");
    }
    assert_neighbours_answer();
}

#[test]
fn a_flooded_cache_evicts_its_own_and_stays_in_its_budget() {
    answer(&json!({ "attack": "cache-flood", "bytes": 10_000, "count": 500 }));
    let statistics = stage().attacker.get("/v1/cache").json();
    assert!(statistics["bytes"].as_u64().unwrap() <= 1 << 20, "{statistics}");
    assert!(statistics["evicted"].as_u64().unwrap() > 0, "{statistics}");
}

#[test]
fn forged_ids_and_names_reach_nothing_of_another_tenant() {
    let neighbour = &stage().neighbour;
    neighbour.deploy("probe", agents::probe());
    let put = json!({ "call": "storage.put", "bucket": "private", "key": "secret", "value": "the canary" });
    assert!(neighbour.probe(&put)["ok"].is_number());
    let request = json!({
        "attack": "forged-ids", "tenant": neighbour.id, "bucket": "private", "key": "secret", "write": true,
    });
    let told = answer(&request).to_string();
    assert!(!told.contains("the canary"), "{told}");
    let get = json!({ "call": "storage.get", "bucket": "private", "key": "secret" });
    assert_eq!(neighbour.probe(&get)["ok"]["value"], "the canary");
}

#[test]
fn a_panic_a_trap_and_an_exit_fail_one_call() {
    for attack_name in ["panic", "trap", "exit"] {
        assert_fails(&json!({ "attack": attack_name }), 500, "agent-trap");
    }
}

#[test]
fn an_answer_that_would_forge_headers_is_not_sent() {
    for part in ["content-type", "name", "value"] {
        let reply = assert_fails(&json!({ "attack": "garbage-output", "part": part }), 502, "invalid-response");
        assert_eq!(reply.header("insula-tenant"), stage().attacker.id);
        assert_eq!(reply.header("set-cookie"), "");
    }
}

#[test]
fn a_long_sleep_ends_at_the_deadline_and_holds_no_thread() {
    let sleepers: Vec<_> =
        (0..8).map(|_| std::thread::spawn(|| stage().attacker.invoke("hostile", r#"{"attack":"sleep"}"#))).collect();
    assert_neighbours_answer();
    for sleeper in sleepers {
        let reply = sleeper.join().unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (504, "deadline-exceeded"), "{}", reply.text());
        assert!(reply.bill("cpu-us") < 500_000, "it slept: {}", reply.header("insula-bill"));
    }
}

#[test]
fn a_short_sleep_is_an_ordinary_thing() {
    let reply = attack(&json!({ "attack": "sleep-short" }));
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.bill("wall-us") >= 20_000);
}

#[test]
fn half_of_two_writes_is_one_whole_write() {
    let tenant = Host::shared().tenant_with("half", &json!({ "cpu-us": 100_000, "wall-us": 2_000_000 }));
    tenant.deploy("hostile", agents::hostile());
    for (then, code) in [("trap", "agent-trap"), ("spin", "cpu-exhausted"), ("sleep", "deadline-exceeded")] {
        let request = json!({ "attack": "half-writes", "then": then, "message": then });
        assert_eq!(tenant.invoke("hostile", &request.to_string()).code(), code);
        assert_eq!(tenant.get("/v1/storage/half-writes/a").text(), then, "what was acknowledged is there, whole");
        assert_eq!(tenant.get("/v1/storage/half-writes/b").status, 404, "what was not begun is not");
    }
    assert_neighbours_answer();
}

#[test]
fn files_sockets_and_the_environment_are_not_there() {
    for attack_name in ["filesystem", "socket"] {
        let told = answer(&json!({ "attack": attack_name })).to_string();
        assert!(!told.contains("\"ok\""), "{attack_name}: {told}");
    }
    let told = answer(&json!({ "attack": "environment" }));
    assert_eq!(told["variables"], json!([]), "{told}");
}

#[test]
fn an_error_of_the_agents_own_has_the_status_of_its_code() {
    for (code, status) in
        [("bad-request", 400), ("not-found", 404), ("conflict", 409), ("unprocessable", 422), ("odd", 422)]
    {
        let reply = attack(&json!({ "attack": "error", "code": code, "message": "as told" }));
        assert_eq!((reply.status, reply.code().as_str()), (status, "agent-error"), "{}", reply.text());
        assert_eq!(reply.json()["agent-code"], code);
        assert_eq!(reply.json()["detail"].as_str().map(|detail| detail.contains("as told")), Some(true));
    }
}
