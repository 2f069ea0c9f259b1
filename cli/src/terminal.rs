//! What people and scripts see: the one module that writes to standard output and standard error (A1).
//!
//! Results go to standard output, everything else to standard error. Styles are written as ANSI sequences and taken out
//! again by anstream wherever there is no terminal or `NO_COLOR` is set. Text from elsewhere (a host's answer, an
//! agent's message) goes through [`plain`] first, so that it cannot drive the reader's terminal; the one exception is
//! the body of an agent's answer, which is passed on byte by byte.

mod ask;
mod number;
mod progress;
mod style;
mod table;

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::failure::Failure;

pub(crate) use number::{amount, by_name, bytes, clock, count, day, duration_us, moment, plural};
use progress::Place;
pub(crate) use progress::Progress;
pub(crate) use style::{bad, bold, dim, good, mark, warn};
pub(crate) use table::{Cell, Table, facts, steps};

/// Where output goes, and in which form. Copies write to the same place.
#[derive(Debug, Clone)]
pub(crate) struct Terminal {
    json: bool,
    state: Arc<State>,
    progress: Place,
}

/// What became of standard output.
#[derive(Debug, Default)]
struct State {
    /// The reader went away: nothing more needs to be written.
    closed: AtomicBool,
    /// A write failed for another reason, such as a full disk: the command must not end with success.
    failed: AtomicBool,
}

impl Terminal {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, state: Arc::default(), progress: Place::default() }
    }

    /// Whether results are for a machine.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// A line of the result.
    pub(crate) fn say(&self, line: impl Display) {
        self.check(self.progress.aside(|| writeln!(anstream::stdout().lock(), "{line}")));
    }

    /// Lines of the result.
    pub(crate) fn say_all(&self, lines: &[String]) {
        for line in lines {
            self.say(line);
        }
    }

    /// A line beside the result: progress, logs, hints.
    pub(crate) fn note(&self, line: impl Display) {
        // Where standard error is closed there is no one left to tell.
        let _ = self.progress.aside(|| writeln!(anstream::stderr().lock(), "{line}"));
    }

    /// Lines beside the result.
    pub(crate) fn note_all(&self, lines: &[String]) {
        for line in lines {
            self.note(line);
        }
    }

    /// Output of another program, passed on to standard error as it is.
    pub(crate) fn pass_on(&self, output: &[u8]) {
        let write = || {
            let mut stream = anstream::stderr().lock();
            stream.write_all(output).and_then(|()| stream.flush())
        };
        let _ = self.progress.aside(write);
    }

    /// The whole result as JSON: indented for a reader, on one line for a pipe.
    pub(crate) fn json(&self, value: &impl Serialize) {
        let text =
            if io::stdout().is_terminal() { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
        self.check(text.map_err(io::Error::from).and_then(|text| writeln!(io::stdout().lock(), "{text}")));
    }

    /// One JSON line of a stream of events, written at once.
    pub(crate) fn event(&self, value: &impl Serialize) {
        let write = || {
            let mut output = io::stdout().lock();
            let text = serde_json::to_string(value).map_err(io::Error::from)?;
            writeln!(output, "{text}")?;
            output.flush()
        };
        self.check(write());
    }

    /// The body of an answer, verbatim. A newline is added only where the next prompt would stand behind it.
    pub(crate) fn body(&self, body: &[u8]) {
        let write = || {
            let mut output = io::stdout().lock();
            output.write_all(body)?;
            if io::stdout().is_terminal() && !body.ends_with(b"\n") {
                output.write_all(b"\n")?;
            }
            output.flush()
        };
        self.check(write());
    }

    /// Shows that something takes a while, on a terminal only.
    pub(crate) fn progress(&self, label: &str) -> Progress {
        self.progress.show(label)
    }

    /// Asks a question that Enter answers with yes. Where nobody is there to ask, the answer is no.
    pub(crate) fn ask(&self, question: &str) -> anyhow::Result<bool> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Ok(false);
        }
        let asked = self.progress.aside(|| {
            let mut stream = anstream::stderr().lock();
            write!(stream, "{} [Y/n] ", plain(question)).and_then(|()| stream.flush())
        });
        let mut answer = String::new();
        asked
            .and_then(|()| io::stdin().read_line(&mut answer))
            .map(|count| {
                // The end of the input is no yes.
                count > 0 && matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes")
            })
            .map_err(anyhow::Error::from)
    }

    /// Says what failed, why, and what to do.
    pub(crate) fn fail(&self, error: &anyhow::Error) {
        let failure = Failure::read(error);
        self.note(format_args!("{} {}", bad("error:"), plain(failure.what())));
        for reason in failure.reasons() {
            for (index, line) in reason.lines().enumerate() {
                let label = if index == 0 { "because:" } else { "        " };
                self.note(format_args!("  {} {}", dim(label), plain(line)));
            }
        }
        for advice in failure.advice() {
            self.note(format_args!("  {} {}", dim("try:"), plain(advice)));
        }
    }

    /// Whether whoever read standard output went away: a stream may end then.
    pub(crate) fn is_closed(&self) -> bool {
        self.state.closed.load(Ordering::Relaxed)
    }

    /// Whether every result was written, as far as there was a reader.
    pub(crate) fn is_whole(&self) -> bool {
        !self.state.failed.load(Ordering::Relaxed)
    }

    fn check(&self, written: io::Result<()>) {
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.state.closed.store(true, Ordering::Relaxed),
            Err(_) => self.state.failed.store(true, Ordering::Relaxed),
        }
    }
}

/// Whether standard error is a terminal that takes colours: for programs whose output is passed on.
pub(crate) fn errors_in_colour() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// Text from elsewhere, without the control characters that could move a cursor or change a title.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    let dirty = |character: char| character.is_control() && character != '\t';
    if text.contains(dirty) { Cow::Owned(text.replace(dirty, "\u{fffd}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_elsewhere_cannot_drive_the_terminal() {
        assert_eq!(plain("a\x1b[2Jb\u{9b}c"), "a\u{fffd}[2Jb\u{fffd}c");
        assert!(matches!(plain("just text\twith a tab"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure_and_a_full_disk_is() {
        let terminal = Terminal::new(false);
        terminal.check(Err(io::ErrorKind::BrokenPipe.into()));
        assert!(terminal.is_closed() && terminal.is_whole());
        terminal.check(Err(io::ErrorKind::StorageFull.into()));
        assert!(!terminal.is_whole());
    }
}
