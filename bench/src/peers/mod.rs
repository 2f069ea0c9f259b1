//! `peers`: the echo of other hosts beside ours and beside bare axum, in one run. Rounds take turns; a closed loop finds the
//! rate, and an open loop the latency at a load that all of them can bear, counted from when a request was due.

mod machine;
mod page;
mod plot;
mod process;
mod wasmtime;
mod workerd;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde::Serialize;

use crate::load::Measured;
use crate::output;
use crate::subject::{Subject, load};
use crate::subjects::Listening;

use machine::Machine;
use process::Process;
use workerd::Workerd;

/// Why the other multi-tenant host of this kind that crates.io has is not among them.
const WARPLINE: &str =
    "version 0.2.1, another multi-tenant host on wasmtime, asks for Rust 1.96 and this is built with 1.95";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Connections of the closed loop, each with one request at a time.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Rounds of each subject, in turns.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each round.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Requests a second of the open loop.
    #[arg(long, default_value_t = 2_000)]
    rate: u32,
    /// The program `workerd`.
    #[arg(long)]
    workerd: Option<PathBuf>,
    /// The program `wasmtime`, with its command `serve`.
    #[arg(long)]
    wasmtime: Option<PathBuf>,
    /// Write the page, its plots and the raw figures into this folder.
    #[arg(long)]
    page: Option<PathBuf>,
    /// Print JSON only.
    #[arg(long)]
    json: bool,
}

/// One subject, and what was seen of it.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    name: &'static str,
    what: &'static str,
    closed: Vec<Measured>,
    open: Vec<Measured>,
}

/// A subject that is not among them, and why.
#[derive(Debug, Serialize)]
pub(crate) struct Missing {
    name: &'static str,
    why: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    command: String,
    connections: usize,
    seconds: f64,
    rate: u32,
    rows: Vec<Row>,
    missing: Vec<Missing>,
}

impl Row {
    /// The median rate of the closed loop, with the least and the most, in requests a second.
    fn rate(&self) -> Range {
        Range::of(self.closed.iter().map(Measured::rate))
    }

    /// Whether it bears so many requests a second: where it does not, they wait for each other, and their latency is that of
    /// the line.
    fn bears(&self, rate: u32) -> bool {
        self.rate().median > f64::from(rate) * 1.1
    }

    fn p50(&self) -> Range {
        Range::of(self.open.iter().map(|measured| measured.p50_us))
    }

    fn p99(&self) -> Range {
        Range::of(self.open.iter().map(|measured| measured.p99_us))
    }
}

/// A median, and between what the rounds were.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Range {
    least: f64,
    median: f64,
    most: f64,
}

impl Range {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
        Self { least: at(0), median: at(values.len() / 2), most: at(values.len().saturating_sub(1)) }
    }
}

/// What listens, whatever it is.
enum Host {
    Ours(Subject<Listening>),
    Workerd(Workerd),
    Peer(Process),
}

impl Host {
    fn listening(&self) -> &Listening {
        match self {
            Self::Ours(subject) => &subject.listening,
            Self::Workerd(workerd) => &workerd.process.listening,
            Self::Peer(process) => &process.listening,
        }
    }
}

type Started = (&'static str, &'static str, Host);

fn start(options: &Options) -> anyhow::Result<(Vec<Started>, Vec<Missing>)> {
    let (mut hosts, mut missing) = (Vec::new(), Vec::new());
    let axum = Host::Ours(Subject::start(&["serve-axum".into()])?);
    hosts.push(("bare axum", "no guest at all", axum));
    let insula = |component: &Path| -> anyhow::Result<Host> {
        Ok(Host::Ours(Subject::start(&["serve-insula".into(), component.display().to_string()])?))
    };
    let rust = insula_cli::build(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/echo"), true)?;
    hosts.push((page::OURS, "a fresh instance for each call, every limit on", insula(&rust)?));
    for (name, folder) in [("insula, JavaScript", "guests/javascript"), ("insula, Python", "guests/python")] {
        match interpreted(folder) {
            Ok(component) => {
                hosts.push((name, "a fresh instance for each call, every limit on", insula(&component)?));
            }
            Err(error) => missing.push(Missing { name, why: format!("{error:#}") }),
        }
    }
    match Workerd::start(options.workerd.as_deref()) {
        Ok(workerd) => hosts.push(("workerd", "one warm isolate for all calls, no limits", Host::Workerd(workerd))),
        Err(error) => missing.push(Missing { name: "workerd", why: format!("{error:#}") }),
    }
    match wasmtimes(options.wasmtime.as_deref()) {
        Ok(started) => hosts.extend(started),
        Err(error) => missing.push(Missing { name: "wasmtime serve", why: format!("{error:#}") }),
    }
    missing.push(Missing { name: "warpline-host", why: WARPLINE.to_owned() });
    Ok((hosts, missing))
}

/// `wasmtime serve` in each of its settings.
fn wasmtimes(program: Option<&Path>) -> anyhow::Result<Vec<Started>> {
    output::progress("building the component for `wasmtime serve`");
    let component = wasmtime::component()?;
    let start = |setting: &wasmtime::Setting| -> anyhow::Result<Started> {
        let process = wasmtime::start(program, &component, setting).context(setting.name)?;
        Ok((setting.name, setting.what, Host::Peer(process)))
    };
    wasmtime::SETTINGS.iter().map(start).collect()
}

/// Installs what an agent is built with, and builds it.
fn interpreted(folder: &str) -> anyhow::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    output::progress(&format!("building {}", folder.display()));
    insula_cli::install(&folder, true)?;
    insula_cli::build(&folder, true)
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let (hosts, missing) = start(options)?;
    for missing in &missing {
        output::progress(&format!("left out: {}, because {}", missing.name, missing.why));
    }
    let mut rows = Vec::new();
    for (name, what, host) in &hosts {
        load(host.listening(), options.connections, 1.0, &[]).with_context(|| format!("{name} does not answer"))?;
        rows.push(Row { name, what, closed: Vec::new(), open: Vec::new() });
    }
    let rate = options.rate.to_string();
    for round in 1..=options.rounds.max(1) {
        for (row, (name, _, host)) in rows.iter_mut().zip(&hosts) {
            output::progress(&format!("round {round} of {}: {name}", options.rounds.max(1)));
            row.closed.push(load(host.listening(), options.connections, options.seconds, &[])?);
            row.open.push(load(host.listening(), options.connections, options.seconds, &["--rate", &rate])?);
        }
    }
    let errors: u64 = rows.iter().flat_map(|row| row.closed.iter().chain(&row.open)).map(|seen| seen.errors).sum();
    ensure!(errors == 0, "{errors} answers were wrong: no figure is worth anything then");
    let command = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    let report = Report {
        machine: Machine::here(),
        command: format!("insula-bench {command}"),
        connections: options.connections,
        seconds: options.seconds,
        rate: options.rate,
        rows,
        missing,
    };
    if let Some(folder) = &options.page {
        page::write(&report, folder)?;
    }
    if options.json {
        output::line(&serde_json::to_string_pretty(&report)?);
    } else {
        for line in page::table(&report) {
            output::line(&line);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_the_median_between_the_least_and_the_most() {
        let range = Range::of([5.0, 1.0, 3.0].into_iter());
        assert_eq!(range, Range { least: 1.0, median: 3.0, most: 5.0 });
        assert_eq!(Range::of(std::iter::empty()), Range { least: 0.0, median: 0.0, most: 0.0 });
    }
}
