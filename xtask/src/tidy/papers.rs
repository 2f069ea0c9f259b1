//! Rules for the papers: decisions are numbered and whole, promises are numbered and name the tests that hold them.

use std::collections::BTreeSet;

use super::Tree;
use super::finding::Findings;
use super::tree::numbered;

const DECISIONS: &str = "docs/decisions/";
const SECTIONS: [&str; 4] = ["## Context", "## Decision", "## Consequences", "## How to revisit"];
const SPECIFICATION: &str = "SPECIFICATION.md";
const PENDING: &str = "*pending*";

/// Every decision has a number of its own, without gaps, and the four parts.
pub(super) fn decisions(tree: &Tree, findings: &mut Findings) {
    let mut expected = 1;
    for (path, text) in tree.under(DECISIONS, "md") {
        let name = path.strip_prefix(DECISIONS).unwrap_or(path);
        let number = name.get(..5).filter(|start| start.ends_with('-')).and_then(|start| start.get(..4));
        let Some(number) = number.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit())) else {
            findings.fault("decisions", path, 1, "name it NNNN-what-was-decided.md");
            continue;
        };
        if number != format!("{expected:04}") {
            findings.fault(
                "decisions",
                path,
                1,
                format!("the next number is {expected:04}: none is used twice or left out"),
            );
        }
        expected += 1;
        if !text.starts_with(&format!("# {number}: ")) {
            findings.fault("decisions", path, 1, format!("begin it with `# {number}: ` and what was decided"));
        }
        for section in SECTIONS.iter().filter(|section| !text.lines().any(|line| line == **section)) {
            findings.fault("decisions", path, 1, format!("it has no `{section}`"));
        }
    }
}

/// Every promise has a number of its own, and names a test that is there or says that it is pending.
pub(super) fn specification(tree: &Tree, findings: &mut Findings) {
    let Some(text) = tree.text(SPECIFICATION) else {
        findings.fault("specification", SPECIFICATION, 1, "it is missing");
        return;
    };
    let mut seen = BTreeSet::new();
    for (line, content) in numbered(text) {
        let cells = cells(content);
        let Some((number, rest)) = cells.split_first().filter(|(number, _)| is_number(number)) else { continue };
        if !seen.insert((*number).to_owned()) {
            findings.fault("specification", SPECIFICATION, line, format!("the number {number} is used twice"));
        }
        let Some((held_by, [_, ..])) = rest.split_last() else {
            findings.fault("specification", SPECIFICATION, line, "a row is a number, a promise, and what holds it");
            continue;
        };
        let tests: Vec<&str> = held_by.split('`').skip(1).step_by(2).filter(|name| name.contains(".rs")).collect();
        if tests.is_empty() && !held_by.contains(PENDING) {
            let message = format!("{number} names no test: name one as `path/to/file.rs`, or say {PENDING}");
            findings.fault("specification", SPECIFICATION, line, message);
        }
        for test in tests {
            if let Some(reason) = missing(tree, test) {
                findings.fault("specification", SPECIFICATION, line, format!("{number} names `{test}`, but {reason}"));
            }
        }
    }
    if seen.is_empty() {
        findings.fault("specification", SPECIFICATION, 1, "it has no numbered promises");
    }
}

/// Why a test that is named as `path.rs` or `path.rs::function` is not there.
pub(super) fn missing(tree: &Tree, test: &str) -> Option<String> {
    let (path, function) = test.split_once("::").map_or((test, None), |(path, function)| (path, Some(function)));
    let Some(text) = tree.text(path) else {
        return Some("there is no such file".to_owned());
    };
    let name = function?;
    let name = name.rsplit("::").next().unwrap_or(name);
    (!text.contains(&format!("fn {name}("))).then(|| format!("there is no `fn {name}` in it"))
}

/// The cells of a row of a Markdown table.
fn cells(line: &str) -> Vec<&str> {
    let row = line.trim().strip_prefix('|').and_then(|row| row.strip_suffix('|'));
    row.map(|row| row.split(" | ").map(str::trim).collect()).unwrap_or_default()
}

/// `1.2` and the like.
fn is_number(text: &str) -> bool {
    text.contains('.') && text.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::super::finding::found;
    use super::*;

    const WHOLE: &str = "# 0001: We do this\n\n## Context\n\n## Decision\n\n## Consequences\n\n## How to revisit\n";

    #[test]
    fn decisions_are_numbered_without_gaps() {
        let second = WHOLE.replace("0001", "0002");
        let good = [("docs/decisions/0001-a.md", WHOLE), ("docs/decisions/0002-b.md", second.as_str())];
        assert!(found(decisions, &good).is_empty());
        for path in ["docs/decisions/0002-b.md", "docs/decisions/b.md", "docs/decisions/1-b.md"] {
            assert!(!found(decisions, &[(path, WHOLE)]).is_empty(), "{path}");
        }
    }

    #[test]
    fn a_decision_has_its_four_parts() {
        let text = WHOLE.replace("## How to revisit\n", "");
        assert_eq!(found(decisions, &[("docs/decisions/0001-a.md", &text)]).len(), 1);
    }

    #[test]
    fn a_promise_names_a_test_that_is_there_or_is_pending() {
        let text = "| No. | Promise | Held by |\n|---|---|---|\n\
                    | 1.1 | a | `tests/a.rs::it_holds` |\n\
                    | 1.2 | b | *pending* |\n\
                    | 1.3 | c | someone |\n\
                    | 1.4 | d | `tests/a.rs::it_is_gone` |\n\
                    | 1.5 | e | `tests/b.rs` |\n\
                    | 1.2 | f | `tests/a.rs` |\n\
                    | 1.6 | `tests/a.rs` |\n";
        let found = found(specification, &[(SPECIFICATION, text), ("tests/a.rs", "#[test]\nfn it_holds() {}\n")]);
        assert_eq!(found.len(), 5, "{found:#?}");
        for (line, finding) in [5, 6, 7, 8, 9].iter().zip(&found) {
            assert!(finding.starts_with(&format!("{SPECIFICATION}:{line}:")), "{finding}");
        }
    }

    #[test]
    fn a_specification_without_promises_is_a_fault() {
        assert_eq!(found(specification, &[]).len(), 1);
        assert_eq!(found(specification, &[(SPECIFICATION, "# Specification\n")]).len(), 1);
    }
}
