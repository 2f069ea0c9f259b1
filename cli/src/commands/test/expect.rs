//! What a case expects of one answer, and what is wrong with the one that came.

use std::collections::BTreeMap;

use insula_runtime::{Bill, HostCall};
use regex::Regex;
use similar::{ChangeTag, TextDiff};
use toml::{Spanned, Value};

use crate::outcome::{Outcome, body_as_json};
use crate::terminal::{self, bad, dim, good};
use crate::trouble::Trouble;

use super::case::{ExpectTable, Source, bounds};
use super::subset;
use super::value::json_of;

/// The status of an answer.
const OK: u16 = 200;
/// Sums over the kinds of host calls.
const SUMS: [(&str, &str); 2] = [("storage-operations", "storage."), ("cache-operations", "cache.")];

/// What is expected of one answer. Where nothing is said of its status, code or snapshot, the call must be answered.
#[derive(Debug)]
pub(super) struct Expect {
    status: Option<u16>,
    code: Option<String>,
    content_type: Option<String>,
    body: Option<Vec<u8>>,
    json: Option<serde_json::Value>,
    contains: Vec<String>,
    matches: Vec<Regex>,
    pub(super) snapshot: bool,
    metadata: BTreeMap<String, String>,
    bill: Vec<(String, Bound)>,
}

/// A range, both ends within.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound {
    least: u64,
    most: u64,
}

impl Expect {
    pub(super) fn read(source: &Source<'_>, table: ExpectTable) -> anyhow::Result<Self> {
        let body = match (&table.body, &table.body_file) {
            (Some(_), Some(path)) => {
                return Err(source.wrong(path, "the answer's body is said twice", "keep `body` or `body-file`"));
            }
            (Some(text), None) => Some(text.clone().into_bytes()),
            (None, Some(path)) => Some(source.read(path)?),
            (None, None) => None,
        };
        let regex = |pattern: &Spanned<String>| {
            Regex::new(pattern.get_ref()).map_err(|error| {
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                source.wrong(pattern, &format!("the pattern does not parse: {last}"), "correct the regular expression")
            })
        };
        Ok(Self {
            status: table.status,
            code: table.code,
            content_type: table.content_type,
            body,
            json: table.json.as_ref().map(|value| json_of(value.get_ref())),
            contains: table.contains,
            matches: table.matches.iter().map(regex).collect::<anyhow::Result<_>>()?,
            snapshot: table.snapshot,
            metadata: table.metadata,
            bill: bounds(source, table.bill)?,
        })
    }

    /// What is wrong with an answer, as lines to be shown; none where it is as expected.
    pub(super) fn differences(&self, outcome: &Outcome) -> Vec<String> {
        let mut lines = self.of_status(outcome);
        let text = text_of(outcome);
        if let Ok(reply) = &outcome.answer {
            if let Some(wanted) = &self.content_type
                && *wanted != reply.content_type
            {
                lines.push(format!("the content type is `{}`, expected `{wanted}`", reply.content_type));
            }
            if let Some(wanted) = &self.body
                && *wanted != reply.body
            {
                lines.push("the body is another one:".to_owned());
                lines.extend(diff(&String::from_utf8_lossy(wanted), &text));
            }
            if let Some(wanted) = &self.json {
                match serde_json::from_slice(&reply.body) {
                    Ok(found) => lines.extend(subset::differences(wanted, &found)),
                    Err(_) => lines.push(format!("the body is not JSON: {}", super::value::shown(&reply.body))),
                }
            }
            for (name, wanted) in &self.metadata {
                match reply.metadata.iter().find(|(known, _)| known == name) {
                    Some((_, found)) if found == wanted => {}
                    Some((_, found)) => lines.push(format!("metadata `{name}` is {found:?}, expected {wanted:?}")),
                    None => lines.push(format!("metadata `{name}` is not there, expected {wanted:?}")),
                }
            }
        } else if self.body.is_some() || self.json.is_some() {
            // The status says already that there is no body.
            if lines.is_empty() {
                lines.push(format!("a body is expected, and the call failed: {text}"));
            }
        }
        for part in self.contains.iter().filter(|part| !text.contains(part.as_str())) {
            lines.push(format!("{part:?} is not in the answer {}", super::value::shown(text.as_bytes())));
        }
        for pattern in self.matches.iter().filter(|pattern| !pattern.is_match(&text)) {
            lines.push(format!("/{pattern}/ does not match {}", super::value::shown(text.as_bytes())));
        }
        lines.extend(self.of_bill(outcome));
        lines
    }

    fn of_status(&self, outcome: &Outcome) -> Vec<String> {
        let (status, problem) = match &outcome.answer {
            Ok(_) => (OK, None),
            Err(problem) => (problem.status, Some(problem)),
        };
        let code = problem.map(|problem| problem.agent_code.as_deref().unwrap_or(&problem.code));
        let said = problem.map(|problem| format!(" ({}: {})", code.unwrap_or_default(), problem.sentence()));
        let mut lines = Vec::new();
        let wanted = self.status.or_else(|| (self.code.is_none() && !self.snapshot).then_some(OK));
        if let Some(wanted) = wanted.filter(|wanted| *wanted != status) {
            lines.push(format!("the status is {status}, expected {wanted}{}", said.unwrap_or_default()));
            let trouble = problem.map(|problem| &problem.trouble);
            lines.extend(trouble.map(Trouble::stack_lines).unwrap_or_default());
            lines.extend(trouble.and_then(Trouble::budget_line));
        }
        if let Some(wanted) = &self.code
            && code != Some(wanted)
            && problem.is_none_or(|problem| problem.code != *wanted)
        {
            let found = code.map_or_else(|| "there is none".to_owned(), |code| format!("it is `{code}`"));
            lines.push(format!("the code `{wanted}` is expected, and {found}"));
        }
        lines
    }

    fn of_bill(&self, outcome: &Outcome) -> Vec<String> {
        let bill = outcome.bill.unwrap_or_default();
        let broken = self.bill.iter().filter_map(|(name, bound)| {
            let used = used(name, &bill, &outcome.host_calls);
            let shown = |value| terminal::by_name(name, value);
            if used > bound.most {
                Some(format!("the bill's `{name}` is {}, expected at most {}", shown(used), shown(bound.most)))
            } else if used < bound.least {
                Some(format!("the bill's `{name}` is {}, expected at least {}", shown(used), shown(bound.least)))
            } else {
                None
            }
        });
        broken.collect()
    }
}

fn used(name: &str, bill: &Bill, host_calls: &BTreeMap<String, u64>) -> u64 {
    if let Some((_, beginning)) = SUMS.iter().find(|(sum, _)| *sum == name) {
        return host_calls.iter().filter(|(kind, _)| kind.starts_with(beginning)).map(|(_, calls)| calls).sum();
    }
    let entry = bill.entries().into_iter().find(|(known, _)| *known == name);
    entry.map_or_else(|| host_calls.get(name).copied().unwrap_or_default(), |(_, amount)| amount)
}

impl Bound {
    /// A name on a bill, a kind of host call, or a sum of kinds.
    pub(super) fn check_name(source: &Source<'_>, name: &Spanned<String>) -> anyhow::Result<String> {
        let on_bill = Bill::default().entries().map(|(known, _)| known);
        let kinds = HostCall::ALL.iter().map(|kind| kind.name());
        let mut known = on_bill.into_iter().chain(SUMS.map(|(sum, _)| sum)).chain(kinds);
        if known.any(|known| known == name.get_ref()) {
            return Ok(name.get_ref().clone());
        }
        let names: Vec<_> = on_bill.into_iter().chain(SUMS.map(|(sum, _)| sum)).collect();
        let advice = format!("write one of {}, or a host call such as \"storage.get\"", names.join(", "));
        Err(source.wrong(name, &format!("`{}` is on no bill", name.get_ref()), &advice))
    }

    /// A number is the most that may be used.
    pub(super) fn read(source: &Source<'_>, value: &Spanned<Value>) -> anyhow::Result<Self> {
        let amount = |value: &Value| match value {
            Value::Integer(number) => u64::try_from(*number).ok(),
            Value::String(text) => terminal::amount(text),
            _ => None,
        };
        let wrong = || {
            let advice = "write the most, such as 500_000 or \"2 MiB\", or { least = 1, most = 2 }";
            source.wrong(value, &format!("{} is no amount", value.get_ref()), advice)
        };
        let Value::Table(table) = value.get_ref() else {
            return Ok(Self { least: 0, most: amount(value.get_ref()).ok_or_else(wrong)? });
        };
        if table.is_empty() || table.keys().any(|name| name != "least" && name != "most") {
            return Err(wrong());
        }
        let end = |name: &str, standard| table.get(name).map_or(Some(standard), amount).ok_or_else(wrong);
        Ok(Self { least: end("least", 0)?, most: end("most", u64::MAX)? })
    }
}

/// An answer as text: its body, or what the host says of the failure.
pub(super) fn text_of(outcome: &Outcome) -> String {
    match &outcome.answer {
        Ok(reply) => String::from_utf8_lossy(&reply.body).into_owned(),
        Err(problem) => problem.sentence(),
    }
}

/// An answer as a snapshot has it: JSON indented, other text as it is, a failure with its status and code.
pub(super) fn snapshot_of(outcome: &Outcome) -> String {
    let mut text = match &outcome.answer {
        Ok(reply) => match body_as_json(reply) {
            ("body", serde_json::Value::String(text)) => text,
            (_, value) => serde_json::to_string_pretty(&value).unwrap_or_default(),
        },
        Err(problem) => {
            let code = problem.agent_code.as_deref().unwrap_or(&problem.code);
            format!("status {}: {code}\n{}", problem.status, problem.sentence())
        }
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Two texts by their lines: what is expected and not there in red, what is there and not expected in green.
pub(super) fn diff(wanted: &str, found: &str) -> Vec<String> {
    let compared = TextDiff::from_lines(wanted, found);
    let mut lines = Vec::new();
    for group in compared.grouped_ops(2) {
        if !lines.is_empty() {
            lines.push(dim("  ...").to_string());
        }
        for change in group.iter().flat_map(|operation| compared.iter_changes(operation)) {
            let text = change.value().trim_end_matches('\n');
            let text = terminal::plain(text);
            lines.push(match change.tag() {
                ChangeTag::Delete => bad(format_args!("- {text}")).to_string(),
                ChangeTag::Insert => good(format_args!("+ {text}")).to_string(),
                ChangeTag::Equal => dim(format_args!("  {text}")).to_string(),
            });
        }
    }
    lines
}
