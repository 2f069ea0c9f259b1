//! Guests as text, called on a pool of one: what is left of them when they have ended, and what their end costs others.

mod guests;
mod panics;
mod residue;
mod slots;

use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use insula_host_api::bindings::AgentPre;
use insula_host_api::bindings::exports::insula::agent::handler;
use insula_host_api::{Budget, CallLimits, Grants, Host, Level, LogSink, Source};
use insula_store::Limits;
use insula_tenancy::TenantId;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use wasmtime::component::Component;
use wasmtime::{Config, Store};

use super::probe::absent;
use super::{GuestState, SharedEngine, Ticker, call, config, linker, prepare, within};
use crate::classify::classify;
use crate::respond::response;
use crate::scheduler::{CallClock, Scheduler, Weight};
use crate::settings::EngineSettings;

/// A pool of one, and threads on it.
struct Machine {
    engine: SharedEngine,
    threads: Scheduler,
    _ticker: Ticker,
}

/// What a call is told, and how far it may go.
#[derive(Clone)]
struct Order {
    how: u8,
    depth: u32,
    seed: u64,
    limits: CallLimits,
    /// Dropped where it stands when it was polled so often.
    polls: usize,
    log: Arc<Log>,
    /// What it is given beside a log. Nothing where nothing is said.
    grants: Option<Grants>,
}

/// Where the guest logs: tells whoever waits that it has come so far, and panics over a `p`.
#[derive(Default)]
struct Log {
    lines: AtomicU64,
    reached: Notify,
}

impl LogSink for Log {
    fn write(&self, _level: Level, _source: Source, message: &str) {
        self.lines.fetch_add(1, Ordering::SeqCst);
        self.reached.notify_one();
        assert!(message != "p", "a host function panics, as asked");
    }
}

impl Order {
    fn new(how: u8) -> Self {
        static SEEDS: AtomicU64 = AtomicU64::new(1);
        let seed = SEEDS.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let limit = |limit| NonZeroU64::new(limit).unwrap();
        let limits = CallLimits {
            memory_bytes: limit(9 << 20),
            fuel: limit(1 << 40),
            cpu_us: limit(20_000_000),
            wall_us: limit(60_000_000),
            response_bytes: limit(10_000),
            ..Limits::standard().call()
        };
        Self { how, depth: 1_000, seed, limits, polls: usize::MAX, log: Arc::default(), grants: None }
    }

    fn limited(mut self, change: impl FnOnce(&mut CallLimits)) -> Self {
        change(&mut self.limits);
        self
    }

    fn body(&self) -> Vec<u8> {
        [&[self.how, 0, 0, 0], &self.depth.to_le_bytes()[..], &self.seed.to_le_bytes()].concat()
    }
}

impl Machine {
    fn start(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_keeping(EngineSettings::standard().keep_resident_bytes, change)
    }

    /// With this much of each memory put back by hand, and the rest by the kernel.
    fn start_keeping(keep_resident_bytes: usize, change: impl FnOnce(&mut Config)) -> Self {
        let settings = EngineSettings { instances: 1, keep_resident_bytes, ..EngineSettings::standard() };
        let engine = SharedEngine::new(config::runtime_with(&settings, change).unwrap());
        let ticker = Ticker::start(engine.as_ref().clone(), settings.tick).unwrap();
        let threads = Scheduler::start(NonZeroUsize::MIN.get(), settings.tick, &ticker, &Handle::current()).unwrap();
        Self { engine, threads, _ticker: ticker }
    }

    fn load(&self, text: &str) -> AgentPre<GuestState> {
        let component = Component::new(&self.engine, text).unwrap_or_else(|error| panic!("{error:?}"));
        linker(&self.engine).unwrap().instantiate_pre(&component).and_then(AgentPre::new).unwrap()
    }

    /// Makes a call on the guest threads, for a tenant of its own: its answer, or the code of its failure.
    async fn call(&self, pre: &AgentPre<GuestState>, order: &Order) -> Result<Vec<u8>, &'static str> {
        let limits = order.limits;
        let clock =
            CallClock::start(Duration::from_micros(limits.wall_us.get()), Duration::from_micros(limits.cpu_us.get()));
        self.begin(pre, order, &Arc::new(clock)).await
    }

    fn begin(
        &self,
        pre: &AgentPre<GuestState>,
        order: &Order,
        clock: &Arc<CallClock>,
    ) -> impl Future<Output = Result<Vec<u8>, &'static str>> + use<> {
        let (pre, order, clock, scheduler) = (pre.clone(), order.clone(), Arc::clone(clock), self.threads.handle());
        let task_clock = Arc::clone(&clock);
        let run = async move {
            let (limits, log) = (order.limits, Arc::clone(&order.log) as Arc<dyn LogSink>);
            let grants = Grants { log: Arc::clone(&log), ..order.grants.clone().unwrap_or_else(absent) };
            let host = Host::new(grants, Budget::new(limits), Arc::clone(&clock) as _);
            let mut store = Store::new(pre.engine(), GuestState::new(host, Arc::clone(&clock), log));
            let request = handler::Request {
                body: order.body(),
                content_type: String::new(),
                metadata: Vec::new(),
                idempotency_key: None,
            };
            prepare(&mut store, &limits, scheduler).unwrap();
            let answer = at_most(order.polls, within(&clock, call(&mut store, &pre, request))).await;
            match answer {
                None => Err("dropped"),
                Some(Ok(Ok(answer))) => {
                    response(answer, &limits).map(|answer| answer.body).map_err(|failure| failure.code())
                }
                Some(Ok(Err(_))) => Err("agent-error"),
                Some(Err(error)) => Err(classify(&error, store.data(), &limits).code()),
            }
        };
        let weight = Arc::new(Weight::new(Limits::standard().weight));
        self.threads.handle().spawn(TenantId::generate(), &weight, task_clock, run)
    }
}

/// Polls a future so often at most, and drops it then.
async fn at_most<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let (mut future, mut left) = (Box::pin(future), polls);
    let mut answer = std::future::poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            // The last poll: whatever it waits for, it is dropped now.
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    });
    (&mut answer).await
}

fn words(body: &[u8]) -> Vec<u64> {
    body.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect()
}

fn few(limit: u64) -> NonZeroU64 {
    NonZeroU64::new(limit).unwrap()
}
