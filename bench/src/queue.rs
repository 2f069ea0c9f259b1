//! `queue`: what the fair queue's one lock is held for, and what share of the time of many guest threads that comes to.

use std::num::NonZeroUsize;
use std::time::Duration;

use insula_runtime::measuring::{QueueTurn, queue_turn};
use serde::Serialize;

use crate::figures::median;
use crate::output;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Tenants that wait.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 1_000].map(|count| NonZeroUsize::MIN.saturating_add(count - 1)))]
    tenants: Vec<NonZeroUsize>,
    /// Turns of each measurement.
    #[arg(long, default_value_t = 1_000_000)]
    turns: u32,
    /// Measurements of each, of which the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Guest threads of the host that is thought of.
    #[arg(long, default_value_t = 64.0)]
    threads: f64,
    /// How long each of its calls keeps a thread, in microseconds.
    #[arg(long, default_value_t = 30.0)]
    call_us: f64,
    /// Print JSON only.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    tenants: NonZeroUsize,
    /// One call put in and one taken out, with the lock taken twice.
    turn_ns: f64,
    /// Of it, taking the lock and giving it back, with nobody else there.
    lock_ns: f64,
    /// Of all time, in which the lock is held when all threads of the host that is thought of have calls.
    held: f64,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let slice = Duration::from_secs_f64(options.call_us / 1e6);
    let nanoseconds = |of: Duration| of.as_secs_f64() * 1e9;
    let mut rows = Vec::new();
    for tenants in options.tenants.iter().copied() {
        let measured: Vec<QueueTurn> =
            (0..options.rounds.max(1)).map(|_| queue_turn(tenants, options.turns.max(1), slice)).collect();
        let turn_ns = median(measured.iter().map(|turn| nanoseconds(turn.whole)));
        let lock_ns = median(measured.iter().map(|turn| nanoseconds(turn.lock)));
        // A thread is busy with one call, and then with one turn of the queue.
        let held = options.threads * turn_ns / (options.call_us * 1e3 + turn_ns);
        rows.push(Row { tenants, turn_ns, lock_ns, held });
    }
    if options.json {
        output::line(&serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    output::line("the fair queue: a call put in, one taken out, and its slice charged, under the lock");
    output::line("");
    output::line(&format!("  {:<16}{:>12}{:>16}{:>14}", "tenants waiting", "a turn", "the lock alone", "held"));
    for Row { tenants, turn_ns, lock_ns, held } in rows {
        output::line(&format!("  {tenants:<16}{turn_ns:>9.0} ns{lock_ns:>13.0} ns{:>12.0} %", held * 100.0));
    }
    output::line("");
    output::line(&format!(
        "held: of the time of {} threads with calls of {} us each",
        options.threads, options.call_us
    ));
    Ok(())
}
