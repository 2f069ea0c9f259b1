//! Rules for every Rust file: a header, a bounded length, no suppressed lint without a reason, nothing unfinished.

use super::Tree;
use super::finding::Findings;
use super::tree::numbered;

/// The file with `unsafe` in it, and the argument for it.
const UNSAFE: &str = "runtime/src/engine/artefact.rs";
/// Lines after which a file is looked at again, and after which it is split.
const LONG: usize = 500;
const TOO_LONG: usize = 900;

/// Every file says what it owns before anything else.
pub(super) fn headers(tree: &Tree, findings: &mut Findings) {
    for (path, text) in tree.under("", "rs") {
        let said =
            text.lines().next().and_then(|line| line.strip_prefix("//!")).is_some_and(|line| !line.trim().is_empty());
        if !said {
            findings.fault("header", path, 1, "begin the file with `//!`: what it owns, and what it never does");
        }
    }
}

/// No file is too long to read.
pub(super) fn lengths(tree: &Tree, findings: &mut Findings) {
    for (path, text) in tree.under("", "rs") {
        let lines = text.lines().count();
        if lines > TOO_LONG {
            findings.fault("length", path, lines, format!("{lines} lines: split it; {TOO_LONG} are the most"));
        } else if lines > LONG {
            findings.warn(
                "length",
                path,
                lines,
                format!("{lines} lines: look whether it is two files; 300 are the aim"),
            );
        }
    }
}

/// A lint is suppressed by `expect` with a reason, which fails when it suppresses nothing any more.
pub(super) fn attributes(tree: &Tree, findings: &mut Findings) {
    for (path, text) in tree.under("", "rs") {
        for (number, line) in numbered(text) {
            let line = line.trim_start();
            if (line.starts_with("#[") || line.starts_with("#![")) && has_call(line, "allow") {
                findings.fault(
                    "attributes",
                    path,
                    number,
                    "use `#[expect(.., reason = \"..\")]`, which tells when it is out of date",
                );
            }
        }
    }
}

/// Nothing is left for later in the code: what is not there yet is in README.md.
pub(super) fn unfinished(tree: &Tree, findings: &mut Findings) {
    let words = [
        concat!("to", "do!"),
        concat!("unimple", "mented!"),
        concat!("FIX", "ME"),
        concat!("TO", "DO"),
        concat!("XX", "X"),
    ];
    for (path, text) in tree.under("", "rs") {
        for (number, line) in numbered(text) {
            if let Some(word) = words.iter().find(|word| line.contains(*word)) {
                findings.fault(
                    "unfinished",
                    path,
                    number,
                    format!("`{word}`: finish it, or take it out and open an issue"),
                );
            }
        }
    }
}

/// One file has `unsafe` in it.
pub(super) fn unsafe_code(tree: &Tree, findings: &mut Findings) {
    for (path, text) in tree.under("", "rs").filter(|(path, _)| *path != UNSAFE) {
        for (number, line) in numbered(text) {
            let line = line.trim_start();
            if (line.starts_with("#[expect(") || line.starts_with("#![expect(")) && line.contains("unsafe_code") {
                findings.fault("unsafe", path, number, format!("{UNSAFE} is the one file with `unsafe` in it"));
            }
        }
    }
}

/// Whether `name(` stands in the line as a word of its own.
fn has_call(line: &str, name: &str) -> bool {
    let call = format!("{name}(");
    line.match_indices(&call).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|before| !before.is_alphanumeric() && before != '_')
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::found;
    use super::*;

    #[test]
    fn a_file_without_a_header_is_a_fault() {
        let files = [("a.rs", "//! Owns a.\n"), ("b.rs", "use c;\n"), ("c.rs", ""), ("d.rs", "//!\nfn d() {}\n")];
        let found = found(headers, &files);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("b.rs:1: fault (header)"));
    }

    #[test]
    fn long_files_warn_and_longer_ones_fail() {
        let (fits, long, longer) = ("x\n".repeat(LONG), "x\n".repeat(LONG + 1), "x\n".repeat(TOO_LONG + 1));
        let found = found(lengths, &[("a.rs", &fits), ("b.rs", &long), ("c.rs", &longer)]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("b.rs") && found[0].contains("warning"));
        assert!(found[1].contains("c.rs") && found[1].contains("fault"));
    }

    #[test]
    fn lints_are_expected_and_not_allowed() {
        let (allow, expect) = (concat!("#[al", "low(dead_code)]\n"), "#[expect(dead_code, reason = \"x\")]\n");
        let nested = concat!("    #[cfg_attr(test, al", "low(dead_code))]\n");
        let text = format!("{allow}{expect}{nested}fn allow(x: u8) {{}}\n#[disallow(x)]\n");
        let found = found(attributes, &[("a.rs", &text)]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("a.rs:1:") && found[1].starts_with("a.rs:3:"));
    }

    #[test]
    fn unfinished_work_is_a_fault() {
        let text = format!("fn a() {{\n    {}()\n}}\n// {}: later\n", concat!("to", "do!"), concat!("FIX", "ME"));
        assert_eq!(found(unfinished, &[("a.rs", &text)]).len(), 2);
    }

    #[test]
    fn unsafe_has_one_place() {
        let text = "#![expect(unsafe_code, reason = \"x\")]\n";
        assert_eq!(found(unsafe_code, &[(UNSAFE, text), ("store/src/lib.rs", text)]).len(), 1);
    }
}
