//! What one thread's storage holds, and the rules of `wit/storage.wit` on it.

use std::collections::{BTreeMap, BTreeSet};

use crate::Error;
use crate::storage::{Address, Change, Entry, Expectation, Page, Precondition, Selection, Version, Write};

const KEY_LIMIT: usize = 512;
const VALUE_LIMIT: usize = 1 << 20;
const TTL_LIMIT_MS: u64 = 10 * 365 * 24 * 60 * 60 * 1_000;
const MANY: usize = 256;
const ANSWER_LIMIT: usize = 4 << 20;
const PAGE_LIMIT: usize = 1 << 20;
const ENTRIES_LIMIT: u32 = 1_000;

type Name = (String, String);

/// A value as it lies there.
#[derive(Debug, Clone)]
struct Kept {
    value: Vec<u8>,
    version: Version,
    /// When its life is over; `None`: never.
    ends: Option<u64>,
}

/// Buckets, keys and values, and a clock that stands still until it is told.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    kept: BTreeMap<Name, Kept>,
    version: Version,
    now: u64,
}

impl Memory {
    pub(crate) fn advance(&mut self, ms: u64) {
        self.now = self.now.saturating_add(ms);
        let now = self.now;
        self.kept.retain(|_, kept| kept.ends.is_none_or(|ends| ends > now));
    }

    pub(crate) fn keys(&self) -> Vec<Name> {
        self.kept.keys().cloned().collect()
    }

    pub(crate) fn get(&self, at: &Address) -> Result<Option<Entry>, Error> {
        let name = parse(at)?;
        Ok(self.kept.get(&name).map(|kept| self.entry(&name.1, kept, true)))
    }

    pub(crate) fn get_many(&self, at: &[Address]) -> Result<Vec<Option<Entry>>, Error> {
        too_many("keys", at.len())?;
        let found = at.iter().map(|one| self.get(one)).collect::<Result<Vec<_>, _>>()?;
        if found.iter().flatten().map(|entry| entry.value.len()).sum::<usize>() > ANSWER_LIMIT {
            return Err(Error::new("answer-too-large", "the values are more than one answer carries"));
        }
        Ok(found)
    }

    pub(crate) fn list(&self, bucket: &str, selection: &Selection) -> Result<Page, Error> {
        check_bucket(bucket)?;
        check_limit(selection.limit)?;
        let mut chosen: Vec<_> = self
            .kept
            .iter()
            .filter(|((kept, key), _)| kept == bucket && selects(selection, key))
            .map(|((_, key), kept)| (key, kept))
            .collect();
        if selection.reverse {
            chosen.reverse();
        }
        let mut page = Page { entries: Vec::new(), next: None };
        let mut bytes = 0;
        for (key, kept) in chosen {
            let entry = self.entry(key, kept, selection.values);
            bytes += entry.key.len() + entry.value.len();
            let full = page.entries.len() >= selection.limit as usize || bytes > PAGE_LIMIT;
            if full && !page.entries.is_empty() {
                page.next = page.entries.last().map(|last| last.key.clone());
                break;
            }
            page.entries.push(entry);
        }
        Ok(page)
    }

    pub(crate) fn buckets(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>, Error> {
        check_limit(limit)?;
        let all: BTreeSet<_> = self.kept.keys().map(|(bucket, _)| bucket.as_str()).collect();
        let behind = all.into_iter().filter(|bucket| after.is_none_or(|after| *bucket > after));
        Ok(behind.take(limit as usize).map(str::to_owned).collect())
    }

    pub(crate) fn commit(&mut self, preconditions: &[Precondition], writes: &[Write]) -> Result<Vec<Version>, Error> {
        too_many("preconditions", preconditions.len())?;
        too_many("writes", writes.len())?;
        let mut names = BTreeSet::new();
        for write in writes {
            if !names.insert(parse(&write.at)?) {
                return Err(Error::new("duplicate-key", format!("the commit writes {:?} twice", write.at.key)));
            }
            check_change(&write.change)?;
        }
        for one in preconditions {
            self.check(one)?;
        }
        // On a copy, so that a write that fails leaves nothing of the ones before it.
        let (mut kept, mut version) = (self.kept.clone(), self.version);
        let mut versions = Vec::with_capacity(writes.len());
        for write in writes {
            version += 1;
            versions.push(version);
            self.apply(&mut kept, write, version)?;
        }
        (self.kept, self.version) = (kept, version);
        Ok(versions)
    }

    fn check(&self, precondition: &Precondition) -> Result<(), Error> {
        let found = self.kept.get(&parse(&precondition.at)?).map(|kept| kept.version);
        let holds = match precondition.expect {
            Expectation::Absent => found.is_none(),
            Expectation::Present => found.is_some(),
            Expectation::Version(version) => found == Some(version),
        };
        if holds { Ok(()) } else { Err(Error::conflict(format!("a precondition on {:?}", precondition.at.key))) }
    }

    fn apply(&self, kept: &mut BTreeMap<Name, Kept>, write: &Write, version: Version) -> Result<(), Error> {
        let name = parse(&write.at)?;
        let ends = |ttl_ms: Option<u64>| ttl_ms.map(|ttl_ms| self.now.saturating_add(ttl_ms));
        match &write.change {
            Change::Put(content) => {
                let (value, ends) = (content.value.clone(), ends(content.ttl_ms));
                kept.insert(name, Kept { value, version, ends });
            }
            Change::Delete => drop(kept.remove(&name)),
            Change::Increment(addition) => {
                let before = kept.get(&name);
                let number = before.map_or(Ok(0), |before| self.entry(&name.1, before, true).number());
                let number = number.map_err(|error| Error::new("not-a-number", error.message))?;
                let sum = number.checked_add(addition.delta);
                let sum = sum.ok_or_else(|| Error::new("overflow", format!("the number at {:?}", name.1)))?;
                let ends = before.map_or_else(|| ends(addition.ttl_ms), |before| before.ends);
                kept.insert(name, Kept { value: sum.to_le_bytes().to_vec(), version, ends });
            }
            Change::Expire(ttl_ms) => {
                if let Some(kept) = kept.get_mut(&name) {
                    (kept.ends, kept.version) = (ends(*ttl_ms), version);
                }
            }
        }
        Ok(())
    }

    fn entry(&self, key: &str, kept: &Kept, with_value: bool) -> Entry {
        Entry {
            key: key.to_owned(),
            value: if with_value { kept.value.clone() } else { Vec::new() },
            version: kept.version,
            ttl_ms: kept.ends.map(|ends| ends.saturating_sub(self.now)),
        }
    }
}

fn selects(selection: &Selection, key: &str) -> bool {
    let behind = |after: &String| if selection.reverse { key < after.as_str() } else { key > after.as_str() };
    key.starts_with(&selection.prefix)
        && selection.start.as_ref().is_none_or(|start| key >= start.as_str())
        && selection.end.as_ref().is_none_or(|end| key < end.as_str())
        && selection.after.as_ref().is_none_or(behind)
}

fn parse(at: &Address) -> Result<Name, Error> {
    check_bucket(&at.bucket)?;
    if at.key.is_empty() || at.key.len() > KEY_LIMIT {
        return Err(Error::new("invalid-key", format!("a key of {} bytes", at.key.len())));
    }
    Ok((at.bucket.clone(), at.key.clone()))
}

fn check_bucket(bucket: &str) -> Result<(), Error> {
    check_name("invalid-bucket", bucket)
}

/// Buckets and namespaces have names of one form.
pub(super) fn check_name(code: &str, name: &str) -> Result<(), Error> {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inner = |byte: u8| alphanumeric(byte) || b"._-".contains(&byte);
    let fits = name.len() <= 63 && name.bytes().next().is_some_and(alphanumeric) && name.bytes().all(inner);
    if fits { Ok(()) } else { Err(Error::new(code, format!("{name:?} is no such name: [a-z0-9][a-z0-9._-]{{0,62}}"))) }
}

fn check_limit(limit: u32) -> Result<(), Error> {
    if (1..=ENTRIES_LIMIT).contains(&limit) {
        return Ok(());
    }
    Err(Error::new("invalid-limit", format!("invalid limit {limit}: use 1 to {ENTRIES_LIMIT}")))
}

fn check_change(change: &Change) -> Result<(), Error> {
    let ttl_ms = match change {
        Change::Put(content) if content.value.len() > VALUE_LIMIT => {
            return Err(Error::new("value-too-large", format!("a value of {} bytes", content.value.len())));
        }
        Change::Put(content) => content.ttl_ms,
        Change::Increment(addition) => addition.ttl_ms,
        Change::Expire(ttl_ms) => *ttl_ms,
        Change::Delete => None,
    };
    match ttl_ms {
        Some(ms) if !(1..=TTL_LIMIT_MS).contains(&ms) => {
            Err(Error::new("invalid-ttl", format!("invalid time to live of {ms} ms")))
        }
        _ => Ok(()),
    }
}

fn too_many(what: &str, count: usize) -> Result<(), Error> {
    if count > MANY { Err(Error::new("too-many", format!("{count} {what}; {MANY} are allowed"))) } else { Ok(()) }
}
