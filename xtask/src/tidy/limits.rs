//! B1: docs/limits.md has every limit of a tenant, every setting of the host, and the value of every constant it names.

use super::Tree;
use super::finding::Findings;
use super::papers::missing;
use super::rust::fields;
use super::tree::numbered;

const PAGE: &str = "docs/limits.md";
const SOURCE: &str = "store/src/limits.rs";
/// Structs whose every field is on the page, by the name that a configuration file has for it.
const SETTINGS: [(&str, &str); 3] = [
    ("runtime/src/settings.rs", "EngineSettings"),
    ("runtime/src/settings.rs", "HostSettings"),
    ("server/src/settings.rs", "ServerSettings"),
];
/// Settings that bound nothing.
const UNBOUNDING: [&str; 2] = ["listen", "admin-listen"];
const KIB: u64 = 1 << 10;

/// Every limit of the table in the source has its row on the page, with the same numbers, what it does not count, and a test
/// that is there.
pub(super) fn of_tenants(tree: &Tree, findings: &mut Findings) {
    let Some(source) = tree.text(SOURCE) else {
        findings.fault("B1", SOURCE, 1, "the table of limits is not here: tell tidy where it went");
        return;
    };
    let (rows, limits) = (rows(source), table(source).filter(|line| begins_entry(line)).count());
    if rows.is_empty() || rows.len() != limits {
        let message = format!("{} of {limits} limits of the table could be read: teach tidy its new shape", rows.len());
        findings.fault("B1", SOURCE, 1, message);
    }
    let page = tree.text(PAGE).unwrap_or_default();
    for row in rows {
        match numbered(page).find_map(|(line, content)| Some((line, content.strip_prefix(row.as_str())?))) {
            None => {
                findings.fault("B1", PAGE, 1, format!("the page lacks this row, or has it with other values:\n{row}"));
            }
            Some((line, rest)) => {
                if let Some(lack) = lack(tree, rest) {
                    findings.fault("B1", PAGE, line, format!("{lack}, behind\n{row}"));
                }
            }
        }
    }
}

/// What is wrong with the cells behind those that the source has: what the limit does not count, and its test.
fn lack(tree: &Tree, rest: &str) -> Option<String> {
    let cells: Vec<&str> = rest.trim().trim_end_matches('|').split(" | ").map(str::trim).collect();
    let [uncounted, test] = cells.as_slice() else {
        return Some("the row needs two more cells: what the limit does not count, and its test".to_owned());
    };
    if uncounted.is_empty() {
        return Some("the row does not say what the limit does not count".to_owned());
    }
    let named = test.strip_prefix('`').and_then(|test| test.strip_suffix('`')).filter(|test| test.contains("::"));
    match named {
        None => Some("the row names no test as `path/to/file.rs::function`".to_owned()),
        Some(test) => missing(tree, test).map(|reason| format!("the row names `{test}`, but {reason}")),
    }
}

/// Every constant that the page names is where it says, and has the value that it says.
pub(super) fn constants(tree: &Tree, findings: &mut Findings) {
    for (line, content) in numbered(tree.text(PAGE).unwrap_or_default()) {
        let mut cells = content.trim_matches('|').split(" | ").map(str::trim);
        let (Some(place), Some(value)) = (cells.next(), cells.next()) else { continue };
        let mut quoted = place.split('`').skip(1).step_by(2);
        let (Some(path), Some(name)) = (quoted.next().filter(|path| path.contains(".rs")), quoted.next()) else {
            continue;
        };
        let Some(text) = tree.text(path) else {
            findings.fault("B1", PAGE, line, format!("there is no {path}"));
            continue;
        };
        match definition(text, name) {
            None => findings.fault("B1", PAGE, line, format!("there is no constant `{name}` in {path}")),
            Some(expression) => {
                if let Some(found) = evaluate(expression)
                    && read(value) != Some(found)
                {
                    findings.fault("B1", PAGE, line, format!("`{name}` is `{expression}` in {path}, not {value}"));
                }
            }
        }
    }
}

/// Every setting of engine, host and server is on the page.
pub(super) fn settings(tree: &Tree, findings: &mut Findings) {
    let page = tree.text(PAGE).unwrap_or_default();
    for (path, name) in SETTINGS {
        let Some((line, found)) = tree.text(path).and_then(|text| fields(text, name)) else {
            findings.fault("B1", path, 1, format!("there is no struct `{name}` here: tell tidy where it went"));
            continue;
        };
        if found.is_empty() {
            findings.fault("B1", path, line, format!("the fields of `{name}` could not be read"));
        }
        for field in found {
            let setting = field.name.replace('_', "-");
            if !UNBOUNDING.contains(&setting.as_str()) && !page.contains(&format!("`{setting}`")) {
                findings.fault("B1", PAGE, 1, format!("the setting `{setting}` of `{name}` is not on the page"));
            }
        }
    }
}

/// The rows that the page should have, from the `limits!` table of the source.
fn rows(source: &str) -> Vec<String> {
    let body: Vec<&str> = table(source).collect();
    let mut quoted = false;
    // A semicolon within a text ends no entry.
    let ends_entry = |character| {
        quoted ^= character == '"';
        character == ';' && !quoted
    };
    body.join(" ").split(ends_entry).filter_map(row).collect()
}

/// The lines within `limits! { ... }`.
fn table(source: &str) -> impl Iterator<Item = &str> {
    let begin = source.lines().skip_while(|line| !line.starts_with("limits! {")).skip(1);
    begin.take_while(|line| !line.starts_with('}'))
}

/// Whether a line of the table begins with a field of `Limits`: `field "name"`.
fn begins_entry(line: &str) -> bool {
    let field = line.trim_start().split_once(" \"").map_or("", |(field, _)| field);
    !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// `field "name" "unit", standard, least, most, "counts", "stops"` as a row of the page.
fn row(entry: &str) -> Option<String> {
    let mut texts = entry.split('"').skip(1).step_by(2);
    let (name, unit, counts, stops) = (texts.next()?, texts.next()?, texts.next()?, texts.next()?);
    let (_, after_unit) = entry.split_once(&format!("\"{unit}\","))?;
    let (numbers, _) = after_unit.split_once('"')?;
    let mut numbers = numbers.split(',').filter_map(|number| evaluate(number.trim()));
    let (standard, least, most) = (numbers.next()?, numbers.next()?, numbers.next()?);
    let [standard, least, most] = [standard, least, most].map(|number| write(number, unit));
    Some(format!("| `{name}` | {standard} | {least} | {most} | {counts} | {stops} |"))
}

/// What stands behind `const NAME: TYPE = `, up to the semicolon.
fn definition<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("const {name}: "))?;
    let (_, rest) = rest.split_once(" = ")?;
    Some(rest.split_once(';')?.0.trim())
}

/// A number, a product, a shift, or a length of time; lengths of time are in microseconds.
fn evaluate(expression: &str) -> Option<u64> {
    if let Some(seconds) = expression.strip_prefix("Duration::from_secs(").and_then(|rest| rest.strip_suffix(')')) {
        return evaluate(seconds)?.checked_mul(1_000_000);
    }
    if let Some((number, by)) = expression.split_once("<<") {
        return evaluate(number.trim())?.checked_mul(1_u64.checked_shl(by.trim().parse().ok()?)?);
    }
    expression
        .split('*')
        .map(|factor| word(factor.trim()))
        .try_fold(1, |product: u64, factor| product.checked_mul(factor?))
}

fn word(text: &str) -> Option<u64> {
    match text {
        "KIB" => Some(KIB),
        "MIB" => Some(KIB << 10),
        "GIB" => Some(KIB << 20),
        "TIB" => Some(KIB << 30),
        "SECOND_US" => Some(1_000_000),
        digits => digits.replace('_', "").parse().ok(),
    }
}

/// A number for people.
fn write(number: u64, unit: &str) -> String {
    let scales: &[(u64, &str)] = match unit {
        "bytes" => &[(KIB << 30, "TiB"), (KIB << 20, "GiB"), (KIB << 10, "MiB"), (KIB, "KiB"), (1, "B")],
        "microseconds" => &[(1_000_000, "s"), (1_000, "ms"), (1, "us")],
        _ => &[],
    };
    match scales.iter().find(|(scale, _)| number.is_multiple_of(*scale)) {
        Some((scale, name)) => format!("{} {name}", grouped(number / scale)),
        None => grouped(number),
    }
}

/// Reads what [`write`] wrote.
fn read(text: &str) -> Option<u64> {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let scale = match unit {
        "TiB" => KIB << 30,
        "GiB" => KIB << 20,
        "MiB" => KIB << 10,
        "KiB" => KIB,
        "s" => 1_000_000,
        "ms" => 1_000,
        "us" | "B" | "" => 1,
        _ => return None,
    };
    number.replace(',', "").parse::<u64>().ok()?.checked_mul(scale)
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::finding::found;
    use super::*;

    const TABLE: (&str, &str) = (
        SOURCE,
        "limits! {\n    cpu_us \"cpu-us\" \"microseconds\", 2 * SECOND_US, 1, 300 * SECOND_US,\n        \"Time.\", \"long work\";\n    agents \"agents\" \"agents\", 100, 1, 10_000,\n        \"Agents.\", \"many agents\";\n}\n",
    );

    const TESTS: (&str, &str) = ("t.rs", "fn it_ends() {}\nfn it_is_refused() {}\n");
    const GOOD: &str = "| `cpu-us` | 2 s | 1 us | 300 s | Time. | long work | sleep | `t.rs::it_ends` |\n\
                        | `agents` | 100 | 1 | 10,000 | Agents. | many agents | versions | `t.rs::it_is_refused` |\n";

    #[test]
    fn the_page_has_every_limit_with_its_numbers() {
        assert_eq!(found(of_tenants, &[TABLE, (PAGE, GOOD), TESTS]), Vec::<String>::new());
        let other = GOOD.replace("300 s", "30 s");
        let found = found(of_tenants, &[TABLE, (PAGE, &other), TESTS]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("| `cpu-us` | 2 s | 1 us | 300 s |"));
    }

    #[test]
    fn every_limit_says_what_it_does_not_count_and_names_a_test_that_is_there() {
        for (good, bad, word) in [
            (" sleep | `t.rs::it_ends` |", "", "two more cells"),
            (" sleep | `t.rs::it_ends` |", "  | `t.rs::it_ends` |", "does not count"),
            ("`t.rs::it_ends`", "a test", "names no test"),
            ("`t.rs::it_ends`", "`t.rs`", "names no test"),
            ("t.rs::it_ends", "t.rs::it_went", "no `fn it_went`"),
            ("t.rs::it_ends", "u.rs::it_ends", "no such file"),
        ] {
            let found = found(of_tenants, &[TABLE, (PAGE, &GOOD.replace(good, bad)), TESTS]);
            assert_eq!(found.len(), 1, "{bad}: {found:?}");
            assert!(found[0].contains(word), "{bad}: {found:?}");
        }
    }

    #[test]
    fn a_table_that_cannot_be_read_is_a_fault() {
        assert_eq!(found(of_tenants, &[(SOURCE, "struct Limits;\n")]).len(), 1);
    }

    #[test]
    fn a_semicolon_in_a_text_ends_no_entry() {
        let source = TABLE.1.replace("Agents.", "Agents; all of them.");
        let found = found(of_tenants, &[(SOURCE, &source), (PAGE, "")]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().any(|fault| fault.contains("| 10,000 | Agents; all of them. | many agents |")));
    }

    #[test]
    fn a_limit_that_cannot_be_read_is_a_fault_though_others_can() {
        let page = "| `cpu-us` | 2 s | 1 us | 300 s | Time. | long work |\n";
        for unreadable in ["MANY", "\\\"100"] {
            let source = TABLE.1.replace("100, 1", &format!("{unreadable}, 1"));
            let found = found(of_tenants, &[(SOURCE, &source), (PAGE, page)]);
            assert!(found.iter().any(|fault| fault.contains("1 of 2 limits")), "{found:?}");
        }
    }

    #[test]
    fn constants_are_where_the_page_says_and_as_large() {
        let source = (
            "a/src/b.rs",
            "const STACK: usize = 256 << 10;\nconst WAIT: Duration = Duration::from_secs(5);\nconst ODD: u8 = other();\n",
        );
        let page = "| `a/src/b.rs` `STACK` | 256 KiB | x |\n| `a/src/b.rs` `WAIT` | 5 s | x |\n| `a/src/b.rs` `ODD` | 7 | x |\n";
        assert_eq!(found(constants, &[source, (PAGE, page)]), Vec::<String>::new());
        let wrong =
            "| `a/src/b.rs` `STACK` | 255 KiB | x |\n| `a/src/b.rs` `GONE` | 5 s | x |\n| `a/src/c.rs` `X` | 7 | x |\n";
        assert_eq!(found(constants, &[source, (PAGE, wrong)]).len(), 3);
    }

    #[test]
    fn every_setting_is_on_the_page() {
        let files = [
            (
                "runtime/src/settings.rs",
                "pub struct EngineSettings {\n    pub a_b: u8,\n}\npub struct HostSettings {\n    pub c: u8,\n}\n",
            ),
            ("server/src/settings.rs", "pub struct ServerSettings {\n    pub listen: SocketAddr,\n    pub d: u8,\n}\n"),
            (PAGE, "`a-b` and `c`\n"),
        ];
        let found = found(settings, &files);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("`d` of `ServerSettings`"));
    }

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for (number, unit, text) in [
            (1 << 30, "bytes", "1 GiB"),
            (1, "bytes", "1 B"),
            (1_500_000, "microseconds", "1,500 ms"),
            (2_000_000_000, "units", "2,000,000,000"),
        ] {
            assert_eq!(write(number, unit), text);
            assert_eq!(read(text), Some(number), "{text}");
        }
    }
}
