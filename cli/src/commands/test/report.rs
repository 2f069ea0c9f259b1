//! How cases went: a line for each as it ends, what is wrong with those that failed, and a sum.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use crate::failure::Failure;
use crate::terminal::{self, Terminal, bold, dim, mark};

use super::case::Case;
use super::verdict::Verdict;

/// Log lines that are shown of a case that failed.
const LOG_SHOWN: usize = 20;

/// Shows verdicts in the order of the cases, each as soon as those before it are there.
pub(super) struct Report<'a> {
    terminal: &'a Terminal,
    names: usize,
}

impl<'a> Report<'a> {
    pub(super) fn new(cases: &[Case], terminal: &'a Terminal) -> Self {
        Self { terminal, names: cases.iter().map(|case| case.name.width()).max().unwrap_or(0) }
    }

    /// Shows every verdict that comes, until no more do.
    pub(super) fn follow(&self, verdicts: Receiver<(usize, Verdict)>) -> Vec<Verdict> {
        let (mut waiting, mut shown) = (BTreeMap::new(), Vec::new());
        for (index, verdict) in verdicts {
            waiting.insert(index, verdict);
            while let Some(verdict) = waiting.remove(&shown.len()) {
                self.show(&verdict);
                shown.push(verdict);
            }
        }
        shown
    }

    fn show(&self, verdict: &Verdict) {
        if self.terminal.is_json() {
            return;
        }
        let gap = " ".repeat(self.names.saturating_sub(verdict.name.width()));
        self.terminal.say(format_args!(
            "{} {}{gap}  {:>8}  {:>18}  {:>8}  {}",
            mark(verdict.complaints.is_empty()),
            bold(terminal::plain(&verdict.name)),
            terminal::plural(verdict.calls as u64, "call"),
            format!("{} fuel", terminal::count(verdict.fuel)),
            terminal::duration_us(verdict.wall_us),
            dim(terminal::plain(verdict.about.as_deref().unwrap_or_default())),
        ));
        for complaint in &verdict.complaints {
            self.terminal.say(format_args!("    {}", bold(&complaint.what)));
            for line in &complaint.lines {
                self.terminal.say(format_args!("      {line}"));
            }
        }
        if !verdict.complaints.is_empty() && !verdict.log.is_empty() {
            self.terminal.say(dim("    its log"));
            for line in verdict.log.iter().skip(verdict.log.len().saturating_sub(LOG_SHOWN)) {
                self.terminal.say(format_args!("    {}", line.shown(None)));
            }
        }
    }

    /// The sum. Cases that failed are the command's failure.
    pub(super) fn finish(&self, verdicts: &[Verdict], took: Duration, terminal: &Terminal) -> anyhow::Result<()> {
        let failed = verdicts.iter().filter(|verdict| !verdict.complaints.is_empty()).count();
        let written: usize = verdicts.iter().map(|verdict| verdict.written).sum();
        let passed = verdicts.len() - failed;
        if terminal.is_json() {
            let cases: Vec<_> = verdicts.iter().map(as_json).collect();
            terminal.json(&json!({"passed": passed, "failed": failed, "snapshots-written": written, "cases": cases}));
        } else {
            let took = terminal::duration_us(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
            terminal.note(dim(format_args!(
                "  {passed} passed, {failed} failed in {took}, each in two tenants{}",
                if written > 0 { format!("; {}", terminal::plural(written as u64, "snapshot")) } else { String::new() },
            )));
        }
        if failed == 0 {
            return Ok(());
        }
        let name = verdicts.iter().find(|verdict| !verdict.complaints.is_empty()).map_or("", |verdict| &verdict.name);
        Err(Failure::new(format_args!("{failed} of {} failed", terminal::plural(verdicts.len() as u64, "case")))
            .advise(format_args!("run one alone: `insula test --filter {name}`"))
            .into())
    }
}

fn as_json(verdict: &Verdict) -> Value {
    let plain = |line: &String| anstream::adapter::strip_str(line).to_string();
    let complaints = verdict.complaints.iter().map(
        |complaint| json!({"what": complaint.what, "lines": complaint.lines.iter().map(plain).collect::<Vec<_>>()}),
    );
    json!({
        "case": verdict.name,
        "about": verdict.about,
        "passed": verdict.complaints.is_empty(),
        "complaints": complaints.collect::<Vec<_>>(),
        "calls": verdict.calls,
        "fuel": verdict.fuel,
        "wall-us": verdict.wall_us,
    })
}
