//! What the probes are worth: each passes on a sound engine, and each fails where its own limit was taken away.

use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use insula_host_api::CallLimits;
use tokio::runtime::Handle;
use wasmtime::{Store, StoreLimits, StoreLimitsBuilder, UpdateDeadline};
use wasmtime_wasi::WasiView as _;

use super::attempt::{ATTEMPTS, Attempt, Preparation};
use super::{Bench, probe};
use crate::engine::{GuestState, SharedEngine, Ticker, config, prepare};
use crate::scheduler::Scheduler;
use crate::settings::EngineSettings;

const PLENTY: NonZeroU64 = NonZeroU64::new(1 << 40).unwrap();

/// A sound engine, and the threads on it.
struct Machine {
    engine: SharedEngine,
    threads: Scheduler,
    _ticker: Ticker,
}

impl Machine {
    fn start(engine: SharedEngine, tick: Duration) -> Self {
        let ticker = Ticker::start(engine.as_ref().clone(), tick).unwrap();
        let threads = Scheduler::start(2, tick, &ticker, &Handle::current()).unwrap();
        Self { engine, threads, _ticker: ticker }
    }

    fn sound() -> Self {
        let settings = settings();
        Self::start(SharedEngine::new(config::runtime(&settings).unwrap()), settings.tick)
    }

    fn bench(&self) -> Bench {
        Bench::new(&self.engine, &self.threads.handle()).unwrap()
    }
}

fn settings() -> EngineSettings {
    EngineSettings { instances: 4, guest_threads: NonZeroUsize::MIN, ..EngineSettings::standard() }
}

fn attempt(name: &str) -> &'static Attempt {
    ATTEMPTS.iter().find(|attempt| attempt.name == name).unwrap()
}

/// Counts with wasmtime's own limiter in place of ours, which looks at each memory and table apart.
fn count_apart(store: &mut Store<GuestState>, limits: &StoreLimits) {
    let limits = limits.clone();
    // Leaked, since it must live as long as the store's data and may not be in it (T4).
    store.limiter(move |_| Box::leak(Box::new(limits.clone())));
}

/// The set-up of a call, and one mistake in it.
macro_rules! mistake {
    ($store:ident: $mistake:expr) => {{
        let preparation: Preparation = |$store, limits, scheduler| {
            prepare($store, limits, scheduler)?;
            $mistake;
            Ok(())
        };
        preparation
    }};
}

/// The ways in which the set-up of a call could be wrong, by the probe that must notice.
fn mistakes() -> [(&'static str, Preparation); 8] {
    [
        ("fuel", mistake!(store: store.set_fuel(u64::MAX / 2)?)),
        ("cpu", mistake!(store: store.set_epoch_deadline(1 << 40))),
        ("epoch", mistake!(store: store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Continue(1))))),
        ("memory", mistake!(store: count_apart(store, &StoreLimitsBuilder::new().memory_size(300_000).build()))),
        ("table", mistake!(store: count_apart(store, &StoreLimits::default()))),
        ("handles", mistake!(store: store.set_max_component_handles(1 << 30))),
        (
            "resources",
            mistake!(store: {
                store.set_max_component_handles(1 << 30);
                store.data_mut().ctx().table.set_max_capacity(1 << 30);
            }),
        ),
        ("lift", mistake!(store: store.set_hostcall_fuel(1 << 30))),
    ]
}

type Raise = fn(&mut CallLimits);

/// Limits that are not the store's own: taken away where the call is told what it may use.
const RAISED: [(&str, Raise); 5] = [
    ("deadline", |limits| limits.wall_us = PLENTY),
    ("host-calls", |limits| limits.host_calls = PLENTY),
    ("host-bytes", |limits| limits.host_bytes = PLENTY),
    ("output", |limits| limits.log_bytes = PLENTY),
    ("response", |limits| limits.response_bytes = PLENTY),
];

#[tokio::test(flavor = "multi_thread")]
async fn on_a_sound_engine_every_limit_bites() {
    let machine = Machine::sound();
    let checks = probe(&machine.engine, &machine.threads.handle()).await;
    assert!(checks.iter().all(|check| check.passed), "{checks:#?}");
    let names: Vec<_> = checks.iter().map(|check| check.name).collect();
    assert_eq!(names, ATTEMPTS.iter().map(|attempt| attempt.name).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_probe_notices_when_its_own_limit_does_not_bite() {
    let machine = Machine::sound();
    let bench = machine.bench();
    let mut tried = vec!["stack"];
    for (name, mistake) in mistakes() {
        let check = bench.check(attempt(name), mistake).await;
        assert!(!check.passed, "{name}: {}", check.detail);
        tried.push(name);
    }
    for (name, raise) in RAISED {
        let raised = attempt(name).but(raise);
        let check = bench.check(&raised, prepare).await;
        assert!(!check.passed, "{name}: {}", check.detail);
        tried.push(name);
    }
    for attempt in ATTEMPTS {
        assert!(tried.contains(&attempt.name), "nothing shows that the probe of {} can fail", attempt.name);
        // What one probe met is over with it.
        assert!(bench.check(attempt, prepare).await.passed, "{}", attempt.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_of_the_stack_notices_an_engine_with_another_stack() {
    let settings = settings();
    let deep = config::runtime_with(&settings, |config| {
        config.max_wasm_stack(512 << 20).async_stack_size(520 << 20);
    });
    let machine = Machine::start(SharedEngine::new(deep.unwrap()), settings.tick);
    let check = machine.bench().check(attempt("stack"), prepare).await;
    assert!(!check.passed, "{}", check.detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_whose_epoch_stands_still_is_found_out() {
    let machine = Machine::start(Machine::sound().engine, Duration::from_secs(3_600));
    let checks = probe(&machine.engine, &machine.threads.handle()).await;
    let failed: Vec<_> = checks.iter().filter(|check| !check.passed).map(|check| check.name).collect();
    assert_eq!(failed, ["cpu", "epoch"], "{checks:#?}");
}
