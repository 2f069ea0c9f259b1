//! A case as its author writes it: `cases/NAME.toml`. Unknown fields are errors, and every error has its line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use insula_runtime::storage::{BucketName, Place};
use serde::Deserialize;
use toml::{Spanned, Table, Value};

use crate::failure::{Explain, Failure};
use crate::input;
use crate::manifest::Language;
use crate::toml_text::TomlText;

use super::clock;
use super::expect::{Bound, Expect};
use super::value::{Stored, Wanted, json_of};

/// What to do about a case that cannot be read.
const ADVICE: &str = "correct the line; `insula test --help` shows every field";

/// How far two runs of a case in two tenants must be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sameness {
    /// Answers, storage, use of the cache, and fuel to the unit.
    Everything,
    /// Answers and storage: what takes another number of steps each time, such as a map in random order.
    Answers,
    /// Nothing: what tells the time, or rolls dice.
    Nothing,
}

impl Sameness {
    /// What can be expected of a language: the engines of JavaScript and Python take another number of steps each time.
    pub(super) fn of(language: Language) -> Self {
        match language {
            Language::Rust => Self::Everything,
            Language::Js | Language::Python => Self::Answers,
        }
    }
}

/// A case that was read and checked.
#[derive(Debug)]
pub(super) struct Case {
    /// The file's name without its ending.
    pub(super) name: String,
    pub(super) about: Option<String>,
    pub(super) sameness: Sameness,
    /// The time of day that its calls are told, since 1970; the real one unless said.
    pub(super) clock: Option<Duration>,
    /// On top of the manifest's.
    pub(super) config: BTreeMap<String, String>,
    pub(super) before: Vec<(Place, Stored)>,
    pub(super) calls: Vec<Ask>,
    /// Each bucket that is named has these keys and no others.
    pub(super) after: Vec<(BucketName, BTreeMap<String, Wanted>)>,
}

/// One call of a case.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) body: Vec<u8>,
    pub(super) content_type: String,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) idempotency_key: Option<String>,
    /// What the clock shows from this call on.
    pub(super) clock: Option<Duration>,
    pub(super) expect: Expect,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct File {
    about: Option<String>,
    deterministic: Option<Spanned<Value>>,
    clock: Option<Spanned<Value>>,
    #[serde(default)]
    config: BTreeMap<String, String>,
    #[serde(default)]
    storage: Buckets,
    #[serde(default)]
    call: Vec<CallTable>,
    #[serde(default)]
    storage_after: Buckets,
}

type Buckets = BTreeMap<Spanned<String>, BTreeMap<Spanned<String>, Spanned<Value>>>;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct CallTable {
    input: Option<Spanned<String>>,
    input_file: Option<Spanned<PathBuf>>,
    json: Option<Spanned<Value>>,
    content_type: Option<String>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    idempotency_key: Option<String>,
    clock: Option<Spanned<Value>>,
    #[serde(default)]
    expect: ExpectTable,
}

/// What is expected of an answer, as it is written.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ExpectTable {
    pub(super) status: Option<u16>,
    pub(super) code: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) body: Option<String>,
    pub(super) body_file: Option<Spanned<PathBuf>>,
    pub(super) json: Option<Spanned<Value>>,
    #[serde(default)]
    pub(super) contains: Vec<String>,
    #[serde(default)]
    pub(super) matches: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) snapshot: bool,
    #[serde(default)]
    pub(super) metadata: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) bill: BTreeMap<Spanned<String>, Spanned<Value>>,
}

/// Where a case comes from: its text, for errors, and the folder that its files are named from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    /// What holds where the case says nothing of it.
    pub(super) sameness: Sameness,
    pub(super) text: TomlText<'a>,
    pub(super) agent: &'a Path,
}

impl Source<'_> {
    /// What is wrong at one place.
    pub(super) fn wrong<T>(&self, at: &Spanned<T>, message: &str, advice: &str) -> anyhow::Error {
        self.text.failure(Some(at.span()), message, advice).into()
    }

    /// A file that the case names.
    pub(super) fn read(&self, path: &Spanned<PathBuf>) -> anyhow::Result<Vec<u8>> {
        let full = self.agent.join(path.get_ref());
        std::fs::read(&full).map_err(|error| {
            let message = format!("cannot read `{}`: {error}", full.display());
            self.wrong(
                path,
                &message,
                "name a file as it is seen from the agent's folder, such as \"requests/one.json\"",
            )
        })
    }
}

impl Case {
    /// Reads a case of the agent in this folder.
    pub(super) fn load(path: &Path, agent: &Path, sameness: Sameness) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .explain(format_args!("cannot read the case {}", path.display()), "make it a text file in UTF-8")?;
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self::parse(name, Source { sameness, text: TomlText { text: &text, path }, agent })
    }

    pub(super) fn parse(name: String, source: Source<'_>) -> anyhow::Result<Self> {
        let file: File = source.text.read(ADVICE)?;
        if file.call.is_empty() {
            let advice = "add a call, such as\n[[call]]\ninput = \"hello\"\nexpect.status = 200";
            return Err(source.text.failure(None, "the case calls nothing", advice).into());
        }
        let sameness = file.deterministic.as_ref().map_or(Ok(source.sameness), |word| sameness(&source, word))?;
        let mut before = Vec::new();
        for (bucket, entries) in file.storage {
            bucket_name(&source, &bucket)?;
            for (key, value) in entries {
                before.push((place(&source, bucket.get_ref(), &key)?, Stored::read(&source, &value)?));
            }
        }
        let mut after = Vec::new();
        for (bucket, entries) in file.storage_after {
            let name = bucket_name(&source, &bucket)?;
            let mut wanted = BTreeMap::new();
            for (key, value) in entries {
                place(&source, bucket.get_ref(), &key)?;
                wanted.insert(key.into_inner(), Wanted::read(&source, &value)?);
            }
            after.push((name, wanted));
        }
        let calls = file.call.into_iter().map(|call| Ask::read(&source, call)).collect::<anyhow::Result<_>>()?;
        let clock = moment(&source, file.clock.as_ref())?;
        Ok(Self { name, about: file.about, sameness, clock, config: file.config, before, calls, after })
    }
}

impl Ask {
    fn read(source: &Source<'_>, call: CallTable) -> anyhow::Result<Self> {
        let inputs = [
            call.input.as_ref().map(Spanned::span),
            call.input_file.as_ref().map(Spanned::span),
            call.json.as_ref().map(Spanned::span),
        ];
        if let Some(second) = inputs.into_iter().flatten().nth(1) {
            let advice = "give one of `input`, `input-file` and `json`";
            return Err(source.text.failure(Some(second), "the call has two inputs", advice).into());
        }
        let body = match (call.input, call.input_file, call.json) {
            (Some(text), ..) => text.into_inner().into_bytes(),
            (_, Some(path), _) => source.read(&path)?,
            (.., Some(value)) => serde_json::to_vec(&json_of(value.get_ref()))?,
            _ => Vec::new(),
        };
        Ok(Self {
            content_type: call.content_type.unwrap_or_else(|| input::guess_content_type(&body).to_owned()),
            body,
            metadata: call.metadata,
            idempotency_key: call.idempotency_key,
            clock: moment(source, call.clock.as_ref())?,
            expect: Expect::read(source, call.expect)?,
        })
    }
}

fn moment(source: &Source<'_>, word: Option<&Spanned<Value>>) -> anyhow::Result<Option<Duration>> {
    let Some(word) = word else { return Ok(None) };
    let Value::Datetime(datetime) = word.get_ref() else { return Err(no_moment(source, word)) };
    clock::moment(datetime).map(Some).ok_or_else(|| no_moment(source, word))
}

fn no_moment(source: &Source<'_>, word: &Spanned<Value>) -> anyhow::Error {
    let advice = "write a date, a time and an offset, without quotes: 2026-11-24T12:00:00Z";
    source.wrong(word, &format!("`clock` is {}, which is no moment since 1970", word.get_ref()), advice)
}

fn sameness(source: &Source<'_>, word: &Spanned<Value>) -> anyhow::Result<Sameness> {
    match word.get_ref() {
        Value::Boolean(true) => Ok(Sameness::Everything),
        Value::Boolean(false) => Ok(Sameness::Nothing),
        Value::String(text) if text == "answers" => Ok(Sameness::Answers),
        other => {
            let advice =
                "write true, \"answers\" (the fuel may differ) or false (the agent tells the time or rolls dice)";
            Err(source.wrong(word, &format!("`deterministic` is {other}"), advice))
        }
    }
}

fn bucket_name(source: &Source<'_>, bucket: &Spanned<String>) -> anyhow::Result<BucketName> {
    BucketName::parse(bucket.get_ref()).map_err(|error| source.wrong(bucket, &error.to_string(), "correct the name"))
}

fn place(source: &Source<'_>, bucket: &str, key: &Spanned<String>) -> anyhow::Result<Place> {
    Place::parse(bucket, key.get_ref()).map_err(|error| source.wrong(key, &error.to_string(), "correct the key"))
}

/// The one entry of a table that says how something is written, and the rest of it.
pub(super) fn only_entry<'t>(table: &'t Table, names: &[&str]) -> Option<(&'t str, &'t Value)> {
    let mut found = table.iter().filter(|(name, _)| names.contains(&name.as_str()));
    let first = found.next()?;
    found.next().is_none().then_some((first.0.as_str(), first.1))
}

/// The cases of an agent, in the order of their names; or everything that is wrong with them.
pub(super) fn load_all(
    agent: &Path,
    filter: Option<&str>,
    sameness: Sameness,
) -> Result<Vec<Case>, Vec<anyhow::Error>> {
    let folder = agent.join("cases");
    let mut paths = Vec::new();
    // A folder that is not there has no cases.
    for entry in std::fs::read_dir(&folder).into_iter().flatten() {
        let path = entry.map_err(|error| vec![error.into()])?.path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(vec![no_cases(&folder).into()]);
    }
    paths.sort();
    let all = paths.len();
    let chosen = |path: &PathBuf| {
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        filter.is_none_or(|part| name.contains(part))
    };
    paths.retain(chosen);
    if paths.is_empty() {
        let failure = Failure::usage(format_args!("no case has `{}` in its name", filter.unwrap_or_default()));
        return Err(vec![failure.advise(format_args!("{all} are in {}", folder.display())).into()]);
    }
    let (mut cases, mut wrong) = (Vec::new(), Vec::new());
    for path in paths {
        match Case::load(&path, agent, sameness) {
            Ok(case) => cases.push(case),
            Err(error) => wrong.push(error),
        }
    }
    if wrong.is_empty() { Ok(cases) } else { Err(wrong) }
}

fn no_cases(folder: &Path) -> Failure {
    Failure::usage("the agent has no cases")
        .because(format_args!("there is no {}", folder.join("NAME.toml").display()))
        .advise("write one, such as\n  [[call]]\n  input = \"hello\"\n  expect.snapshot = true\nand run `insula test --update`")
}

/// Reads the bounds of a bill.
pub(super) fn bounds(
    source: &Source<'_>,
    bill: BTreeMap<Spanned<String>, Spanned<Value>>,
) -> anyhow::Result<Vec<(String, Bound)>> {
    bill.into_iter()
        .map(|(name, value)| Ok((Bound::check_name(source, &name)?, Bound::read(source, &value)?)))
        .collect()
}
