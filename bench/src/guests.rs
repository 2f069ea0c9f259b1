//! `guests`: what it costs that guests are counted, sliced and shared out: the metering of generated code, an empty call, the
//! hand-over from one tenant's slice to another's, and a host that has nothing to do.

use std::path::Path;
use std::time::{Duration, Instant};

use insula_runtime::tenancy::{Credential, Invoke, OperatorScope, TenantScope};
use insula_runtime::{Call, EngineSettings, LimitsPatch, Runtime};
use serde::Serialize;

use crate::empty_call::{self, EmptyCall};
use crate::metering::{self, Kernel};
use crate::subject::Subject;
use crate::subjects::{self, Neighbours};
use crate::{host, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Rounds of each measurement; the least of each counts, since other work only ever adds.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// The slices of the hand-over's measurement, in microseconds: short, so that there are many.
    #[arg(long, default_value_t = 100)]
    tick_us: u64,
    /// Seconds for which the idle host is watched.
    #[arg(long, default_value_t = 5.0)]
    idle_seconds: f64,
    /// Print JSON only.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    kernels: Vec<Kernel>,
    empty_call: EmptyCall,
    slices: Slices,
    /// Of one processor, in percent.
    idle_percent: f64,
}

/// Two tenants that compute, one after the other and at once, on one guest thread.
#[derive(Debug, Serialize)]
struct Slices {
    tick_us: u64,
    one_after_the_other_ms: f64,
    at_once_ms: f64,
    hand_overs: f64,
    each_us: f64,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    output::progress("generated code with and without metering");
    let kernels = metering::measure(options.rounds)?;
    let folder = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests").join(name);
    let (echo, hostile) = (insula_cli::build(&folder("echo"), true)?, insula_cli::build(&folder("hostile"), true)?);
    let control = tokio::runtime::Runtime::new()?;
    output::progress("an empty call");
    let empty_call = control.block_on(empty_call::measure(options.rounds, &echo))?;
    output::progress("two tenants on one guest thread");
    let slices = control.block_on(slices(options, &hostile))?;
    drop(control);
    output::progress("a host that has nothing to do");
    let idle_percent = idle(&echo, &hostile, options.idle_seconds)?;
    let report = Report { kernels, empty_call, slices, idle_percent };
    if options.json {
        output::line(&serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

fn print(report: &Report) {
    output::line("computing in a guest, against the same code without metering");
    output::line("");
    output::line(&format!("  {:<12}{:>10}{:>10}{:>10}{:>10}", "", "neither", "fuel", "epoch", "both"));
    for Kernel { name, neither_ms, fuel_ms, epoch_ms, both_ms } in &report.kernels {
        output::line(&format!(
            "  {name:<12}{neither_ms:>7.1} ms{:>10.2}{:>10.2}{:>10.2}",
            fuel_ms / neither_ms,
            epoch_ms / neither_ms,
            both_ms / neither_ms
        ));
    }
    output::line("");
    output::line(&report.empty_call.line());
    output::line("");
    let Slices { tick_us, one_after_the_other_ms, at_once_ms, hand_overs, each_us } = &report.slices;
    output::line(&format!("two tenants that compute, on one guest thread, slices of {tick_us} us"));
    output::line(&format!(
        "  one after the other {one_after_the_other_ms:.1} ms, at once {at_once_ms:.1} ms: {each_us:.2} us for each of {hand_overs:.0} slices"
    ));
    output::line("");
    output::line(&format!("a host that has nothing to do: {:.2} % of one processor", report.idle_percent));
}

/// A tenant with the hostile guest, logged in.
async fn tenant(runtime: &Runtime, operator: &OperatorScope, name: &str, guest: &Path) -> anyhow::Result<TenantScope> {
    let limits = LimitsPatch {
        fuel: Some(1_000_000_000_000),
        cpu_us: Some(100_000_000),
        wall_us: Some(100_000_000),
        ..LimitsPatch::default()
    };
    let key = subjects::tenant(runtime, operator, name, &[("guest", guest)], limits).await?;
    Ok(runtime.login(&key.parse::<Credential>()?).await?)
}

async fn compute(runtime: &Runtime, scope: &TenantScope) -> anyhow::Result<()> {
    let body = br#"{"attack":"fuel-burner","iterations":40000000}"#.to_vec();
    let call = Call {
        body: body.into(),
        content_type: "application/json".into(),
        metadata: Vec::new(),
        idempotency_key: None,
    };
    let invocation = runtime.invoke(&scope.permit::<Invoke>()?, &"guest".parse()?, call).await?;
    invocation.outcome.map(drop).map_err(|failure| anyhow::anyhow!("the guest failed: {failure}"))
}

async fn slices(options: &Options, guest: &Path) -> anyhow::Result<Slices> {
    let temporary = tempfile::tempdir()?;
    let tick = Duration::from_micros(options.tick_us);
    let engine = EngineSettings { tick, guest_threads: std::num::NonZeroUsize::MIN, ..EngineSettings::standard() };
    let (runtime, operator) = subjects::open(temporary.path().join("data"), engine).await?;
    let (one, two) =
        (tenant(&runtime, &operator, "one", guest).await?, tenant(&runtime, &operator, "two", guest).await?);
    compute(&runtime, &one).await?;
    compute(&runtime, &two).await?;
    let (mut apart, mut at_once) = (Duration::MAX, Duration::MAX);
    for _ in 0..options.rounds.max(1) {
        let began = Instant::now();
        compute(&runtime, &one).await?;
        compute(&runtime, &two).await?;
        apart = apart.min(began.elapsed());
        let began = Instant::now();
        let (first, second) = tokio::join!(compute(&runtime, &one), compute(&runtime, &two));
        first.and(second)?;
        at_once = at_once.min(began.elapsed());
    }
    runtime.shutdown().await;
    let hand_overs = at_once.as_secs_f64() / tick.as_secs_f64();
    Ok(Slices {
        tick_us: options.tick_us,
        one_after_the_other_ms: apart.as_secs_f64() * 1e3,
        at_once_ms: at_once.as_secs_f64() * 1e3,
        hand_overs,
        each_us: (at_once.as_secs_f64() - apart.as_secs_f64()).max(0.0) * 1e6 / hand_overs,
    })
}

/// What an idle host takes of a processor, in percent, after it has started and taken two uploads.
fn idle(echo: &Path, hostile: &Path, seconds: f64) -> anyhow::Result<f64> {
    let subject: Subject<Neighbours> =
        Subject::start(&["serve-neighbours".into(), echo.display().to_string(), hostile.display().to_string()])?;
    // What a start leaves to do is no part of it.
    std::thread::park_timeout(Duration::from_secs(2));
    let (before, began) = (host::processor_time(subject.id())?, Instant::now());
    std::thread::park_timeout(Duration::from_secs_f64(seconds));
    let used = host::processor_time(subject.id())?.saturating_sub(before);
    Ok(used.as_secs_f64() / began.elapsed().as_secs_f64() * 100.0)
}
