//! What was measured, each beside its floor and its stretch.

use serde::Serialize;

use crate::output;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    tenants: usize,
    few: usize,
    rounds: usize,
    calls: usize,
    rows: Vec<Row>,
    facts: Vec<Fact>,
}

/// A figure with a target. Less is better.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    what: String,
    unit: &'static str,
    measured: f64,
    floor: f64,
    stretch: f64,
    met: &'static str,
}

/// A figure without a target.
#[derive(Debug, Serialize)]
struct Fact {
    what: String,
    unit: &'static str,
    measured: f64,
}

impl Row {
    pub(super) fn new(what: &str, unit: &'static str, measured: f64, floor: f64, stretch: f64) -> Self {
        let met = match measured {
            _ if measured <= stretch => "stretch",
            _ if measured <= floor => "floor",
            _ => "missed",
        };
        Self { what: what.to_owned(), unit, measured, floor, stretch, met }
    }
}

impl Report {
    pub(super) fn new(tenants: usize, few: usize, rounds: usize, calls: usize) -> Self {
        Self { tenants, few, rounds, calls, rows: Vec::new(), facts: Vec::new() }
    }

    pub(super) fn row(&mut self, row: Row) {
        output::progress(&format!("{}: {:.2} {} ({})", row.what, row.measured, row.unit, row.met));
        self.rows.push(row);
    }

    pub(super) fn fact(&mut self, what: &str, unit: &'static str, measured: f64) {
        output::progress(&format!("{what}: {measured:.2} {unit}"));
        self.facts.push(Fact { what: what.to_owned(), unit, measured });
    }

    pub(super) fn print(&self) {
        output::line(&format!(
            "{} tenants with an agent each, beside {}; medians of {} rounds; {} calls a round",
            self.tenants, self.few, self.rounds, self.calls
        ));
        output::line("");
        for Row { what, unit, measured, floor, stretch, met } in &self.rows {
            output::line(&format!("  {what:<66}{measured:>10.2} {unit:<6}{floor:>7} {stretch:>6}  {met}"));
        }
        output::line("");
        for Fact { what, unit, measured } in &self.facts {
            output::line(&format!("  {what:<66}{measured:>10.2} {unit}"));
        }
    }
}

/// The value that so many of a hundred do not exceed.
pub(super) fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into a list of some thousands"
    )]
    let index = (values.len() as f64 * share / 100.0) as usize;
    values.get(index.min(values.len().saturating_sub(1))).copied().unwrap_or_default()
}
