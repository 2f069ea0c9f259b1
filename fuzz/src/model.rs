//! What a tenant should find: its storage as the answers to its own calls say that it is, and what its cache may hold.
//!
//! It knows nothing of other tenants. Whatever of theirs showed up would not be what it knows.

use std::collections::BTreeMap;

use insula_host_api::Entry;
use insula_host_api::bindings::insula::agent::{cache, storage};

/// Bucket, or namespace, and key.
pub(crate) type At = (String, String);

/// One value in storage.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) value: Vec<u8>,
    /// `None` where the budget was used up before the answer was out.
    version: Option<u64>,
    ends_ms: Option<u64>,
}

/// One value in the cache.
#[derive(Debug, Clone)]
struct Cached {
    value: Vec<u8>,
    put_ms: u64,
    life: cache::Life,
    /// Which caller's version it is for, where it is for that one only.
    only: Option<u8>,
}

/// One tenant.
#[derive(Debug, Default)]
pub(crate) struct Model {
    storage: BTreeMap<At, Kept>,
    cache: BTreeMap<At, Cached>,
}

impl Model {
    /// What is at a place and still alive.
    pub(crate) fn at(&self, at: &At, now_ms: u64) -> Option<&Kept> {
        self.storage.get(at).filter(|kept| kept.ends_ms.is_none_or(|ends| now_ms < ends))
    }

    /// Every place with a value that is alive.
    pub(crate) fn alive(&self, now_ms: u64) -> impl Iterator<Item = &At> {
        self.storage.keys().filter(move |at| self.at(at, now_ms).is_some())
    }

    /// Whether there is a bucket of this name; also one whose last keys have expired.
    pub(crate) fn has_bucket(&self, name: &str) -> bool {
        self.storage.keys().any(|at| at.0 == name)
    }

    /// A value that was read is the one that is known; `listed`: without it, where the listing was asked for keys.
    pub(crate) fn check_entry(&self, at: &At, entry: &Entry, with_value: bool, now_ms: u64) {
        let kept = self.at(at, now_ms);
        assert!(kept.is_some(), "{at:?} should be absent, and is {entry:?}");
        let Some(kept) = kept else { return };
        assert_eq!(entry.key, at.1, "an entry under another key");
        assert!(kept.version.is_none_or(|version| version == entry.version), "{at:?}: {entry:?} is not {kept:?}");
        assert_eq!(entry.ttl_ms, kept.ends_ms.map(|ends| ends - now_ms), "{at:?}: what is left of its life");
        if with_value {
            assert_eq!(entry.value, kept.value, "{at:?} has another value than it was given");
        } else {
            assert!(entry.value.is_empty(), "{at:?}: a value that was not asked for");
        }
    }

    /// The same for an answer that may be none.
    pub(crate) fn check_get(&self, at: &At, found: Option<&Entry>, now_ms: u64) {
        match found {
            Some(entry) => self.check_entry(at, entry, true, now_ms),
            None => assert!(self.at(at, now_ms).is_none(), "{at:?} is gone"),
        }
    }

    /// Whether a precondition holds; `None` where the version is not known.
    pub(crate) fn holds(&self, one: &storage::Precondition, now_ms: u64) -> Option<bool> {
        let kept = self.at(&(one.at.bucket.clone(), one.at.key.clone()), now_ms);
        match one.expect {
            storage::Expectation::Absent => Some(kept.is_none()),
            storage::Expectation::Present => Some(kept.is_some()),
            storage::Expectation::Version(expected) => match kept {
                None => Some(false),
                Some(kept) => kept.version.map(|version| version == expected),
            },
        }
    }

    /// Takes over a commit that was done. `versions` are none where the answer did not come out.
    pub(crate) fn commit(&mut self, writes: &[storage::Write], versions: Option<&[u64]>, now_ms: u64) {
        for (index, write) in writes.iter().enumerate() {
            let version = versions.and_then(|versions| versions.get(index).copied());
            let at = (write.at.bucket.clone(), write.at.key.clone());
            let before = self.at(&at, now_ms).cloned();
            let end_of = |ttl: Option<u64>| ttl.map(|ttl| now_ms.saturating_add(ttl));
            let after = match &write.change {
                storage::Change::Put(content) => {
                    Some(Kept { value: content.value.clone(), version, ends_ms: end_of(content.ttl_ms) })
                }
                storage::Change::Delete => None,
                storage::Change::Expire(ttl) => before.map(|kept| Kept { version, ends_ms: end_of(*ttl), ..kept }),
                storage::Change::Increment(addition) => {
                    let number = before.as_ref().map_or(Some(0), |kept| number(&kept.value));
                    assert!(number.is_some(), "{at:?} is no number, and was incremented");
                    let sum = number.and_then(|number| number.checked_add(addition.delta));
                    assert!(sum.is_some(), "{at:?} went over the end of numbers");
                    let ends_ms = before.map_or_else(|| end_of(addition.ttl_ms), |kept| kept.ends_ms);
                    sum.map(|sum| Kept { value: sum.to_le_bytes().to_vec(), version, ends_ms })
                }
            };
            match after {
                Some(kept) => drop(self.storage.insert(at, kept)),
                None => drop(self.storage.remove(&at)),
            }
        }
    }

    /// The number at a place.
    pub(crate) fn number(&self, at: &At, now_ms: u64) -> Option<i64> {
        self.at(at, now_ms).and_then(|kept| number(&kept.value))
    }

    /// Takes over a value that went into the cache.
    pub(crate) fn cache(&mut self, at: At, value: Vec<u8>, life: cache::Life, by: u8, now_ms: u64) {
        let only = life.this_version_only.then_some(by);
        self.cache.insert(at, Cached { value, put_ms: now_ms, life, only });
    }

    pub(crate) fn forget(&mut self, at: &At) {
        self.cache.remove(at);
    }

    pub(crate) fn clear(&mut self, namespace: &str) {
        self.cache.retain(|at, _| at.0 != namespace);
    }

    /// A value that the cache gave is the latest that was put there, for this version, and as fresh as it must be.
    pub(crate) fn check_cached(&self, at: &At, value: &[u8], stale: bool, by: u8, now_ms: u64) {
        let cached = self.cache.get(at);
        assert!(cached.is_some(), "the cache has {value:?} at {at:?}, where nothing was put");
        let Some(Cached { value: put, put_ms, life, only }) = cached else { return };
        assert_eq!(value, put, "the cache has another value at {at:?}");
        assert!(only.is_none_or(|only| only == by), "the value at {at:?} is another version's");
        let (fresh, age) = (life.ttl_ms, now_ms - put_ms);
        assert_eq!(stale, age >= fresh, "at {at:?}, {age} ms old, of {life:?}");
        assert!(age < fresh.saturating_add(life.stale_ms), "at {at:?}, {age} ms old, of {life:?}");
    }
}

fn number(value: &[u8]) -> Option<i64> {
    <[u8; 8]>::try_from(value).ok().map(i64::from_le_bytes)
}
