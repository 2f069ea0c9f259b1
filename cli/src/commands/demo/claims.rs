//! What the tour says, and whether it was so.

use std::fmt::Display;

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::terminal::{Terminal, bold, dim, mark};

/// Writes the tour's page as it goes, and keeps its claims. For a machine, only the claims are kept.
pub(super) struct Claims<'terminal> {
    terminal: &'terminal Terminal,
    made: Vec<Claim>,
}

struct Claim {
    text: String,
    detail: String,
    held: bool,
}

impl<'terminal> Claims<'terminal> {
    pub(super) fn new(terminal: &'terminal Terminal) -> Self {
        Self { terminal, made: Vec::new() }
    }

    /// A heading and a sentence under it.
    pub(super) fn section(&self, heading: &str, sentence: &str) {
        self.line("");
        self.line(bold(heading));
        self.line(format_args!("  {}", dim(sentence)));
        self.line("");
    }

    pub(super) fn line(&self, line: impl Display) {
        if !self.terminal.is_json() {
            self.terminal.say(line);
        }
    }

    pub(super) fn lines(&self, lines: &[String]) {
        if !self.terminal.is_json() {
            self.terminal.say_all(lines);
        }
    }

    /// Says something that was checked. `detail` is what was seen; people see it when the claim does not hold.
    pub(super) fn claim(&mut self, held: bool, text: &str, detail: &str) {
        self.line(format_args!("  {} {text}", mark(held)));
        if !held {
            self.line(format_args!("    {}", dim(format_args!("seen: {detail}"))));
        }
        self.made.push(Claim { text: text.to_owned(), detail: detail.to_owned(), held });
    }

    /// Shows that something takes a while.
    pub(super) fn progress(&self, label: &str) -> crate::terminal::Progress {
        self.terminal.progress(label)
    }

    /// How many held, and how many there are.
    pub(super) fn count(&self) -> (usize, usize) {
        (self.made.iter().filter(|claim| claim.held).count(), self.made.len())
    }

    pub(super) fn all_held(&self) -> bool {
        self.made.iter().all(|claim| claim.held)
    }

    pub(super) fn list(&self) -> Value {
        self.made.iter().map(|claim| json!({"claim": claim.text, "held": claim.held, "seen": claim.detail})).collect()
    }

    /// The failure of a tour in which something did not hold.
    pub(super) fn failure(&self) -> Failure {
        let failure = Failure::new("not everything that the tour claims was so");
        let broken = self.made.iter().filter(|claim| !claim.held);
        broken
            .fold(failure, |failure, claim| failure.because(format_args!("{}: {}", claim.text, claim.detail)))
            .advise("run it again on a machine that is less busy; if it fails again, report it with this page")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_claim_that_does_not_hold_fails_the_tour() {
        let terminal = Terminal::new(true);
        let mut claims = Claims::new(&terminal);
        claims.claim(true, "water is wet", "it was");
        assert!(claims.all_held());
        claims.claim(false, "fire is cold", "it burnt");
        assert!(!claims.all_held());
        assert_eq!(claims.count(), (1, 2));
        assert_eq!(claims.failure().reasons(), ["fire is cold: it burnt"]);
    }
}
