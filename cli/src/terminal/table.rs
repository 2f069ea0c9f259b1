//! Columns that line up, by the width that a terminal gives each character.

use std::fmt::Display;

use unicode_width::UnicodeWidthStr;

use super::{dim, plain};

const INDENT: &str = "  ";
const GAP: &str = "  ";

/// One field of a table.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    shown: Option<String>,
    right: bool,
}

impl Cell {
    /// Text, at the left of its column.
    pub(crate) fn text(text: impl Display) -> Self {
        Self { text: plain(&text.to_string()).into_owned(), shown: None, right: false }
    }

    /// A figure, at the right of its column.
    pub(crate) fn figure(text: impl Display) -> Self {
        Self { right: true, ..Self::text(text) }
    }

    /// The same, shown in a style: `style` gets the text and adds no width.
    pub(crate) fn styled<S: Display>(self, style: impl FnOnce(String) -> S) -> Self {
        Self { shown: Some(style(self.text.clone()).to_string()), ..self }
    }

    fn write(&self, width: usize, last: bool, line: &mut String) {
        let padding = " ".repeat(width.saturating_sub(self.text.width()));
        let shown = self.shown.as_ref().unwrap_or(&self.text);
        if self.right {
            line.push_str(&padding);
            line.push_str(shown);
        } else {
            line.push_str(shown);
            if !last {
                line.push_str(&padding);
            }
        }
    }
}

/// Rows under dim headings. A column whose first row is a figure has its heading at the right too.
#[derive(Debug)]
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, headings first.
    pub(crate) fn lines(&self) -> Vec<String> {
        let first = self.rows.first();
        let is_figure = |index: usize| first.and_then(|row| row.get(index)).is_some_and(|cell| cell.right);
        let headings = self
            .headings
            .iter()
            .enumerate()
            .map(|(index, heading)| Cell { right: is_figure(index), ..Cell::text(heading) }.styled(dim));
        let mut rows = vec![headings.collect::<Vec<_>>()];
        rows.extend(self.rows.iter().cloned());
        align(&rows)
    }
}

/// Dim labels with their values behind them, lined up.
pub(crate) fn facts<L: Display, V: Display>(pairs: impl IntoIterator<Item = (L, V)>) -> Vec<String> {
    let rows: Vec<_> =
        pairs.into_iter().map(|(label, value)| vec![Cell::text(label).styled(dim), Cell::text(value)]).collect();
    align(&rows)
}

/// Commands to type, with dim words behind them on what they do, lined up.
pub(crate) fn steps(pairs: impl IntoIterator<Item = (String, String)>) -> Vec<String> {
    let rows: Vec<_> =
        pairs.into_iter().map(|(command, what)| vec![Cell::text(command), Cell::text(what).styled(dim)]).collect();
    align(&rows)
}

fn align(rows: &[Vec<Cell>]) -> Vec<String> {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (index, cell) in row.iter().enumerate() {
            let width = cell.text.width();
            match widths.get_mut(index) {
                Some(known) => *known = width.max(*known),
                None => widths.push(width),
            }
        }
    }
    rows.iter().map(|row| line(row, &widths)).collect()
}

fn line(row: &[Cell], widths: &[usize]) -> String {
    // Empty cells at the end leave no blanks behind.
    let used = row.iter().rposition(|cell| !cell.text.is_empty()).map_or(0, |last| last + 1);
    let mut line = INDENT.to_owned();
    for (index, (cell, width)) in row.iter().zip(widths).take(used).enumerate() {
        if index > 0 {
            line.push_str(GAP);
        }
        cell.write(*width, index + 1 == used, &mut line);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(lines: &[String]) -> Vec<String> {
        lines.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect()
    }

    #[test]
    fn columns_line_up_by_display_width_and_not_by_bytes() {
        let mut table = Table::new(&["agent", "calls", "note"]);
        table.row([Cell::text("triage"), Cell::figure("1,204"), Cell::text("fine")]);
        table.row([Cell::text("日本語"), Cell::figure("7"), Cell::text("µs")]);
        table.row([Cell::text("é"), Cell::figure("90"), Cell::text("")]);
        assert_eq!(
            shown(&table.lines()),
            ["  agent   calls  note", "  triage  1,204  fine", "  日本語      7  µs", "  é          90"]
        );
    }

    #[test]
    fn a_style_adds_no_width() {
        let mut table = Table::new(&["state", "name"]);
        table.row([Cell::text("on").styled(crate::terminal::good), Cell::text("a")]);
        table.row([Cell::text("suspended"), Cell::text("b")]);
        assert_eq!(shown(&table.lines()), ["  state      name", "  on         a", "  suspended  b"]);
    }

    #[test]
    fn facts_line_up_behind_their_labels() {
        assert_eq!(shown(&facts([("url", "http://x"), ("tenant", "acme")])), ["  url     http://x", "  tenant  acme"]);
    }

    #[test]
    fn a_cell_cannot_carry_control_characters() {
        assert_eq!(Cell::text("a\x1b[31mb\n").text, "a\u{fffd}[31mb\u{fffd}");
    }
}
