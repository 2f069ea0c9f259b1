//! `echo`: what a fresh store, a fair scheduler, authentication, limits and a bill cost over doing nothing at all.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use serde::Serialize;

use crate::figures::median;
use crate::load::Measured;
use crate::output;
use crate::subject::Subject;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Connections, each with one request at a time.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Rounds of each subject, interleaved.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each round.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// The echo component to call; without it, the Rust agent in tests/echo is built.
    #[arg(long)]
    component: Option<PathBuf>,
    /// The epoch's tick, in microseconds.
    #[arg(long, default_value_t = 500)]
    tick_us: u64,
    /// Guest threads; without it, as many as there are processors.
    #[arg(long)]
    guest_threads: Option<usize>,
    /// Print JSON only.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    connections: usize,
    processors: usize,
    axum: Vec<Measured>,
    insula: Vec<Measured>,
    axum_rate: f64,
    insula_rate: f64,
    /// Of the medians.
    ratio: f64,
    axum_alone: Measured,
    insula_alone: Measured,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let component = match &options.component {
        Some(component) => component.clone(),
        None => insula_cli::build(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/echo"), true)?,
    };
    let yardstick = Subject::start(&["serve-axum".into()])?;
    let mut arguments =
        vec!["serve-insula".into(), component.display().to_string(), "--tick-us".into(), options.tick_us.to_string()];
    if let Some(threads) = options.guest_threads {
        arguments.extend(["--guest-threads".into(), threads.to_string()]);
    }
    let product = Subject::start(&arguments)?;
    for subject in [&yardstick, &product] {
        subject.load(options.connections, 1.0)?;
    }
    let (mut axum, mut insula) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        axum.push(yardstick.load(options.connections, options.seconds)?);
        insula.push(product.load(options.connections, options.seconds)?);
        if let (Some(a), Some(i)) = (axum.last(), insula.last()) {
            output::progress(&format!(
                "round {round}: axum {:.0}/s, insula {:.0}/s, {:.3}",
                a.rate(),
                i.rate(),
                i.rate() / a.rate()
            ));
        }
    }
    let (axum_alone, insula_alone) = (yardstick.load(1, options.seconds)?, product.load(1, options.seconds)?);
    let errors: u64 = axum.iter().chain(&insula).map(|measured| measured.errors).sum();
    ensure!(errors == 0, "{errors} answers were wrong: no figure is worth anything then");
    let (axum_rate, insula_rate) = (median(axum.iter().map(Measured::rate)), median(insula.iter().map(Measured::rate)));
    let report = Report {
        connections: options.connections,
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        ratio: insula_rate / axum_rate,
        axum_rate,
        insula_rate,
        axum,
        insula,
        axum_alone,
        insula_alone,
    };
    if options.json {
        output::line(&serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

fn print(report: &Report) {
    output::line(&format!(
        "fresh-store echo over HTTP, {} connections, {} processors for subject and load together",
        report.connections, report.processors
    ));
    output::line("");
    output::line(&format!("  {:<18}{:>12}{:>12}{:>12}", "", "requests/s", "p50 at 1", "p99 at 1"));
    for (name, rate, alone) in
        [("bare axum", report.axum_rate, &report.axum_alone), ("insula", report.insula_rate, &report.insula_alone)]
    {
        output::line(&format!("  {name:<18}{rate:>12.0}{:>9.0} us{:>9.0} us", alone.p50_us, alone.p99_us));
    }
    output::line("");
    output::line(&format!("  ratio of medians: {:.3}", report.ratio));
}
