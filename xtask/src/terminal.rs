//! The one place of this crate that prints: results to standard output, progress and errors to standard error.

use std::fmt::Arguments;

/// Prints a line of the result.
#[expect(clippy::print_stdout, reason = "a chore's result belongs on standard output; this is its one way there")]
pub(crate) fn say(line: Arguments<'_>) {
    println!("{line}");
}

/// Prints a line of progress, or an error.
#[expect(clippy::print_stderr, reason = "a chore's progress belongs on standard error; this is its one way there")]
pub(crate) fn note(line: Arguments<'_>) {
    eprintln!("{line}");
}
