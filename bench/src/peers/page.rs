//! The page of a run: a table and plots for people, and the raw figures beside them.

use std::fs;
use std::path::Path;

use super::plot::{Bar, bars};
use super::{Range, Report, Row};

/// What the others are compared with: our echo in Rust.
pub(super) const OURS: &str = "insula, Rust";

/// The table as a terminal shows it.
pub(super) fn table(report: &Report) -> Vec<String> {
    let mut lines = vec![
        format!(
            "echo over HTTP, {} connections, {} processors for subject and load together",
            report.connections, report.machine.processors
        ),
        String::new(),
        format!("  {:<20}{:>12}{:>9}{:>9}{:>12}{:>12}", "", "requests/s", "ratio", "ours is", "p50", "p99"),
    ];
    for row in &report.rows {
        let latency = if row.bears(report.rate) {
            format!("{:>9.0} us{:>9.0} us", row.p50().median, row.p99().median)
        } else {
            format!("{:>12}{:>12}", "-", "-")
        };
        let times = times(report, row).map_or_else(String::new, |times| format!("{times:.2}x"));
        lines.push(format!(
            "  {:<20}{:>12.0}{:>9.3}{times:>9}{latency}",
            row.name,
            row.rate().median,
            ratio(report, row)
        ));
    }
    lines.extend(report.missing.iter().map(|missing| format!("  {:<20}left out: {}", missing.name, missing.why)));
    lines.push(String::new());
    lines.push(format!("  p50 and p99: at {} requests/s, from when each was due", report.rate));
    lines
}

/// Of the medians, against the yardstick, which comes first.
fn ratio(report: &Report, row: &Row) -> f64 {
    report.rows.first().map_or(0.0, |yardstick| row.rate().median / yardstick.rate().median)
}

/// How many times as fast as this one our Rust echo is, by the medians.
fn times(report: &Report, row: &Row) -> Option<f64> {
    let ours = report.rows.iter().find(|row| row.name == OURS)?;
    (row.name != OURS).then(|| ours.rate().median / row.rate().median)
}

/// Writes the page, its plots, and the raw figures.
pub(super) fn write(report: &Report, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("raw.json"), serde_json::to_string_pretty(report)? + "\n")?;
    let plot = |of: fn(&Row) -> Range, unit: &str| -> Vec<Bar<'_>> {
        let bar = |row| {
            let range = of(row);
            let label = format!("{}{unit}", grouped(range.median));
            Bar { name: row.name, range, is_ours: row.name.starts_with("insula"), label }
        };
        let shown = report.rows.iter().filter(|row| unit == "/s" || row.bears(report.rate));
        shown.map(bar).collect()
    };
    fs::write(folder.join("rate.svg"), bars("Requests a second (more is better)", &plot(Row::rate, "/s")))?;
    let title = format!("p50 at {} requests a second, in microseconds (less is better)", report.rate);
    fs::write(folder.join("p50.svg"), bars(&title, &plot(Row::p50, " us")))?;
    let title = format!("p99 at {} requests a second, in microseconds (less is better)", report.rate);
    fs::write(folder.join("p99.svg"), bars(&title, &plot(Row::p99, " us")))?;
    fs::write(folder.join("README.md"), text(report))?;
    Ok(())
}

fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn text(report: &Report) -> String {
    let cell =
        |range: Range| format!("{} ({} to {})", grouped(range.median), grouped(range.least), grouped(range.most));
    let mut lines = vec![
        "# Beside its peers".to_owned(),
        String::new(),
        "Made by `cargo xtask bench`. Edit nothing here: the next run writes it anew.".to_owned(),
        String::new(),
        format!(
            "An echo of 64 bytes over HTTP/1.1 on {} kept connections; host and load on the same {} processors, rounds of {} s in \
             turns, every answer compared with what was sent. Rates are those of a closed loop. Latencies are those of an \
             open loop of {} requests a second, counted from when a request was due. Medians, with the least and the most of the \
             rounds. What counts is the ratio: absolute figures are this machine's.",
            report.connections, report.machine.processors, report.seconds, report.rate
        ),
        String::new(),
        "![Requests a second](rate.svg)".to_owned(),
        String::new(),
        "![p50](p50.svg)".to_owned(),
        String::new(),
        "![p99](p99.svg)".to_owned(),
        String::new(),
        "| | What it is | Requests/s | Against axum | Our Rust echo is | p50, us | p99, us |".to_owned(),
        "|---|---|---|---|---|---|---|".to_owned(),
    ];
    lines.extend(report.rows.iter().map(|row| {
        let latency = |range| if row.bears(report.rate) { cell(range) } else { "more than it bears".to_owned() };
        let (rate, p50, p99) = (cell(row.rate()), latency(row.p50()), latency(row.p99()));
        let times = times(report, row).map_or_else(String::new, |times| format!("{times:.2} times as fast"));
        format!("| {} | {} | {rate} | {:.3} | {times} | {p50} | {p99} |", row.name, row.what, ratio(report, row))
    }));
    lines.push(String::new());
    lines
        .extend(report.missing.iter().map(|missing| format!("Left out: {}, because {}.\n", missing.name, missing.why)));
    let machine = &report.machine;
    lines.push(format!(
        "Machine: {}, {} processors, {} GiB, Linux {}. Command: `{}`. Raw figures: [raw.json](raw.json).",
        machine.processor, machine.processors, machine.memory_gib, machine.kernel, report.command
    ));
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_separators() {
        let shown = [0.4, 999.0, 1_000.0, 1_234_567.0].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }
}
