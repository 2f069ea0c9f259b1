//! The compiler at its limits: what takes too long or too much is refused, what waits is bounded, and calls go on.

use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use insula_runtime::HostSettings;

use crate::harness::{Host, Tenant, agents};
use crate::http::assert_refused;

/// A good component that takes a compiler a while: this many functions that no one calls.
pub(crate) fn wide(functions: usize) -> Vec<u8> {
    let terms = "(local.set 0 (i64.rotl (i64.mul (local.get 0) (i64.const 7)) (i64.add (local.get 0) (i64.const 3))))"
        .repeat(12);
    agents::edited(&format!("(func (param i64) (result i64) {terms} (local.get 0))").repeat(functions), "")
}

/// A tenant that calls its agent again and again while something is done, and is answered each time.
pub(super) fn while_called<T>(tenant: &Tenant, work: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let calling = scope.spawn(|| {
            let mut calls = 0;
            while !done.load(Ordering::SeqCst) || calls == 0 {
                let reply = tenant.invoke("echo", "hello");
                assert_eq!((reply.status, reply.text().as_str()), (200, "hello"));
                calls += 1;
            }
        });
        let worked = work();
        done.store(true, Ordering::SeqCst);
        calling.join().unwrap();
        worked
    })
}

#[test]
fn what_takes_too_long_to_compile_is_given_up_and_so_is_a_queue_that_is_full() {
    let one = NonZeroUsize::MIN;
    let host = Host::start(HostSettings {
        compile_deadline: Duration::from_secs(2),
        compilers: one,
        compile_queue: one,
        ..HostSettings::standard()
    });
    let neighbour = host.tenant("neighbour");
    neighbour.deploy("echo", &agents::text("echo"));
    // A tenant's own uploads wait for each other, so that it takes three to fill one compiler and one place.
    let tenants: Vec<Tenant> = (0..3).map(|_| host.tenant("impatient")).collect();
    for tenant in &tenants {
        tenant.deploy("steady", &agents::text("echo"));
    }
    let slow = wide(30_000);
    let refusals = while_called(&neighbour, || {
        std::thread::scope(|scope| {
            let uploads: Vec<_> = tenants.iter().map(|tenant| scope.spawn(|| tenant.upload("steady", &slow))).collect();
            uploads.into_iter().map(|upload| upload.join().unwrap()).collect::<Vec<_>>()
        })
    });
    let (busy, late): (Vec<_>, Vec<_>) = refusals.iter().partition(|reply| reply.status == 503);
    assert_eq!((busy.len(), late.len()), (1, 2), "{refusals:?}");
    assert_refused(busy[0], 503, "compilers-busy");
    assert_eq!(busy[0].header("retry-after"), "5");
    for reply in late {
        assert_refused(reply, 422, "compile-timeout");
    }
    for tenant in &tenants {
        assert_eq!(tenant.invoke("steady", "hello").text(), "hello");
        assert_eq!(tenant.get("/v1/agents/steady/versions").json()["versions"].as_array().unwrap().len(), 1);
        // The compiler is free again, and nothing of the other is in its way.
        tenant.deploy("steady", &agents::edited("(global $again i32 (i32.const 1))", ""));
    }
}

#[test]
fn what_takes_too_much_memory_to_compile_is_given_up() {
    let memory = NonZeroU64::new(192 << 20).unwrap();
    let host = Host::start(HostSettings { compile_memory_bytes: memory, ..HostSettings::standard() });
    let (tenant, neighbour) = (host.tenant("greedy"), host.tenant("neighbour"));
    for tenant in [&tenant, &neighbour] {
        tenant.deploy("echo", &agents::text("echo"));
    }
    let large = wide(30_000);
    let reply = while_called(&neighbour, || tenant.upload("echo", &large));
    assert_refused(&reply, 422, "compile-memory");
    assert_eq!(tenant.invoke("echo", "hello").text(), "hello");
    assert_eq!(tenant.get("/v1/agents/echo/versions").json()["versions"].as_array().unwrap().len(), 1);
}

#[test]
fn a_component_as_large_as_pythons_passes() {
    // What componentize-py makes of a few lines: 18 MB, of which 7 are the code of 13,000 functions and the rest is data.
    // Here with the same number of functions, smaller ones, so that a machine that is busy compiles it in time as well.
    let terms = "(local.set 0 (i64.rotl (i64.mul (local.get 0) (i64.const 7)) (i64.add (local.get 0) (i64.const 3))))"
        .repeat(8);
    let functions = format!("(func (param i64) (result i64) {terms} (local.get 0))").repeat(13_000);
    let data = format!("(data \"{}\")", "insula, an island and a block of flats".repeat(480_000));
    let component = agents::edited(&format!("{functions} {data}"), "");
    assert!(component.len() > 18 << 20, "{}", component.len());
    let host = Host::shared();
    let (tenant, neighbour) = (host.tenant("pythonista"), host.tenant("neighbour"));
    neighbour.deploy("echo", &agents::text("echo"));
    let deployed = while_called(&neighbour, || tenant.deploy("large", &component));
    assert!(deployed["report"]["artefact-bytes"].as_u64().unwrap() > 20 << 20, "{deployed}");
    assert_eq!(tenant.invoke("large", "hello").text(), "hello");
}
