//! `insula:agent@0.1.0` is published: what agents were built against stays as it is. Interfaces, types and functions may
//! be added; nothing that is there may change or go.
//!
//! `tests/output/insula-agent-0.1.0.txt` has every item of it, without comments. It is written by hand and grows by hand:
//! no test renews it.

use std::collections::BTreeSet;

use crate::harness::agents::folder;

/// Every item of the package, one a line: `interface: item`, with single spaces.
fn items() -> BTreeSet<String> {
    let mut files: Vec<_> = std::fs::read_dir(folder("wit")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wit"));
    files.sort();
    files.iter().flat_map(|path| items_of(&std::fs::read_to_string(path).unwrap())).collect()
}

/// The items of one file: what ends with a semicolon or a closing brace, within its interface or world.
fn items_of(text: &str) -> Vec<String> {
    let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let (mut found, mut within, mut item, mut depth) = (Vec::new(), None::<String>, String::new(), 0);
    for character in code.join(" ").chars() {
        item.push(character);
        let ends = match character {
            '{' if within.is_none() => {
                within = Some(single_spaces(item.trim_end_matches('{')));
                item.clear();
                false
            }
            '{' => {
                depth += 1;
                false
            }
            '}' if depth == 0 => {
                within = None;
                item.clear();
                false
            }
            '}' => {
                depth -= 1;
                // What a `use` names in braces goes on to its semicolon.
                depth == 0 && !item.trim_start().starts_with("use ")
            }
            ';' => depth == 0,
            _ => false,
        };
        if ends {
            let place = within.as_deref().unwrap_or("package");
            found.push(format!("{place}: {}", single_spaces(&item)));
            item.clear();
        }
    }
    found
}

fn single_spaces(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn nothing_that_was_published_changes_or_goes() {
    let published = include_str!("../output/insula-agent-0.1.0.txt");
    let published: BTreeSet<String> =
        published.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_owned).collect();
    let now = items();
    let gone: Vec<_> = published.difference(&now).collect();
    assert!(gone.is_empty(), "these were published and are not there any more, or are not the same: {gone:#?}");
    let added: Vec<_> = now.difference(&published).collect();
    assert!(
        added.is_empty(),
        "these are new: add them to tests/output/insula-agent-0.1.0.txt when they are final: {added:#?}"
    );
}

#[test]
fn a_changed_item_is_another_item() {
    let text = "interface a {\n    use types.{error};\n    /// { ; }\n    record r {\n        b: u8, // c\n    }\n    %f: func(x: u8)\n        -> u8;\n}\n";
    let expected =
        ["interface a: use types.{error};", "interface a: record r { b: u8, }", "interface a: %f: func(x: u8) -> u8;"];
    assert_eq!(items_of(text), expected);
    assert_ne!(items_of(&text.replace("b: u8", "b: u16")), expected);
}
