//! `bodies`: what bodies of many sizes cost, through the echo and through bare axum in turns, over HTTP/1.1 and HTTP/2. What
//! is measured is copies: the guest does nothing with a body but give it back.

mod load;

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::ensure;
use serde::Serialize;

use crate::figures::median;
use crate::load::Measured;
use crate::output;
use crate::subject::Subject;
use crate::subjects::Listening;

pub(crate) use load::{Options as LoadOptions, main as load};

/// What they are called, and how many bytes they have.
const SIZES: [(&str, u32); 4] = [("64 B", 64), ("64 KiB", 64 << 10), ("1 MiB", 1 << 20), ("10 MiB", 10 << 20)];

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Connections, each with one body at a time.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Rounds of each subject, in turns.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of each round.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Print JSON only.
    #[arg(long)]
    json: bool,
}

/// One size over one protocol.
#[derive(Debug, Serialize)]
struct Row {
    protocol: &'static str,
    size: &'static str,
    bytes: u32,
    axum: Vec<Measured>,
    insula: Vec<Measured>,
    /// Of the medians, in MiB of bodies a second, each way.
    axum_mib: f64,
    insula_mib: f64,
    ratio: f64,
    axum_p50_us: f64,
    insula_p50_us: f64,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let component = insula_cli::build(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/echo"), true)?;
    let mut yardstick: Subject<Listening> = Subject::start(&["serve-axum".into()])?;
    // Its other route takes bodies of any size.
    "/bodies".clone_into(&mut yardstick.listening.path);
    let product: Subject<Listening> =
        Subject::start(&["serve-insula".into(), component.display().to_string(), "--large-bodies".into()])?;
    let mut rows = Vec::new();
    for (protocol, http2) in [("HTTP/1.1", false), ("HTTP/2", true)] {
        for (size, bytes) in SIZES {
            output::progress(&format!("{size} over {protocol}"));
            let one = |at: &Listening| one(at, bytes, options, http2);
            // Warm.
            one(&yardstick.listening)?;
            one(&product.listening)?;
            let (mut axum, mut insula) = (Vec::new(), Vec::new());
            for _ in 0..options.rounds.max(1) {
                axum.push(one(&yardstick.listening)?);
                insula.push(one(&product.listening)?);
            }
            rows.push(row(protocol, size, bytes, axum, insula));
        }
    }
    if options.json {
        output::line(&serde_json::to_string_pretty(&rows)?);
    } else {
        print(&rows, options);
    }
    Ok(())
}

/// One round of load in a process of its own.
fn one(at: &Listening, bytes: u32, options: &Options, http2: bool) -> anyhow::Result<Measured> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["load-bodies", &at.address.to_string(), &at.path, &bytes.to_string()]);
    command.args([options.connections.to_string(), options.seconds.to_string()]);
    if let Some(key) = &at.key {
        command.args(["--key", key]);
    }
    if http2 {
        command.arg("--http2");
    }
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the load failed");
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn row(protocol: &'static str, size: &'static str, bytes: u32, axum: Vec<Measured>, insula: Vec<Measured>) -> Row {
    let mib = |rounds: &[Measured]| median(rounds.iter().map(Measured::rate)) * f64::from(bytes) / f64::from(1 << 20);
    let p50 = |rounds: &[Measured]| median(rounds.iter().map(|measured| measured.p50_us));
    let (axum_mib, insula_mib) = (mib(&axum), mib(&insula));
    Row {
        protocol,
        size,
        bytes,
        ratio: insula_mib / axum_mib,
        axum_mib,
        insula_mib,
        axum_p50_us: p50(&axum),
        insula_p50_us: p50(&insula),
        axum,
        insula,
    }
}

fn print(rows: &[Row], options: &Options) {
    output::line(&format!(
        "bodies through the echo and through bare axum, {} connections, every byte compared; MiB/s each way",
        options.connections
    ));
    output::line("");
    output::line(&format!(
        "  {:<10}{:<8}{:>12}{:>12}{:>8}{:>14}{:>14}",
        "", "", "axum MiB/s", "insula MiB/s", "ratio", "axum p50", "insula p50"
    ));
    for row in rows {
        output::line(&format!(
            "  {:<10}{:<8}{:>12.1}{:>12.1}{:>8.3}{:>11.0} us{:>11.0} us",
            row.protocol, row.size, row.axum_mib, row.insula_mib, row.ratio, row.axum_p50_us, row.insula_p50_us
        ));
    }
}
