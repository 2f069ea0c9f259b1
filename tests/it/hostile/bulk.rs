//! Attacks by bulk instructions: one of them may move all of a memory, and the host must be able to end the call between
//! any two, and to use the slot again.

use serde_json::json;

use super::assert_neighbours_answer;
use crate::harness::{Host, Tenant, agents};

/// Each for ever, over all that there is.
const BULK: [(&str, &str); 6] = [
    ("memory.fill", "(memory.fill $big (i32.const 0) (i32.const 170) (i32.const 16777216))"),
    ("memory.copy", "(memory.copy $big $big (i32.const 1) (i32.const 0) (i32.const 16777215))"),
    ("memory.init", "(memory.init $big $piece (i32.const 0) (i32.const 0) (i32.const 65536))"),
    ("table.fill", "(table.fill $table (i32.const 0) (ref.func $f) (i32.const 20000))"),
    ("table.copy", "(table.copy $table $table (i32.const 1) (i32.const 0) (i32.const 19999))"),
    ("table.init", "(table.init $table $some (i32.const 0) (i32.const 0) (i32.const 1000))"),
];

fn agent(instruction: &str) -> Vec<u8> {
    let (piece, some) = ("x".repeat(65_536), "$f ".repeat(1_000));
    let declarations = format!(
        "(memory $big 256) (table $table 20000 funcref) (func $f) (elem $some func {some}) (data $piece \"{piece}\")"
    );
    let body =
        format!("(if (i32.eq (local.get $body-length) (i32.const 4)) (then (loop $again {instruction} (br $again))))");
    agents::edited(&declarations, &body)
}

fn end(tenant: &Tenant, agent: &str, code: &str) -> crate::harness::Reply {
    let reply = tenant.invoke(agent, "fill");
    assert_eq!(reply.code(), code, "{agent}: {}", reply.text());
    // The very slot, or one like it, for a call that does nothing of the kind.
    assert_eq!(tenant.invoke(agent, "hello").text(), "hello", "{agent}");
    reply
}

#[test]
fn bulk_instructions_are_interrupted_by_fuel_processor_time_and_deadline() {
    let host = Host::shared();
    let ends = [
        ("fuel-exhausted", json!({ "fuel": 200_000_000, "cpu-us": 20_000_000, "wall-us": 60_000_000 })),
        ("cpu-exhausted", json!({ "cpu-us": 100_000, "wall-us": 60_000_000, "fuel": 10_000_000_000_000_u64 })),
        ("deadline-exceeded", json!({ "wall-us": 400_000, "cpu-us": 20_000_000, "fuel": 10_000_000_000_000_u64 })),
    ];
    for (code, limits) in ends {
        let tenant = host.tenant_with("bulk", &limits);
        for (name, instruction) in BULK {
            let name = name.replace('.', "-");
            tenant.deploy(&name, &agent(instruction));
            let reply = end(&tenant, &name, code);
            let (used, limit) = match code {
                "fuel-exhausted" => (reply.bill("fuel"), 200_000_000),
                "cpu-exhausted" => (reply.bill("cpu-us"), 100_000),
                _ => (reply.bill("wall-us"), 400_000),
            };
            assert!(used >= limit, "{name}: the bill says why: {}", reply.header("insula-bill"));
        }
        assert_neighbours_answer();
    }
}

#[test]
fn bulk_instructions_outside_of_what_there_is_trap() {
    let tenant = Host::shared().tenant("outside");
    let outside = [
        "(memory.fill $big (i32.const -1) (i32.const 1) (i32.const 16))",
        "(memory.copy $big $big (i32.const 0) (i32.const 16777215) (i32.const 2))",
        "(memory.init $big $piece (i32.const 0) (i32.const 65000) (i32.const 1000))",
        "(table.fill $table (i32.const 19999) (ref.func $f) (i32.const 2))",
        "(table.copy $table $table (i32.const 0) (i32.const 1) (i32.const 20000))",
        "(table.init $table $some (i32.const 0) (i32.const 999) (i32.const 2))",
    ];
    for (number, instruction) in outside.iter().enumerate() {
        let name = format!("outside-{number}");
        tenant.deploy(&name, &agent(instruction));
        end(&tenant, &name, "agent-trap");
    }
    assert_neighbours_answer();
}
