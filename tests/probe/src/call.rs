//! The calls: one variant and one match arm for each function of `wit/`.

use insula_sdk::prelude::*;
use insula_sdk::storage::{Address, Change, Expectation, Precondition, Selection, Version, Write};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer;

/// A call. Fields that have a default may be left out.
#[derive(Deserialize)]
#[serde(tag = "call", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Call {
    #[serde(rename = "request")]
    Request,
    #[serde(rename = "storage.get")]
    StorageGet { bucket: String, key: String },
    #[serde(rename = "storage.get-many")]
    StorageGetMany { bucket: String, keys: Vec<String> },
    #[serde(rename = "storage.list")]
    StorageList {
        bucket: String,
        #[serde(default)]
        prefix: String,
        after: Option<String>,
        #[serde(default)]
        reverse: bool,
        #[serde(default)]
        values: bool,
        #[serde(default = "most_entries")]
        limit: u32,
    },
    #[serde(rename = "storage.commit")]
    StorageCommit {
        #[serde(default)]
        preconditions: Vec<PreconditionText>,
        writes: Vec<WriteText>,
    },
    #[serde(rename = "storage.put")]
    StoragePut { bucket: String, key: String, value: Text },
    #[serde(rename = "storage.delete")]
    StorageDelete { bucket: String, key: String },
    #[serde(rename = "storage.increment")]
    StorageIncrement { bucket: String, key: String, delta: i64 },
    #[serde(rename = "cache.get")]
    CacheGet { namespace: String, key: String },
    #[serde(rename = "cache.put")]
    CachePut {
        namespace: String,
        key: String,
        value: Text,
        #[serde(default = "a_minute")]
        ttl_ms: u64,
    },
    #[serde(rename = "cache.delete")]
    CacheDelete { namespace: String, key: String },
    #[serde(rename = "cache.clear")]
    CacheClear { namespace: String },
    #[serde(rename = "cache.stats")]
    CacheStats,
    #[serde(rename = "log.write")]
    LogWrite {
        #[serde(default)]
        level: LevelText,
        message: Text,
    },
    #[serde(rename = "config.get")]
    ConfigGet { name: String },
    #[serde(rename = "config.all")]
    ConfigAll,
    #[serde(rename = "usage.report")]
    UsageReport,
    #[serde(rename = "usage.remaining")]
    UsageRemaining { name: String },
}

/// A value: text, or `{"repeat": "x", "times": 1000}` for one that would not fit a request.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Text {
    Plain(String),
    Repeated { repeat: String, times: usize },
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

/// `{"bucket", "key", "change": "delete" | {"put": "text"} | {"increment": 1}}`.
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
    Put(Text),
    Delete,
    Increment(i64),
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

fn most_entries() -> u32 {
    1_000
}

fn a_minute() -> u64 {
    60_000
}

impl Call {
    /// Makes the call.
    pub fn make(self, request: &Request) -> Result<Value, Error> {
        Ok(match self {
            Self::Request => answer::request(request),
            Self::StorageGet { bucket, key } => storage::get(&bucket, &key)?.as_ref().map(answer::entry).into(),
            Self::StorageGetMany { bucket, keys } => answer::entries(&storage::get_many(&bucket, &keys)?),
            Self::StorageList { bucket, prefix, after, reverse, values, limit } => {
                let selection = Selection { prefix, after, reverse, values, limit };
                answer::page(&storage::list(&bucket, &selection)?)
            }
            Self::StorageCommit { preconditions, writes } => {
                let preconditions: Vec<_> = preconditions.into_iter().map(PreconditionText::read).collect();
                let writes: Vec<_> = writes.into_iter().map(WriteText::read).collect();
                json!(storage::commit(&preconditions, &writes)?)
            }
            Self::StoragePut { bucket, key, value } => json!(storage::put(&bucket, &key, value.read().as_bytes())?),
            Self::StorageDelete { bucket, key } => json!(storage::delete(&bucket, &key)?),
            Self::StorageIncrement { bucket, key, delta } => json!(storage::increment(&bucket, &key, delta)?),
            Self::CacheGet { namespace, key } => cache::get(&namespace, &key)?.as_deref().map(answer::text).into(),
            Self::CachePut { namespace, key, value, ttl_ms } => {
                json!(cache::put(&namespace, &key, value.read().as_bytes(), ttl_ms)?)
            }
            Self::CacheDelete { namespace, key } => json!(cache::delete(&namespace, &key)?),
            Self::CacheClear { namespace } => json!(cache::clear(&namespace)?),
            Self::CacheStats => answer::statistics(&cache::stats()),
            Self::LogWrite { level, message } => json!(log::write(level.read(), &message.read())),
            Self::ConfigGet { name } => json!(config::get(&name)),
            Self::ConfigAll => json!(config::all()),
            Self::UsageReport => usage::report().iter().map(answer::allowance).collect(),
            Self::UsageRemaining { name } => json!(usage::remaining(&name)),
        })
    }
}

impl Text {
    fn read(self) -> String {
        match self {
            Self::Plain(text) => text,
            Self::Repeated { repeat, times } => repeat.repeat(times),
        }
    }
}

impl PreconditionText {
    fn read(self) -> Precondition {
        let expect = match self.expect {
            ExpectationText::Absent => Expectation::Absent,
            ExpectationText::Present => Expectation::Present,
            ExpectationText::Version(version) => Expectation::Version(version),
        };
        Precondition { at: Address { bucket: self.bucket, key: self.key }, expect }
    }
}

impl WriteText {
    fn read(self) -> Write {
        let change = match self.change {
            ChangeText::Put(value) => Change::Put(value.read().into_bytes()),
            ChangeText::Delete => Change::Delete,
            ChangeText::Increment(delta) => Change::Increment(delta),
        };
        Write { at: Address { bucket: self.bucket, key: self.key }, change }
    }
}

impl LevelText {
    fn read(self) -> log::Level {
        match self {
            Self::Trace => log::Level::Trace,
            Self::Debug => log::Level::Debug,
            Self::Info => log::Level::Info,
            Self::Warn => log::Level::Warn,
            Self::Error => log::Level::Error,
        }
    }
}
