//! Probes at start (B5): each limit is tripped on the engine in use. A host whose limits do not bite refuses to serve.

use serde::Serialize;
use wasmtime::component::Component;
use wasmtime::{Engine, Store, StoreLimits, StoreLimitsBuilder, Trap, UpdateDeadline};

/// Whether the host may serve, and what was checked.
#[derive(Debug, Clone, Serialize)]
pub struct Readiness {
    /// Whether every check passed and the host is not going down.
    pub ready: bool,
    /// The checks.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What was tripped.
    pub name: &'static str,
    /// Whether it bit.
    pub passed: bool,
    /// What happened.
    pub detail: String,
}

/// Exports that each run into one limit.
const PROBE: &str = r#"
(component
  (core module $m
    (memory 1)
    (table 1 funcref)
    (func (export "spin") (loop br 0))
    (func $deep (export "deep") (call $deep))
    (func (export "memory") (result i32) (memory.grow (i32.const 1000)))
    (func (export "table") (result i32) (table.grow (ref.null func) (i32.const 1000))))
  (core instance $i (instantiate $m))
  (func (export "spin") (canon lift (core func $i "spin")))
  (func (export "deep") (canon lift (core func $i "deep")))
  (func (export "memory") (result s32) (canon lift (core func $i "memory")))
  (func (export "table") (result s32) (canon lift (core func $i "table"))))
"#;

/// Trips fuel, epoch, stack, memory and table on this engine.
pub(crate) async fn probe(engine: &Engine) -> Vec<Check> {
    let component = match Component::new(engine, PROBE) {
        Ok(component) => component,
        Err(error) => {
            return vec![Check {
                name: "engine",
                passed: false,
                detail: format!("the probe did not compile: {error:#}"),
            }];
        }
    };
    vec![
        traps("fuel", run(engine, &component, "spin", 10_000, false).await, Trap::OutOfFuel),
        traps("epoch", run(engine, &component, "spin", u64::MAX / 2, true).await, Trap::Interrupt),
        traps("stack", run(engine, &component, "deep", u64::MAX / 2, false).await, Trap::StackOverflow),
        refuses("memory", run(engine, &component, "memory", 1_000_000, false).await),
        refuses("table", run(engine, &component, "table", 1_000_000, false).await),
    ]
}

async fn run(
    engine: &Engine,
    component: &Component,
    export: &str,
    fuel: u64,
    interrupt: bool,
) -> wasmtime::Result<i32> {
    let limits = StoreLimitsBuilder::new().memory_size(128 << 10).table_elements(10).build();
    let mut store = Store::new(engine, limits);
    store.limiter(|limits: &mut StoreLimits| limits);
    store.set_fuel(fuel)?;
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| Ok(UpdateDeadline::Continue(1)));
    if interrupt {
        store.epoch_deadline_trap();
        engine.increment_epoch();
        engine.increment_epoch();
    }
    let linker = wasmtime::component::Linker::new(engine);
    let instance = linker.instantiate_async(&mut store, component).await?;
    if matches!(export, "memory" | "table") {
        let function = instance.get_typed_func::<(), (i32,)>(&mut store, export)?;
        Ok(function.call_async(&mut store, ()).await?.0)
    } else {
        let function = instance.get_typed_func::<(), ()>(&mut store, export)?;
        function.call_async(&mut store, ()).await?;
        Ok(0)
    }
}

fn traps(name: &'static str, outcome: wasmtime::Result<i32>, expected: Trap) -> Check {
    match outcome {
        Ok(_) => Check { name, passed: false, detail: "the guest was not stopped".to_owned() },
        Err(error) => {
            let passed = error.downcast_ref::<Trap>() == Some(&expected);
            let detail = if passed { "it bit".to_owned() } else { format!("another error came first: {error:#}") };
            Check { name, passed, detail }
        }
    }
}

fn refuses(name: &'static str, outcome: wasmtime::Result<i32>) -> Check {
    match outcome {
        Ok(-1) => Check { name, passed: true, detail: "it bit".to_owned() },
        Ok(grown) => Check { name, passed: false, detail: format!("growth was granted, from {grown}") },
        Err(error) => Check { name, passed: false, detail: format!("{error:#}") },
    }
}
