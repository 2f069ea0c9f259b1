//! What a check found: where, which rule, and what to do.

use std::fmt;

/// One thing that is wrong with the tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    path: String,
    line: usize,
    fault: bool,
    rule: &'static str,
    message: String,
}

impl Finding {
    /// Whether it fails the check; a warning does not.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        self.fault
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.fault { "fault" } else { "warning" };
        write!(formatter, "{}:{}: {kind} ({}): {}", self.path, self.line, self.rule, self.message)
    }
}

/// Findings as they come.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    /// Something that must not be. Lines count from 1.
    pub(super) fn fault(&mut self, rule: &'static str, path: &str, line: usize, message: impl Into<String>) {
        self.0.push(Finding { path: path.to_owned(), line, fault: true, rule, message: message.into() });
    }

    /// Something to look at again.
    pub(super) fn warn(&mut self, rule: &'static str, path: &str, line: usize, message: impl Into<String>) {
        self.0.push(Finding { path: path.to_owned(), line, fault: false, rule, message: message.into() });
    }

    pub(super) fn sorted(mut self) -> Vec<Finding> {
        self.0.sort();
        self.0
    }
}

/// What one check finds in these files; for tests.
#[cfg(test)]
pub(super) fn found(check: fn(&super::Tree, &mut Findings), files: &[(&str, &str)]) -> Vec<String> {
    let mut findings = Findings::default();
    check(&super::Tree::of(files), &mut findings);
    findings.sorted().iter().map(ToString::to_string).collect()
}
