//! The matrix as it is read: what the quiet tenant noticed, and whether that is within the floor and the aim.

use super::attack::Attacked;
use super::{Report, Row};
use crate::load::Measured;
use crate::output;

impl Attacked {
    pub(super) fn add(&mut self, more: &Self) {
        for (status, count) in &more.answers {
            *self.answers.entry(status.clone()).or_default() += count;
        }
        self.ended += more.ended;
    }
}

/// What is compared of a row: medians over its rounds.
pub(super) struct Compared {
    pub(super) alone: Figures,
    pub(super) beside: Figures,
    pub(super) errors: u64,
}

pub(super) struct Figures {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) rate: f64,
}

impl Figures {
    fn of(rounds: &[Measured]) -> Self {
        let median = |of: &dyn Fn(&Measured) -> f64| {
            let mut values: Vec<f64> = rounds.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(0.0)
        };
        Self { p50: median(&|round| round.p50_us), p99: median(&|round| round.p99_us), rate: median(&Measured::rate) }
    }
}

impl Compared {
    fn of(row: &Row) -> Self {
        let errors = row.alone.iter().chain(&row.beside).map(|round| round.errors).sum();
        Self { alone: Figures::of(&row.alone), beside: Figures::of(&row.beside), errors }
    }

    /// `aim`, `floor`, or what is missed.
    fn verdict(&self, connections: usize) -> String {
        let Self { alone, beside, errors } = self;
        let within = |p50: f64, p99: f64| beside.p50 <= p50 && beside.p99 <= p99;
        // With as many quiet calls at once as keep the host busy, half of the host is the quiet tenant's share.
        let share = 0.9 * alone.rate / 2.0;
        let mut missed = Vec::new();
        if *errors > 0 {
            missed.push("errors");
        }
        if connections > 1 && beside.rate < share {
            missed.push("rate");
        }
        if beside.p50 > 3.0 * alone.p50 {
            missed.push("p50");
        }
        if beside.p99 > (3.0 * alone.p99).max(alone.p99 + 4_000.0) {
            missed.push("p99");
        }
        if !missed.is_empty() {
            return format!("missed: {}", missed.join(", "));
        }
        if within(2.0 * alone.p50, alone.p99 + 2_000.0) { "aim" } else { "floor" }.to_owned()
    }
}

pub(super) fn print(report: &Report) {
    output::line(&format!(
        "a quiet tenant's echo beside an attack, {} processors for host, quiet load and attack together",
        report.processors
    ));
    output::line("floor: p50 3x alone, p99 3x or 4 ms more, at 8 connections 0.9 of half the rate alone, no error");
    output::line("aim: p50 2x, p99 2 ms more");
    output::line("");
    output::line(&format!(
        "  {:<18}{:>3}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>7}  {}",
        "attack", "at", "p50 us", "alone", "p99 us", "alone", "calls/s", "alone", "errors", "within"
    ));
    for row in &report.rows {
        let compared = Compared::of(row);
        let Compared { alone, beside, errors } = &compared;
        output::line(&format!(
            "  {:<18}{:>3}{:>10.0}{:>10.0}{:>10.0}{:>10.0}{:>10.0}{:>10.0}{:>7}  {}",
            row.kind.name(),
            row.connections,
            beside.p50,
            alone.p50,
            beside.p99,
            alone.p99,
            beside.rate,
            alone.rate,
            errors,
            compared.verdict(row.connections)
        ));
    }
    if let Some(puts) = &report.puts {
        output::line("");
        output::line(&format!(
            "  durable put of the quiet tenant under fsync-flood: p50 {:.0} us, alone {:.0} us; two synchronisations beside one other writer, raw: {:.0} us",
            puts.beside_us, puts.alone_us, puts.raw_us
        ));
    }
    output::line("");
    for (kind, attacked) in &report.attacks {
        let answers: Vec<String> =
            attacked.answers.iter().map(|(status, count)| format!("{count} x {status}")).collect();
        output::line(&format!(
            "  {:<18} was answered {}; {} connections ended",
            kind.name(),
            if answers.is_empty() { "nothing".to_owned() } else { answers.join(", ") },
            attacked.ended
        ));
    }
}
