//! The one place of the benchmarks that prints.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark reports to its terminal")]

/// A line of the result.
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// A line of progress.
pub(crate) fn progress(text: &str) {
    eprintln!("{text}");
}

/// What went wrong.
pub(crate) fn error(text: &str) {
    eprintln!("error: {text}");
}
