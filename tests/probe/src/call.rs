//! The calls: one variant and one match arm for each function of `wit/`.

use insula_sdk::cache::{Lease, Life, Lookup, StaleValue};
use insula_sdk::prelude::*;
use insula_sdk::storage::{Address, Selection};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer;
use crate::arguments::{AddressText, LevelText, PreconditionText, Text, WriteText};

/// A call. Fields that have a default may be left out. Those of a selection and of a life stand beside the others.
#[derive(Deserialize)]
#[serde(tag = "call", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Call {
    #[serde(rename = "request")]
    Request,
    #[serde(rename = "storage.get")]
    StorageGet { bucket: String, key: String },
    #[serde(rename = "storage.get-many")]
    StorageGetMany { at: Vec<AddressText> },
    #[serde(rename = "storage.list")]
    StorageList {
        bucket: String,
        #[serde(default)]
        prefix: String,
        start: Option<String>,
        end: Option<String>,
        after: Option<String>,
        #[serde(default)]
        reverse: bool,
        #[serde(default)]
        values: bool,
        #[serde(default = "most_entries")]
        limit: u32,
    },
    #[serde(rename = "storage.buckets")]
    StorageBuckets {
        after: Option<String>,
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
    StoragePut { bucket: String, key: String, value: Text, ttl_ms: Option<u64> },
    #[serde(rename = "storage.delete")]
    StorageDelete { bucket: String, key: String },
    #[serde(rename = "storage.increment")]
    StorageIncrement { bucket: String, key: String, delta: i64, ttl_ms: Option<u64> },
    #[serde(rename = "cache.get")]
    CacheGet { namespace: String, key: String },
    #[serde(rename = "cache.put")]
    CachePut {
        namespace: String,
        key: String,
        value: Text,
        #[serde(default = "a_minute")]
        ttl_ms: u64,
        #[serde(default)]
        stale_ms: u64,
        #[serde(default)]
        this_version_only: bool,
    },
    /// A lease that comes of it is filled with `fill`, where that is given; kept to the end of the call, where `hold` is;
    /// and else dropped.
    #[serde(rename = "cache.get-or-fill")]
    CacheGetOrFill {
        namespace: String,
        key: String,
        #[serde(default)]
        wait_ms: u64,
        fill: Option<Text>,
        #[serde(default)]
        hold: bool,
        #[serde(default = "a_minute")]
        ttl_ms: u64,
        #[serde(default)]
        stale_ms: u64,
        #[serde(default)]
        this_version_only: bool,
    },
    /// Takes the lease of a key with `cache.get-or-fill`, and fills it: two host calls. An error where there is no lease.
    #[serde(rename = "cache.fill")]
    CacheFill {
        namespace: String,
        key: String,
        value: Text,
        #[serde(default = "a_minute")]
        ttl_ms: u64,
        #[serde(default)]
        stale_ms: u64,
        #[serde(default)]
        this_version_only: bool,
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
            Self::StorageGetMany { at } => {
                let at: Vec<Address> = at.into_iter().map(AddressText::read).collect();
                storage::get_many(&at)?.iter().map(|found| found.as_ref().map(answer::entry)).collect()
            }
            Self::StorageList { bucket, prefix, start, end, after, reverse, values, limit } => {
                let selection = Selection { prefix, start, end, after, reverse, values, limit };
                answer::page(&storage::list(&bucket, &selection)?)
            }
            Self::StorageBuckets { after, limit } => json!(storage::buckets(after.as_deref(), limit)?),
            Self::StorageCommit { preconditions, writes } => {
                let preconditions: Vec<_> = preconditions.into_iter().map(PreconditionText::read).collect();
                let writes: Vec<_> = writes.into_iter().map(WriteText::read).collect();
                json!(storage::commit(&preconditions, &writes)?)
            }
            Self::StoragePut { bucket, key, value, ttl_ms } => put(&bucket, &key, &value.read(), ttl_ms)?,
            Self::StorageDelete { bucket, key } => json!(storage::delete(&bucket, &key)?),
            Self::StorageIncrement { bucket, key, delta, ttl_ms } => json!(match ttl_ms {
                Some(ttl_ms) => storage::increment_for(&bucket, &key, delta, ttl_ms)?,
                None => storage::increment(&bucket, &key, delta)?,
            }),
            Self::CacheGet { namespace, key } => cache::get(&namespace, &key)?.as_deref().map(answer::text).into(),
            Self::CachePut { namespace, key, value, ttl_ms, stale_ms, this_version_only } => {
                let life = Life { ttl_ms, stale_ms, this_version_only };
                json!(cache::put(&namespace, &key, value.read().as_bytes(), life)?)
            }
            Self::CacheGetOrFill { namespace, key, wait_ms, fill, hold, ttl_ms, stale_ms, this_version_only } => {
                let life = Life { ttl_ms, stale_ms, this_version_only };
                let after = After { fill: fill.map(Text::read), hold, life };
                look_up(cache::get_or_fill(&namespace, &key, wait_ms)?, after)?
            }
            Self::CacheFill { namespace, key, value, ttl_ms, stale_ms, this_version_only } => {
                let life = Life { ttl_ms, stale_ms, this_version_only };
                match cache::get_or_fill(&namespace, &key, 0)? {
                    Lookup::Fill(lease) => json!(lease.fill(value.read().as_bytes(), life)?),
                    Lookup::Hit(_) | Lookup::Stale(_) => return Err(Error::conflict("there is a value already")),
                }
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

fn put(bucket: &str, key: &str, value: &str, ttl_ms: Option<u64>) -> Result<Value, Error> {
    Ok(json!(match ttl_ms {
        Some(ttl_ms) => storage::put_for(bucket, key, value.as_bytes(), ttl_ms)?,
        None => storage::put(bucket, key, value.as_bytes())?,
    }))
}

/// What becomes of a lease.
struct After {
    fill: Option<String>,
    hold: bool,
    life: Life,
}

impl After {
    /// `true` or `false` as `fill` answered; `"held"`; `"dropped"`.
    fn end(self, lease: Lease) -> Result<Value, Error> {
        if let Some(value) = self.fill {
            return Ok(json!(lease.fill(value.as_bytes(), self.life)?));
        }
        if self.hold {
            // The host takes it back when the call ends.
            std::mem::forget(lease);
            return Ok(json!("held"));
        }
        Ok(json!("dropped"))
    }
}

/// `{"hit": value}`, `{"stale": {"value", "lease"}}` or `{"fill": lease}`, with what became of the lease.
fn look_up(found: Lookup, after: After) -> Result<Value, Error> {
    Ok(match found {
        Lookup::Hit(value) => json!({ "hit": answer::text(&value) }),
        Lookup::Fill(lease) => json!({ "fill": after.end(lease)? }),
        Lookup::Stale(StaleValue { value, lease }) => {
            let lease = lease.map(|lease| after.end(lease)).transpose()?;
            json!({ "stale": { "value": answer::text(&value), "lease": lease } })
        }
    })
}
