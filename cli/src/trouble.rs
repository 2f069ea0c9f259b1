//! Where a call failed and what it had left, as an author reads it.

use std::path::Path;

use insula_runtime::Diagnosis;
use serde::{Deserialize, Serialize};

use crate::source_lines::SourceLines;
use crate::terminal;

/// Frames that are shown.
const SHOWN: usize = 8;
/// One function on a guest's stack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct Frame {
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    /// File and line, where they are known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
}

/// One resource of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct Allowance {
    name: String,
    used: u64,
    limit: u64,
}

/// Where a call was, and what it had used of what it might. Empty where that is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct Trouble {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) stack: Vec<Frame>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) budget: Vec<Allowance>,
}

impl From<&Diagnosis> for Trouble {
    fn from(diagnosis: &Diagnosis) -> Self {
        let frame = |frame: &insula_runtime::Frame| Frame {
            function: frame.function.clone(),
            module: frame.module.clone(),
            offset: frame.offset,
            location: None,
        };
        let allowance = |allowance: &insula_runtime::Allowance| Allowance {
            name: allowance.name.to_owned(),
            used: allowance.used,
            limit: allowance.limit,
        };
        Self {
            stack: diagnosis.stack.iter().map(frame).collect(),
            budget: diagnosis.budget.iter().map(allowance).collect(),
        }
    }
}

impl Trouble {
    /// Adds files and lines from the debug information of the component that ran.
    pub(crate) fn located(mut self, component: &[u8], folder: Option<&Path>) -> Self {
        if self.stack.is_empty() {
            return self;
        }
        let lines = SourceLines::of(component);
        let folder = folder.and_then(Path::to_str);
        for frame in &mut self.stack {
            frame.location = frame.offset.and_then(|offset| lines.find(frame.module.as_deref(), offset, folder));
        }
        self
    }

    /// The stack, the innermost function of the author's first, a line for each.
    pub(crate) fn stack_lines(&self) -> Vec<String> {
        let named = self.stack.iter().filter_map(|frame| Some((frame.function.as_deref()?, frame.location.as_deref())));
        let is_machinery = |name: &str| insula_runtime::Frame::is_machinery_of(name);
        let ours = named.skip_while(|(name, _)| is_machinery(name)).take(SHOWN);
        let line = |(function, location): (&str, Option<&str>)| {
            let location = location.map(|location| format!(" ({location})")).unwrap_or_default();
            format!("in {function}{location}")
        };
        ours.map(line).collect()
    }

    /// What was used of what matters for most calls: `fuel 12 of 500 (2 %)`.
    pub(crate) fn budget_line(&self) -> Option<String> {
        let shown = |allowance: &&Allowance| {
            matches!(allowance.name.as_str(), "fuel" | "memory-bytes" | "cpu-us" | "wall-us") || allowance.is_short()
        };
        let parts: Vec<_> = self.budget.iter().filter(shown).map(Allowance::shown).collect();
        (!parts.is_empty()).then(|| format!("it had used {}", parts.join(", ")))
    }
}

impl Allowance {
    /// Whether nine tenths are gone.
    fn is_short(&self) -> bool {
        self.used >= self.limit - self.limit / 10
    }

    fn shown(&self) -> String {
        let figure = |value| terminal::by_name(&self.name, value);
        let part = self.used.saturating_mul(100).checked_div(self.limit).unwrap_or(100);
        let word = match self.name.as_str() {
            "memory-bytes" => "memory",
            "cpu-us" => "processor time",
            "wall-us" => "time",
            other => other,
        };
        format!("{} of {} {word} ({part} %)", figure(self.used), figure(self.limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, location: Option<&str>) -> Frame {
        Frame { function: Some(function.to_owned()), location: location.map(str::to_owned), ..Frame::default() }
    }

    #[test]
    fn a_stack_begins_with_the_authors_own_code() {
        let trouble = Trouble {
            stack: vec![
                frame("std::panicking::rust_panic", None),
                frame("core::panicking::panic_fmt", None),
                frame("triage::parse", Some("src/lib.rs:12")),
                frame("core::ops::function::FnOnce::call_once", None),
                Frame::default(),
            ],
            ..Trouble::default()
        };
        let expected = ["in triage::parse (src/lib.rs:12)", "in core::ops::function::FnOnce::call_once"];
        assert_eq!(trouble.stack_lines(), expected);
    }

    #[test]
    fn a_budget_shows_what_matters_and_what_is_nearly_gone() {
        let allowance = |name: &str, used, limit| Allowance { name: name.to_owned(), used, limit };
        let budget = vec![
            allowance("fuel", 5, 1_000),
            allowance("memory-bytes", 1 << 20, 2 << 20),
            allowance("host-calls", 1, 100),
            allowance("host-bytes", 1 << 20, 1 << 20),
        ];
        let line = Trouble { budget, ..Trouble::default() }.budget_line();
        let expected =
            "it had used 5 of 1,000 fuel (0 %), 1 MiB of 2 MiB memory (50 %), 1 MiB of 1 MiB host-bytes (100 %)";
        assert_eq!(line.as_deref(), Some(expected));
        assert_eq!(Trouble::default().budget_line(), None);
    }
}
