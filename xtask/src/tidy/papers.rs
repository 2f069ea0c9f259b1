//! Rules for the papers: decisions are numbered and whole, promises are numbered and name the tests that hold them.

use std::collections::BTreeSet;

use super::Tree;
use super::finding::Findings;
use super::tree::numbered;

const DECISIONS: &str = "docs/decisions/";
const SECTIONS: [&str; 4] = ["## Context", "## Decision", "## Consequences", "## How to revisit"];
const SPECIFICATION: &str = "SPECIFICATION.md";
const PENDING: &str = "*pending*";
const ATTACKS: &str = "docs/attacks.md";
/// Kinds of attacks, none of which may be missing.
const KINDS: [&str; 14] = [
    "cpu",
    "memory",
    "tables",
    "stacks",
    "handles",
    "host-side allocation",
    "log",
    "storage",
    "cache",
    "output",
    "upload",
    "compile",
    "connection",
    "timing",
];
/// How many attacks there are at least.
const FEWEST: usize = 40;

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

/// Every attack has a name of its own and names a test that is there, every kind is there, and they are many.
pub(super) fn attacks(tree: &Tree, findings: &mut Findings) {
    let Some(text) = tree.text(ATTACKS) else {
        findings.fault("attacks", ATTACKS, 1, "it is missing");
        return;
    };
    let (mut kinds, mut names) = (BTreeSet::new(), BTreeSet::new());
    for (line, content) in numbered(text) {
        let [kind, name, _, _, shown_by] = cells(content)[..] else { continue };
        if !name.starts_with('`') {
            continue;
        }
        kinds.insert(kind.to_owned());
        if !names.insert(name.to_owned()) {
            findings.fault("attacks", ATTACKS, line, format!("the name {name} is used twice"));
        }
        if let Some(reason) = missing(tree, shown_by.trim_matches('`')) {
            findings.fault("attacks", ATTACKS, line, format!("{name} names {shown_by}, but {reason}"));
        }
    }
    for kind in KINDS.iter().filter(|kind| !kinds.contains(**kind)) {
        findings.fault("attacks", ATTACKS, 1, format!("there is no attack of the kind {kind}"));
    }
    if names.len() < FEWEST {
        findings.fault("attacks", ATTACKS, 1, format!("{} attacks are here; at least {FEWEST} are", names.len()));
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
    fn an_attack_names_a_test_that_is_there_and_no_kind_is_missing() {
        let row = |kind: &str, number: usize, test: &str| format!("| {kind} | `a-{number}` | x | y | `{test}` |\n");
        let good = "tests/a.rs::it_holds";
        let whole: String = (0..42).map(|number| row(KINDS[number % 14], number, good)).collect();
        let findings =
            |text: &str| found(attacks, &[(ATTACKS, text), ("tests/a.rs", "#[test]\nfn it_holds() {}\n")]).len();
        assert_eq!(findings(&whole), 0);
        assert_eq!(findings(&(whole.clone() + &row("cpu", 7, good))), 1, "a name twice");
        assert_eq!(findings(&(whole.clone() + &row("cpu", 77, "tests/a.rs::it_is_gone"))), 1, "a test that is gone");
        assert_eq!(findings(&whole.replace("timing", "cpu")), 1, "a kind that is missing");
        let few: String = (0..14).map(|number| row(KINDS[number], number, good)).collect();
        assert_eq!(findings(&few), 1, "too few");
    }

    #[test]
    fn a_specification_without_promises_is_a_fault() {
        assert_eq!(found(specification, &[]).len(), 1);
        assert_eq!(found(specification, &[(SPECIFICATION, "# Specification\n")]).len(), 1);
    }
}
