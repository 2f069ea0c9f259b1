//! The yardstick of metering: the same code on wasmtime itself, with fuel, with the epoch, with both and with neither.

use std::time::{Duration, Instant};

use serde::Serialize;
use wasmtime::{Config, Engine, Instance, Module, Store};

/// What one kernel took, in milliseconds: the least of all rounds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Kernel {
    pub(crate) name: &'static str,
    pub(crate) neither_ms: f64,
    pub(crate) fuel_ms: f64,
    pub(crate) epoch_ms: f64,
    pub(crate) both_ms: f64,
}

/// Names and modules: arithmetic in registers, memory in order, calls.
const KERNELS: [(&str, &str); 3] = [
    (
        "arithmetic",
        r#"(module (func (export "run") (result i64) (local $n i64) (local $i i32)
            (local.set $n (i64.const 88172645463325252))
            (loop $next
              (local.set $n (i64.xor (local.get $n) (i64.shl (local.get $n) (i64.const 13))))
              (local.set $n (i64.xor (local.get $n) (i64.shr_u (local.get $n) (i64.const 7))))
              (local.set $n (i64.xor (local.get $n) (i64.shl (local.get $n) (i64.const 17))))
              (local.set $i (i32.add (local.get $i) (i32.const 1)))
              (br_if $next (i32.lt_u (local.get $i) (i32.const 20000000))))
            (local.get $n)))"#,
    ),
    (
        "sieve",
        r#"(module (memory 64) (func (export "run") (result i64) (local $i i32) (local $j i32) (local $count i64)
            (memory.fill (i32.const 0) (i32.const 0) (i32.const 4194304))
            (local.set $i (i32.const 2))
            (loop $outer
              (if (i32.eqz (i32.load8_u (local.get $i)))
                (then
                  (local.set $count (i64.add (local.get $count) (i64.const 1)))
                  (local.set $j (i32.add (local.get $i) (local.get $i)))
                  (block $done
                    (loop $inner
                      (br_if $done (i32.ge_u (local.get $j) (i32.const 4194304)))
                      (i32.store8 (local.get $j) (i32.const 1))
                      (local.set $j (i32.add (local.get $j) (local.get $i)))
                      (br $inner)))))
              (local.set $i (i32.add (local.get $i) (i32.const 1)))
              (br_if $outer (i32.lt_u (local.get $i) (i32.const 4194304))))
            (local.get $count)))"#,
    ),
    (
        "calls",
        r#"(module (func $fib (param $n i32) (result i64)
            (if (result i64) (i32.lt_u (local.get $n) (i32.const 2))
              (then (i64.extend_i32_u (local.get $n)))
              (else (i64.add
                (call $fib (i32.sub (local.get $n) (i32.const 1)))
                (call $fib (i32.sub (local.get $n) (i32.const 2)))))))
          (func (export "run") (result i64) (call $fib (i32.const 31))))"#,
    ),
];

/// Runs each kernel in each way, in turns.
pub(crate) fn measure(rounds: usize) -> anyhow::Result<Vec<Kernel>> {
    KERNELS.iter().map(|(name, text)| kernel(name, text, rounds)).collect()
}

fn kernel(name: &'static str, text: &str, rounds: usize) -> anyhow::Result<Kernel> {
    let ways =
        [(false, false), (true, false), (false, true), (true, true)].map(|(fuel, epoch)| Way::new(text, fuel, epoch));
    let mut least = [Duration::MAX; 4];
    let mut answers = Vec::new();
    for _ in 0..rounds.max(1) {
        for (way, least) in ways.iter().zip(&mut least) {
            let way = way.as_ref().map_err(|error| anyhow::anyhow!("{name}: {error:#}"))?;
            let (took, answer) = way.run()?;
            *least = took.min(*least);
            answers.push(answer);
        }
    }
    anyhow::ensure!(answers.windows(2).all(|two| two.first() == two.last()), "{name} gives different answers");
    let [neither_ms, fuel_ms, epoch_ms, both_ms] = least.map(|least| least.as_secs_f64() * 1e3);
    Ok(Kernel { name, neither_ms, fuel_ms, epoch_ms, both_ms })
}

struct Way {
    engine: Engine,
    module: Module,
    fuel: bool,
}

impl Way {
    #[expect(clippy::disallowed_methods, reason = "the yardstick is wasmtime without the product's settings")]
    fn new(text: &str, fuel: bool, epoch: bool) -> wasmtime::Result<Self> {
        let mut config = Config::new();
        config.consume_fuel(fuel).epoch_interruption(epoch);
        let engine = Engine::new(&config)?;
        let module = Module::new(&engine, text)?;
        Ok(Self { engine, module, fuel })
    }

    fn run(&self) -> anyhow::Result<(Duration, i64)> {
        let mut store = Store::new(&self.engine, ());
        if self.fuel {
            store.set_fuel(u64::MAX)?;
        }
        store.set_epoch_deadline(1_000_000);
        let instance = Instance::new(&mut store, &self.module, &[])?;
        let run = instance.get_typed_func::<(), i64>(&mut store, "run")?;
        let began = Instant::now();
        let answer = run.call(&mut store, ())?;
        Ok((began.elapsed(), answer))
    }
}
