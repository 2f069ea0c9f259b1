//! Values in storage as a case writes them: text, JSON, a number that is counted with, or a file.

use serde_json::json;
use toml::{Spanned, Value};

use super::case::{Source, only_entry};
use super::subset;

/// What a value may be written as.
const FORMS: [&str; 4] = ["text", "json", "number", "file"];
/// What an expected value may be written as, too.
const MATCHERS: [&str; 2] = ["contains", "any"];

/// A value to put into storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) bytes: Vec<u8>,
    pub(super) ttl_ms: Option<u64>,
}

/// A value that storage must hold.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wanted {
    Bytes(Vec<u8>),
    /// At least this.
    Json(serde_json::Value),
    Number(i64),
    Contains(String),
    Any,
}

impl Stored {
    pub(super) fn read(source: &Source<'_>, value: &Spanned<Value>) -> anyhow::Result<Self> {
        let table = match value.get_ref() {
            Value::String(text) => return Ok(Self { bytes: text.clone().into_bytes(), ttl_ms: None }),
            Value::Table(table) => table,
            _ => return Err(unclear(source, value, &FORMS)),
        };
        let mut known = FORMS.to_vec();
        known.push("ttl-ms");
        check_fields(source, value, &known)?;
        let Some((form, content)) = only_entry(table, &FORMS) else { return Err(unclear(source, value, &FORMS)) };
        let bytes = match (form, content) {
            ("text", Value::String(text)) => text.clone().into_bytes(),
            ("json", content) => serde_json::to_vec(&json_of(content))?,
            ("number", Value::Integer(number)) => number.to_le_bytes().to_vec(),
            ("file", Value::String(path)) => source.read(&Spanned::new(value.span(), path.into()))?,
            _ => return Err(unclear(source, value, &FORMS)),
        };
        let ttl_ms = match table.get("ttl-ms") {
            None => None,
            Some(Value::Integer(ms)) if *ms > 0 => u64::try_from(*ms).ok(),
            Some(other) => return Err(source.wrong(value, &format!("`ttl-ms` is {other}"), "write milliseconds")),
        };
        Ok(Self { bytes, ttl_ms })
    }
}

impl Wanted {
    pub(super) fn read(source: &Source<'_>, value: &Spanned<Value>) -> anyhow::Result<Self> {
        let forms = [FORMS.as_slice(), MATCHERS.as_slice()].concat();
        let table = match value.get_ref() {
            Value::String(text) => return Ok(Self::Bytes(text.clone().into_bytes())),
            Value::Table(table) => table,
            _ => return Err(unclear(source, value, &forms)),
        };
        check_fields(source, value, &forms)?;
        match only_entry(table, &forms) {
            Some(("text", Value::String(text))) => Ok(Self::Bytes(text.clone().into_bytes())),
            Some(("json", content)) => Ok(Self::Json(json_of(content))),
            Some(("number", Value::Integer(number))) => Ok(Self::Number(*number)),
            Some(("contains", Value::String(text))) => Ok(Self::Contains(text.clone())),
            Some(("any", Value::Boolean(true))) => Ok(Self::Any),
            Some(("file", Value::String(path))) => {
                Ok(Self::Bytes(source.read(&Spanned::new(value.span(), path.into()))?))
            }
            _ => Err(unclear(source, value, &forms)),
        }
    }

    /// What is wrong with a value; nothing where it is as wanted.
    pub(super) fn differences(&self, found: &[u8]) -> Vec<String> {
        match self {
            Self::Any => Vec::new(),
            Self::Bytes(wanted) if wanted == found => Vec::new(),
            Self::Bytes(wanted) => vec![format!("is {}, not {}", shown(found), shown(wanted))],
            Self::Contains(part) if String::from_utf8_lossy(found).contains(part) => Vec::new(),
            Self::Contains(part) => vec![format!("is {}, without {part:?}", shown(found))],
            Self::Number(wanted) => match <[u8; 8]>::try_from(found).map(i64::from_le_bytes) {
                Ok(number) if number == *wanted => Vec::new(),
                Ok(number) => vec![format!("is the number {number}, not {wanted}")],
                Err(_) => vec![format!("is {}, not the number {wanted}", shown(found))],
            },
            Self::Json(wanted) => match serde_json::from_slice(found) {
                Ok(value) => subset::differences(wanted, &value),
                Err(_) => vec![format!("is {}, not JSON", shown(found))],
            },
        }
    }
}

/// TOML as JSON: dates become text.
pub(super) fn json_of(value: &Value) -> serde_json::Value {
    match value {
        Value::String(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => json!(number),
        Value::Boolean(word) => (*word).into(),
        Value::Datetime(date) => date.to_string().into(),
        Value::Array(values) => values.iter().map(json_of).collect(),
        Value::Table(table) => table.iter().map(|(name, value)| (name.clone(), json_of(value))).collect(),
    }
}

/// A value on one line: text where it is text, else how long it is.
pub(super) fn shown(bytes: &[u8]) -> String {
    const LONG: usize = 120;
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(|character: char| character.is_control() && character != '\n') => text,
        _ if bytes.len() == 8 => {
            let number = <[u8; 8]>::try_from(bytes).map(i64::from_le_bytes).unwrap_or_default();
            return format!("8 bytes (the number {number})");
        }
        _ => return format!("{} bytes that are no text", bytes.len()),
    };
    let end = text.floor_char_boundary(LONG);
    let (kept, more) = (text.get(..end).unwrap_or_default(), text.len() > end);
    format!("{kept:?}{}", if more { format!(" and {} bytes more", text.len() - end) } else { String::new() })
}

fn check_fields(source: &Source<'_>, value: &Spanned<Value>, known: &[&str]) -> anyhow::Result<()> {
    let Value::Table(table) = value.get_ref() else { return Ok(()) };
    match table.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let advice = format!("the fields of a value are {}", known.join(", "));
            Err(source.wrong(value, &format!("unknown field `{name}` of a value"), &advice))
        }
    }
}

fn unclear(source: &Source<'_>, value: &Spanned<Value>, forms: &[&str]) -> anyhow::Error {
    let advice = format!("write \"text\", {{ json = ... }}, {{ number = 7 }}, or another one of {}", forms.join(", "));
    source.wrong(value, "the value is in none of the forms that it may have", &advice)
}
