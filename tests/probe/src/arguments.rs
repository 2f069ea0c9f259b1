//! Arguments of calls as JSON: values, addresses, conditions, changes, levels.

use insula_sdk::prelude::*;
use insula_sdk::storage::{Addition, Address, Change, Content, Expectation, Precondition, Version, Write};
use serde::Deserialize;

/// A value: text, or `{"repeat": "x", "times": 1000}` for one that would not fit a request.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Text {
    Plain(String),
    Repeated { repeat: String, times: usize },
}

/// `{"bucket", "key"}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddressText {
    bucket: String,
    key: String,
}

/// `{"bucket", "key", "expect": "absent" | "present" | {"version": 1}}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreconditionText {
    bucket: String,
    key: String,
    expect: ExpectationText,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ExpectationText {
    Absent,
    Present,
    Version(Version),
}

/// `{"bucket", "key", "change": "delete" | {"put": "text"} | {"increment": 1} | {"expire": null}}`, and with a life
/// `{"put": {"value": "text", "ttl-ms": 1000}}`, `{"increment": {"delta": 1, "ttl-ms": 1000}}`, `{"expire": 1000}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteText {
    bucket: String,
    key: String,
    change: ChangeText,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ChangeText {
    Put(ContentText),
    Delete,
    Increment(AdditionText),
    Expire(Option<u64>),
}

#[derive(Deserialize)]
#[serde(untagged, rename_all_fields = "kebab-case")]
enum ContentText {
    Mortal { value: Text, ttl_ms: Option<u64> },
    Plain(Text),
}

#[derive(Deserialize)]
#[serde(untagged, rename_all_fields = "kebab-case")]
enum AdditionText {
    Mortal { delta: i64, ttl_ms: Option<u64> },
    Plain(i64),
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LevelText {
    Trace,
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

impl Text {
    pub fn read(self) -> String {
        match self {
            Self::Plain(text) => text,
            Self::Repeated { repeat, times } => repeat.repeat(times),
        }
    }
}

impl AddressText {
    pub fn read(self) -> Address {
        Address { bucket: self.bucket, key: self.key }
    }
}

impl PreconditionText {
    pub fn read(self) -> Precondition {
        let expect = match self.expect {
            ExpectationText::Absent => Expectation::Absent,
            ExpectationText::Present => Expectation::Present,
            ExpectationText::Version(version) => Expectation::Version(version),
        };
        Precondition { at: Address { bucket: self.bucket, key: self.key }, expect }
    }
}

impl WriteText {
    pub fn read(self) -> Write {
        let change = match self.change {
            ChangeText::Put(ContentText::Mortal { value, ttl_ms }) => {
                Change::Put(Content { value: value.read().into_bytes(), ttl_ms })
            }
            ChangeText::Put(ContentText::Plain(value)) => {
                Change::Put(Content { value: value.read().into_bytes(), ttl_ms: None })
            }
            ChangeText::Delete => Change::Delete,
            ChangeText::Increment(AdditionText::Mortal { delta, ttl_ms }) => {
                Change::Increment(Addition { delta, ttl_ms })
            }
            ChangeText::Increment(AdditionText::Plain(delta)) => Change::Increment(Addition { delta, ttl_ms: None }),
            ChangeText::Expire(ttl_ms) => Change::Expire(ttl_ms),
        };
        Write { at: Address { bucket: self.bucket, key: self.key }, change }
    }
}

impl LevelText {
    pub fn read(self) -> log::Level {
        match self {
            Self::Trace => log::Level::Trace,
            Self::Debug => log::Level::Debug,
            Self::Info => log::Level::Info,
            Self::Warn => log::Level::Warn,
            Self::Error => log::Level::Error,
        }
    }
}
