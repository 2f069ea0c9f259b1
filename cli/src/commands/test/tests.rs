//! Cases as they are written, right and wrong.

use std::path::Path;

use super::case::{Case, Sameness, Source, load_all};
use super::expect::diff;
use super::value::{Stored, Wanted};
use crate::failure::Failure;
use crate::toml_text::TomlText;

const GOOD: &str = r#"about = "everything"
deterministic = "answers"
clock = 2026-11-24T12:00:00Z
[config]
greeting = "Salve"
[storage.visitors]
Ada = { json = { visits = 2 } }
Grace = "text"
Mary = { number = -7, ttl-ms = 60_000 }
[[call]]
json = { name = "Ada", when = 2026-11-24 }
metadata = { trace = "x" }
idempotency-key = "k"
expect.json = { visits = 3 }
expect.matches = ["^[{]"]
expect.bill = { fuel = 500_000, peak-memory = "2 MiB", "storage.get" = { least = 1, most = 4 } }
[[call]]
input = "plain"
expect.code = "bad-request"
[storage-after.visitors]
Ada = { json = { visits = 3 } }
Mary = { number = -7 }
[storage-after.nothing]
"#;

fn parse(text: &str) -> anyhow::Result<Case> {
    let agent = Path::new("/nowhere");
    Case::parse(
        "good".into(),
        Source { sameness: Sameness::Nothing, text: TomlText { text, path: Path::new("cases/good.toml") }, agent },
    )
}

#[test]
fn a_case_says_what_is_there_what_is_sent_and_what_is_expected() {
    let case = parse(GOOD).unwrap();
    assert_eq!((case.sameness, case.calls.len(), case.before.len(), case.after.len()), (Sameness::Answers, 2, 3, 2));
    assert_eq!(case.calls[0].body, br#"{"name":"Ada","when":"2026-11-24"}"#);
    assert_eq!(
        (case.calls[0].content_type.as_str(), case.calls[1].content_type.as_str()),
        ("application/json", "text/plain")
    );
    let mary = case.before.iter().find(|(at, _)| at.key.as_str() == "Mary").unwrap();
    assert_eq!(mary.1, Stored { bytes: (-7_i64).to_le_bytes().to_vec(), ttl_ms: Some(60_000) });
    let after = case.after.iter().find(|(bucket, _)| bucket.as_str() == "visitors").unwrap();
    assert_eq!(after.1["Mary"], Wanted::Number(-7));
}

#[test]
fn a_typo_is_an_error_with_its_line_and_says_what_to_write() {
    for (good, bad, line, word) in [
        ("about =", "abuot =", 1, "abuot"),
        ("\"answers\"", "\"sometimes\"", 2, "deterministic"),
        ("12:00:00Z", "12:00:00", 3, "no moment"),
        ("[storage.visitors]", "[storage.Visitors]", 6, "bucket"),
        ("{ json = { visits = 2 } }", "{ jsn = { visits = 2 } }", 7, "jsn"),
        ("\"text\"", "7", 8, "none of the forms"),
        ("ttl-ms = 60_000", "ttl-ms = 0", 9, "ttl-ms"),
        ("metadata =", "metdata =", 12, "metdata"),
        ("expect.json =", "expect.jsn =", 14, "jsn"),
        ("\"^[{]\"", "\"^[{\"", 15, "unclosed"),
        ("{ fuel =", "{ petrol =", 16, "petrol"),
        ("\"2 MiB\"", "\"much\"", 16, "no amount"),
        ("least = 1", "last = 1", 16, "no amount"),
        ("\"storage.get\"", "\"storage.got\"", 16, "storage.got"),
        ("input = \"plain\"", "input = \"plain\"\njson = 1", 19, "two inputs"),
        ("input = \"plain\"", "input-file = \"absent.json\"", 18, "absent.json"),
        ("{ number = -7 }", "{ number = -7, any = true }", 22, "none of the forms"),
    ] {
        let text = GOOD.replacen(good, bad, 1);
        assert_ne!(text, GOOD, "{good}");
        let error = parse(&text).unwrap_err();
        let read = Failure::read(&error);
        assert!(read.what().starts_with(&format!("cases/good.toml:{line}: ")), "{bad}: {}", read.what());
        assert!(read.what().contains(word) && !read.advice().is_empty(), "{bad}: {read:?}");
    }
    assert!(parse("about = \"nothing\"").unwrap_err().to_string().contains("calls nothing"));
}

#[test]
fn an_agent_without_cases_and_a_filter_that_finds_none_are_wrong_usage() {
    let agent = tempfile::tempdir().unwrap();
    let wrong = |filter| Failure::read(&load_all(agent.path(), filter, Sameness::Nothing).unwrap_err()[0]);
    assert!(wrong(None).is_usage() && wrong(None).what().contains("no cases"));
    std::fs::create_dir(agent.path().join("cases")).unwrap();
    std::fs::write(agent.path().join("cases/one.toml"), "[[call]]\ninput = \"x\"\n").unwrap();
    std::fs::write(agent.path().join("cases/notes.md"), "").unwrap();
    assert!(wrong(Some("two")).is_usage() && wrong(Some("two")).what().contains("two"));
    assert_eq!(load_all(agent.path(), Some("n"), Sameness::Nothing).unwrap()[0].name, "one");
    std::fs::write(agent.path().join("cases/a.toml"), "x = 1\n").unwrap();
    std::fs::write(agent.path().join("cases/b.toml"), "y = 1\n").unwrap();
    assert_eq!(
        load_all(agent.path(), None, Sameness::Nothing).unwrap_err().len(),
        2,
        "all that is wrong is told at once"
    );
}

#[test]
fn a_difference_is_shown_by_its_lines() {
    let lines = diff("one\ntwo\nthree\n", "one\n2\nthree\n");
    let plain: Vec<_> = lines.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect();
    assert_eq!(plain, ["  one", "- two", "+ 2", "  three"]);
}
