//! `languages`: what a call costs in each language: the same echo, over HTTP, one call at a time, each in a fresh store.

use std::path::Path;

use anyhow::ensure;
use serde::Serialize;

use crate::calls::billed_us;
use crate::output;
use crate::subject::Subject;

/// The echoes, Rust's first: it is what the others stand beside.
const ECHOES: [(&str, &str); 4] = [
    ("Rust", "tests/echo"),
    ("JavaScript, QuickJS", "bench/guests/javascript"),
    ("JavaScript, SpiderMonkey", "bench/guests/spidermonkey"),
    ("Python", "bench/guests/python"),
];

/// Calls in each round whose bills are read.
const BILLED: usize = 200;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Rounds of each language, interleaved; the best of each counts, since other work only ever adds.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of each round.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Print JSON only.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    language: &'static str,
    component_bytes: u64,
    p50_us: f64,
    p99_us: f64,
    /// The median beyond that of Rust.
    over_rust_us: f64,
    /// The median of `wall-us` in the bills: the store, the instance and the call, without HTTP.
    call_us: f64,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let mut subjects = Vec::new();
    for (language, path) in ECHOES {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
        if language != "Rust" {
            output::progress(&format!("{language}: packages"));
            insula_cli::install(&folder, true)?;
        }
        output::progress(&format!("{language}: build and upload"));
        let component = insula_cli::build(&folder, true)?;
        let subject = Subject::start(&["serve-insula".into(), component.display().to_string()])?;
        subject.load(1, 0.5)?;
        subjects.push((language, component.metadata()?.len(), subject, (f64::MAX, f64::MAX, f64::MAX)));
    }
    for round in 1..=options.rounds {
        for (language, _, subject, (p50, p99, call)) in &mut subjects {
            let measured = subject.load(1, options.seconds)?;
            ensure!(measured.errors == 0, "{language}: {} answers were wrong", measured.errors);
            (*p50, *p99) = (p50.min(measured.p50_us), p99.min(measured.p99_us));
            *call = call.min(billed_us(&subject.listening, BILLED)?);
        }
        output::progress(&format!("round {round}"));
    }
    let rust = subjects.first().map_or(0.0, |(_, _, _, (p50, ..))| *p50);
    let row = |(language, component_bytes, _, (p50_us, p99_us, call_us))| {
        let over_rust_us = p50_us - rust;
        Row { language, component_bytes, p50_us, p99_us, over_rust_us, call_us }
    };
    let rows: Vec<_> = subjects.into_iter().map(row).collect();
    if options.json {
        output::line(&serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    output::line("fresh-store echo over HTTP, one call at a time");
    output::line("");
    output::line(&format!(
        "  {:<26}{:>12}{:>12}{:>12}{:>12}{:>12}",
        "", "component", "call", "p50", "p99", "over Rust"
    ));
    for Row { language, component_bytes, p50_us, p99_us, over_rust_us, call_us } in rows {
        let kib = component_bytes / 1_024;
        let figures = [call_us, p50_us, p99_us, over_rust_us].map(|figure| format!("{figure:>9.0} us")).concat();
        output::line(&format!("  {language:<26}{kib:>8} KiB{figures}"));
    }
    Ok(())
}
