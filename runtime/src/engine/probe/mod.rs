//! Probes at start (B5): each limit is run into on the engine in use, on the guest threads, through the very set-up that
//! calls get. A host on which one of them does not bite admits no call, and `readyz` says which.

mod attempt;
mod bare;
#[cfg(test)]
mod tests;

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant};

use insula_host_api::bindings::AgentPre;
use insula_store::Limits;
use insula_tenancy::TenantId;
use serde::Serialize;
use wasmtime::component::Component;

use self::attempt::{ATTEMPTS, Attempt, Preparation, Seen};
#[cfg(test)]
pub(crate) use self::bare::absent;
use super::{GuestState, SharedEngine, linker, prepare};
use crate::scheduler::{CallClock, SchedulerHandle, Weight};

/// The agent that runs into a limit of one's choice.
const AGENT: &str = include_str!("probe.wat");
/// How long one probe may take: each ends by the limit that it is about, or soon after by another. This is for an engine
/// on which no limit bites at all.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a probe is tried whose guest's time was over before it came to anything: the machine may be slow or busy.
const TRIES: u32 = 24;
/// Up to which of them each has twice as much time as the one before.
const LONGEST: u32 = 6;

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

/// Runs into every limit, on this engine and these threads.
pub(crate) async fn probe(engine: &SharedEngine, scheduler: &SchedulerHandle) -> Vec<Check> {
    let began = Instant::now();
    let checks = match Bench::new(engine, scheduler) {
        Ok(bench) => {
            let mut checks = Vec::with_capacity(ATTEMPTS.len());
            for attempt in ATTEMPTS {
                checks.push(bench.check(attempt, prepare).await);
            }
            checks
        }
        Err(error) => {
            let detail = format!("the agent that probes it could not be made: {error:#}");
            vec![Check { name: "engine", passed: false, detail }]
        }
    };
    let failed = checks.iter().filter(|check| !check.passed);
    for Check { name, detail, .. } in failed {
        tracing::error!(limit = name, detail, "a limit does not bite on this engine: no call is admitted");
    }
    tracing::debug!(probes = checks.len(), took = ?began.elapsed(), "limits were probed");
    checks
}

/// What the probes run on.
struct Bench {
    pre: AgentPre<GuestState>,
    scheduler: SchedulerHandle,
}

impl Bench {
    fn new(engine: &SharedEngine, scheduler: &SchedulerHandle) -> wasmtime::Result<Self> {
        let component = Component::new(engine, AGENT)?;
        let pre = linker(engine)?.instantiate_pre(&component).and_then(AgentPre::new)?;
        Ok(Self { pre, scheduler: scheduler.clone() })
    }

    /// Tries one limit. What prepares the store is the calls' own, but in the tests that show what a probe is worth.
    async fn check(&self, attempt: &Attempt, prepare: Preparation) -> Check {
        let mut verdict = Err("it was not tried".to_owned());
        for tried in 0..TRIES {
            match self.run(attempt, tried, prepare).await {
                Some(seen) if !attempt.was_tried(&seen) => {
                    verdict =
                        Err(format!("it could not be tried in {TRIES} attempts: the guest's time was over first"));
                }
                Some(seen) => {
                    verdict = attempt.judge(&seen);
                    break;
                }
                None => {
                    verdict = Err("nothing stopped the guest, and the probe was given up".to_owned());
                    break;
                }
            }
        }
        let (passed, detail) = match verdict {
            Ok(detail) => (true, detail),
            Err(detail) => (false, detail),
        };
        Check { name: attempt.name, passed, detail }
    }

    async fn run(&self, attempt: &Attempt, tried: u32, prepare: Preparation) -> Option<Seen> {
        let mut limits = attempt.limits();
        let more = NonZeroU64::MIN.saturating_add((1 << tried.min(LONGEST)) - 1);
        limits.wall_us = limits.wall_us.saturating_mul(more);
        limits.cpu_us = limits.cpu_us.saturating_mul(more);
        let micros = |limit: NonZeroU64| Duration::from_micros(limit.get());
        let clock = Arc::new(CallClock::start(micros(limits.wall_us), micros(limits.cpu_us)));
        let run = attempt.run(self.pre.clone(), limits, Arc::clone(&clock), self.scheduler.clone(), prepare);
        let weight = Arc::new(Weight::new(Limits::standard().weight));
        let task = self.scheduler.spawn(TenantId::generate(), &weight, clock, run);
        tokio::time::timeout(PATIENCE, task).await.ok()
    }
}
