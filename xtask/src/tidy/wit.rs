//! Rules for wit/: every function says what it is limited by, and every function that a guest can call is charged (B2).

use super::Tree;
use super::finding::Findings;
use super::tree::numbered;

/// Where host functions are listed to be charged.
const BUDGET: &str = "host-api/src/budget.rs";
/// The interface that guests export: its function is called by the host, not charged.
const EXPORTED: &str = "handler";
/// One of these stands in every function's comment.
const LIMIT: [&str; 3] = ["Limit:", "Limits:", "limits as there"];

/// A function of an interface.
struct Function {
    line: usize,
    name: String,
    documentation: String,
}

/// Every function has a comment that names its limits.
pub(super) fn functions_are_documented(tree: &Tree, findings: &mut Findings) {
    for (path, text) in tree.under("wit/", "wit") {
        for function in functions(text) {
            if !LIMIT.iter().any(|word| function.documentation.contains(word)) {
                let message = format!(
                    "`{}` has no comment with `Limit:` in it: say what the function is charged for",
                    function.name
                );
                findings.fault("B2", path, function.line, message);
            }
        }
    }
}

/// The list of charged host functions is the list of functions in wit/.
pub(super) fn every_function_is_charged(tree: &Tree, findings: &mut Findings) {
    let Some(budget) = tree.text(BUDGET) else {
        findings.fault("B2", BUDGET, 1, "the list of charged host functions is not here: tell tidy where it went");
        return;
    };
    let mut called = Vec::new();
    for (path, text) in tree.under("wit/", "wit") {
        let interface = path.rsplit('/').next().and_then(|name| name.strip_suffix(".wit")).unwrap_or(path);
        if interface != EXPORTED {
            called.extend(functions(text).into_iter().map(|function| format!("{interface}.{}", function.name)));
        }
    }
    let charged = charged(budget);
    for name in called.iter().filter(|name| !charged.iter().any(|(_, charged)| charged == *name)) {
        findings.fault("B2", BUDGET, 1, format!("`{name}` of wit/ is not on the list of charged host functions"));
    }
    for (line, name) in charged.iter().filter(|(_, name)| !called.contains(name)) {
        findings.fault("B2", BUDGET, *line, format!("`{name}` is no function of wit/"));
    }
}

/// The functions of a file, each with the comment before it.
fn functions(text: &str) -> Vec<Function> {
    let mut found = Vec::new();
    let mut documentation = String::new();
    for (line, content) in numbered(text) {
        let content = content.trim();
        if let Some(comment) = content.strip_prefix("///") {
            documentation.push_str(comment);
            documentation.push('\n');
            continue;
        }
        if let Some((name, _)) = content.split_once(": func(") {
            let name = name.trim_start_matches('%').to_owned();
            found.push(Function { line, name, documentation: std::mem::take(&mut documentation) });
        }
        documentation.clear();
    }
    found
}

/// `Name = "interface.function",` in the macro that lists host functions.
fn charged(budget: &str) -> Vec<(usize, String)> {
    let list = numbered(budget).skip_while(|(_, line)| !line.starts_with("host_calls! {")).skip(1);
    let entry = |(number, line): (usize, &str)| {
        let (_, text) = line.split_once("= \"")?;
        Some((number, text.split_once('"')?.0.to_owned()))
    };
    list.take_while(|(_, line)| !line.starts_with('}')).filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::super::finding::found;
    use super::*;

    const CACHE: (&str, &str) = (
        "wit/cache.wit",
        "interface cache {\n    /// Reads.\n    ///\n    /// Limit: host calls.\n    get: func(key: string);\n\n    /// Forgets.\n    %list: func();\n}\n",
    );

    #[test]
    fn a_function_that_names_no_limit_is_a_fault() {
        let found = found(functions_are_documented, &[CACHE]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("`list`") && found[0].starts_with("wit/cache.wit:8:"));
    }

    #[test]
    fn a_function_that_is_not_charged_is_a_fault_and_so_is_a_charge_for_nothing() {
        let budget = "host_calls! {\n    A = \"cache.get\",\n    B = \"cache.put\",\n}\nconst X: &str = \"a\";\n";
        let found = found(every_function_is_charged, &[CACHE, (BUDGET, budget)]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("`cache.list` of wit/") && found[1].contains("`cache.put` is no function"));
    }

    #[test]
    fn what_guests_export_is_not_charged() {
        let handler = ("wit/handler.wit", "    /// Answers.\n    invoke: func(request: request);\n");
        assert!(found(every_function_is_charged, &[handler, (BUDGET, "host_calls! {\n}\n")]).is_empty());
    }
}
