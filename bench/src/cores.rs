//! `cores`: what a call costs on one processor and on more: the same host, held to as many processors as it says, with the
//! load on all of them. Where nothing is waited for, a call takes the same time of a processor on one and on many.

use std::path::Path;

use anyhow::ensure;
use serde::Serialize;

use crate::figures::median;
use crate::subject::Subject;
use crate::subjects::Listening;
use crate::{host, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Processors for the host; without any, one, two, four and so on up to what the machine has.
    #[arg(long, value_delimiter = ',')]
    processors: Vec<usize>,
    /// Connections for each processor, with one request each at a time.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Rounds of each, interleaved.
    #[arg(long, default_value_t = 5)]
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
    processors: usize,
    /// The median of the rounds.
    rate: f64,
    /// Processor time of the host for one call, the median of the rounds.
    processor_us: f64,
    /// The same against the first row.
    against_first: f64,
}

/// A host on so many processors, and what its rounds gave.
struct Held {
    processors: usize,
    subject: Subject<Listening>,
    rates: Vec<f64>,
    costs: Vec<f64>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let component = insula_cli::build(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/echo"), true)?;
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let mut processors = options.processors.clone();
    if processors.is_empty() {
        processors = std::iter::successors(Some(1), |count| Some(count * 2)).take_while(|count| *count < all).collect();
        processors.push(all);
    }
    let mut hosts = Vec::new();
    for count in processors {
        ensure!((1..=all).contains(&count), "this machine has {all} processors, not {count}");
        let arguments =
            ["serve-insula".into(), component.display().to_string(), "--processors".into(), count.to_string()];
        let subject = Subject::start(&arguments)?;
        subject.load(options.connections * count, 1.0)?;
        hosts.push(Held { processors: count, subject, rates: Vec::new(), costs: Vec::new() });
    }
    for round in 1..=options.rounds {
        for held in &mut hosts {
            let before = host::processor_time(held.subject.id())?;
            let measured = held.subject.load(options.connections * held.processors, options.seconds)?;
            ensure!(measured.errors == 0, "{} answers were wrong: no figure is worth anything then", measured.errors);
            let took = host::processor_time(held.subject.id())?.saturating_sub(before);
            held.rates.push(measured.rate());
            held.costs.push(took.as_secs_f64() * 1e6 / (measured.rate() * measured.seconds));
        }
        output::progress(&format!("round {round}"));
    }
    let first = hosts.first().map_or(1.0, |held| median(held.costs.iter().copied()));
    let rows: Vec<_> = hosts
        .iter()
        .map(|held| {
            let processor_us = median(held.costs.iter().copied());
            let against_first = processor_us / first;
            Row { processors: held.processors, rate: median(held.rates.iter().copied()), processor_us, against_first }
        })
        .collect();
    if options.json {
        output::line(&serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    output::line(&format!(
        "fresh-store echo over HTTP, {} connections a processor, the load beside it",
        options.connections
    ));
    output::line("");
    output::line(&format!("  {:<12}{:>14}{:>22}{:>12}", "processors", "calls/s", "processor time/call", "growth"));
    for Row { processors, rate, processor_us, against_first } in rows {
        output::line(&format!("  {processors:<12}{rate:>14.0}{processor_us:>19.1} us{against_first:>12.2}"));
    }
    Ok(())
}
