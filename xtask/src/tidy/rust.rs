//! The little of Rust's syntax that tidy needs: which lines are code, and the fields of a struct.

use super::tree::numbered;

/// The lines of a file that are neither comments nor its test module.
pub(super) fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let end = test_module(text).unwrap_or(usize::MAX);
    numbered(text).filter(move |(number, line)| *number < end && !line.trim_start().starts_with("//"))
}

/// Whether a path is a test's by its name: `tests.rs`, `testing.rs`, or beneath a folder `tests`.
pub(super) fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.ends_with("/testing.rs") || path.contains("/tests/")
}

/// The line on which `#[cfg(test)] mod ... {` begins.
fn test_module(text: &str) -> Option<usize> {
    let mut marked = None;
    for (number, line) in numbered(text) {
        match line.trim() {
            "#[cfg(test)]" => marked = Some(number),
            line if line.starts_with("#[") => {}
            line if line.starts_with("mod ") && line.ends_with('{') && marked.is_some() => return marked,
            _ => marked = None,
        }
    }
    None
}

/// A field of a struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) kind: String,
}

/// The named fields of a struct, and the line that it begins on; `None` where there is no such struct.
pub(super) fn fields(text: &str, name: &str) -> Option<(usize, Vec<Field>)> {
    let opening = format!("struct {name} {{");
    let mut lines = numbered(text).skip_while(|(_, line)| !without_visibility(line.trim()).starts_with(&opening));
    let (begin, _) = lines.next()?;
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in lines {
        let line = line.trim();
        if line == "}" {
            return Some((begin, found));
        }
        if open.is_none() && (line.is_empty() || line.starts_with("//") || line.starts_with("#[")) {
            continue;
        }
        let (first, mut field) = open.take().unwrap_or((number, String::new()));
        field.push_str(line);
        let balanced = field.matches('<').count() == field.matches('>').count();
        match field.strip_suffix(',').filter(|_| balanced) {
            None => open = Some((first, field)),
            Some(whole) => {
                let (name, kind) = without_visibility(whole).split_once(':')?;
                found.push(Field { line: first, name: name.trim().to_owned(), kind: kind.trim().to_owned() });
            }
        }
    }
    None
}

fn without_visibility(text: &str) -> &str {
    let text = text.strip_prefix("pub").map_or(text, str::trim_start);
    let rest = text.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or(text, |(_, rest)| rest);
    rest.trim_start()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_with_their_types() {
        let text = "/// A.\npub(crate) struct A {\n    /// x\n    pub x: u64,\n    #[serde(skip)]\n    pub(crate) y: Map<\n        u8,\n    >,\n}\n";
        let (line, fields) = fields(text, "A").unwrap();
        let seen: Vec<_> = fields.iter().map(|field| (field.line, field.name.as_str(), field.kind.as_str())).collect();
        assert_eq!((line, seen), (2, vec![(4, "x", "u64"), (6, "y", "Map<u8,>")]));
    }

    #[test]
    fn a_struct_that_is_not_there_is_told_apart_from_an_empty_one() {
        assert_eq!(fields("struct A {\n}\n", "A"), Some((1, Vec::new())));
        assert_eq!(fields("struct A {\n}\n", "B"), None);
        assert_eq!(fields("struct AB {\n}\n", "A"), None);
    }

    #[test]
    fn comments_and_the_test_module_are_not_code() {
        let text = "//! x\nfn a() {}\n// b\n#[cfg(test)]\nmod tests {\n    fn c() {}\n}\n";
        let lines: Vec<_> = code_lines(text).collect();
        assert_eq!(lines, [(2, "fn a() {}")]);
    }

    #[test]
    fn a_test_module_in_a_file_of_its_own_ends_nothing() {
        let text = "#[cfg(test)]\nmod tests;\nfn a() {}\n";
        assert!(code_lines(text).any(|(_, line)| line == "fn a() {}"));
    }
}
