//! `echo`: what a fresh store, a fair scheduler, authentication, limits and a bill cost over doing nothing at all.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};
use serde::Serialize;

use crate::load::Measured;
use crate::output;
use crate::subjects::Listening;

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
    let (axum_rate, insula_rate) = (median(&axum), median(&insula));
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

fn median(rounds: &[Measured]) -> f64 {
    let mut rates: Vec<f64> = rounds.iter().map(Measured::rate).collect();
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(0.0)
}

/// A subject in a process of its own. Dropped, its input ends and it stops.
struct Subject {
    child: Child,
    listening: Listening,
}

impl Subject {
    fn start(arguments: &[String]) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("a subject without output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let listening = serde_json::from_str(&line).context("a subject did not start")?;
        Ok(Self { child, listening })
    }

    fn load(&self, connections: usize, seconds: f64) -> anyhow::Result<Measured> {
        let Listening { address, path, key } = &self.listening;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["load", &address.to_string(), path, &connections.to_string(), &seconds.to_string()]);
        if let Some(key) = key {
            command.args(["--key", key]);
        }
        let output = command.stderr(Stdio::inherit()).output()?;
        ensure!(output.status.success(), "the load failed");
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
