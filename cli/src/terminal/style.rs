//! The few styles there are: bold headings, dim labels, and three colours that mean something.

use std::fmt::{self, Display};

use anstyle::{AnsiColor, Style};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const WARN: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Something to show, in a style.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Styled<T> {
    style: Style,
    shown: T,
}

impl<T: Display> Display for Styled<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}{:#}", self.style, self.shown, self.style)
    }
}

/// A heading.
pub(crate) fn bold<T: Display>(shown: T) -> Styled<T> {
    Styled { style: BOLD, shown }
}

/// A label, or what matters less.
pub(crate) fn dim<T: Display>(shown: T) -> Styled<T> {
    Styled { style: DIM, shown }
}

/// What went well.
pub(crate) fn good<T: Display>(shown: T) -> Styled<T> {
    Styled { style: GOOD, shown }
}

/// What wants a look.
pub(crate) fn warn<T: Display>(shown: T) -> Styled<T> {
    Styled { style: WARN, shown }
}

/// What went wrong.
pub(crate) fn bad<T: Display>(shown: T) -> Styled<T> {
    Styled { style: BAD, shown }
}

/// A tick or a cross.
pub(crate) fn mark(held: bool) -> Styled<&'static str> {
    if held { good("✓") } else { bad("✗") }
}
