//! Writing: preconditions, quota, versions and writes, many commits to a transaction (R2).
//!
//! Each commit of a group sees what those before it did, as if they had come one by one. It is planned in full before
//! anything is written: what is refused has written nothing, and the others of its group go on.

use std::borrow::Cow;
use std::collections::HashSet;

use insula_host_api::{
    Change, Committed, Expectation, Place, Precondition, REWRITE_LIMIT, StorageError, WRITES_LIMIT, Write as Wish,
};

use super::counters::Counters;
use super::engine::{Engine, Table, Verdict, Write};
use super::expiry;
use super::failure::Failure;
use super::key;
use super::record::Record;
use super::volume::Volume;
use crate::quota::LiveQuota;

/// What one caller wants done, all of it or nothing.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) preconditions: Vec<Precondition>,
    pub(crate) writes: Vec<Wish>,
}

/// What becomes of one key.
struct Step {
    key: Vec<u8>,
    /// The encoded record; `None` removes the key.
    record: Option<Vec<u8>>,
    expires_before: Option<u64>,
    expires_after: Option<u64>,
}

/// What a commit will do: its steps, its answer, and the counters after it.
struct Plan {
    steps: Vec<Step>,
    answer: Committed,
    counters: Counters,
}

/// The record that a write finds.
struct Found {
    expires_ms: Option<u64>,
    /// As much of it as the write needs.
    value: Vec<u8>,
    cost: u64,
}

/// What becomes of a key: its value and the end of its life (`None`: it is absent), and the sum of an increment.
type After<'a> = (Option<(Cow<'a, [u8]>, Option<u64>)>, Option<i64>);

/// How much of the value that it finds a write needs, in bytes: of a number one more than it has, so that what is too
/// long is seen to be none.
fn needed(change: &Change) -> usize {
    match change {
        Change::Put { .. } | Change::Delete => 0,
        Change::Increment { .. } => 9,
        Change::Expire { .. } => usize::MAX,
    }
}

/// The transaction of a group, between its commits.
struct Group<'a, T> {
    tables: &'a mut T,
    counters: &'a mut Counters,
    quota: &'a LiveQuota,
    now_ms: u64,
}

/// Answers of a group, one for each commit, in order.
pub(crate) type Answers = Vec<Result<Committed, StorageError>>;

/// Does what each commit of a group asks for, if its preconditions hold and the quota allows it. On disk when it returns;
/// a failure of the engine fails the whole group, and none of it was done.
pub(crate) fn group<E: Engine>(
    volume: &Volume<E>,
    quota: &LiveQuota,
    now_ms: u64,
    commits: &[Commit],
) -> Result<Answers, Failure> {
    volume.transact(|tables, counters| {
        counters.clock_ms = counters.clock_ms.max(now_ms);
        let now_ms = counters.clock_ms;
        let mut group = Group { tables, counters, quota, now_ms };
        let mut changed = group.make_room(expiry::IN_PASSING)?;
        let mut answers = Vec::with_capacity(commits.len());
        for commit in commits {
            let answer = match group.one(commit, &mut changed) {
                Ok(committed) => Ok(committed),
                Err(Failure::Guest(refused)) => Err(refused),
                Err(failure) => return Err(failure),
            };
            answers.push(answer);
        }
        Ok((answers, if changed { Verdict::Commit } else { Verdict::Abandon }))
    })
}

/// What can be refused without looking at the tables.
pub(crate) fn check(quota: &LiveQuota, preconditions: &[Precondition], writes: &[Wish]) -> Result<(), StorageError> {
    for (what, count) in [("preconditions", preconditions.len()), ("writes", writes.len())] {
        if count > WRITES_LIMIT {
            return Err(StorageError::TooMany { what, count, limit: WRITES_LIMIT });
        }
    }
    let limit = quota.value_bytes();
    let mut seen = HashSet::with_capacity(writes.len());
    for write in writes {
        if !seen.insert(&write.at) {
            let (bucket, key) = names(&write.at);
            return Err(StorageError::DuplicateKey { bucket, key });
        }
        write.change.check(limit)?;
    }
    Ok(())
}

fn names(at: &Place) -> (String, String) {
    (at.bucket.as_str().to_owned(), at.key.as_str().to_owned())
}

impl<T: Write> Group<'_, T> {
    fn one(&mut self, commit: &Commit, changed: &mut bool) -> Result<Committed, Failure> {
        self.check_preconditions(&commit.preconditions)?;
        let plan = loop {
            match self.plan(&commit.writes) {
                // What is over takes no room from what is to come.
                Err(Failure::Guest(StorageError::QuotaExceeded { .. })) if self.make_room(expiry::IN_BULK)? => {
                    *changed = true;
                }
                other => break other?,
            }
        };
        // A version that was answered with is used up, also where it is that of deleting nothing.
        *changed |= !commit.writes.is_empty();
        for step in &plan.steps {
            match &step.record {
                Some(record) => self.tables.put(Table::Entries, &step.key, record)?,
                None => self.tables.delete(Table::Entries, &step.key)?,
            }
            expiry::change(self.tables, &step.key, step.expires_before, step.expires_after)?;
        }
        *self.counters = plan.counters;
        Ok(plan.answer)
    }

    /// Removes keys whose life is over; answers whether there were any.
    fn make_room(&mut self, most: usize) -> Result<bool, Failure> {
        Ok(expiry::purge(self.tables, self.counters, self.now_ms, most)? > 0)
    }

    fn find(&self, key: &[u8], needed: usize) -> Result<Option<Found>, Failure> {
        let found = self.tables.get(Table::Entries, key, |bytes| {
            let record = Record::decode(bytes)?;
            let Record { expires_ms, value, .. } = record;
            let value = value.get(..needed).unwrap_or(value).to_vec();
            Ok(Found { expires_ms, value, cost: record.cost(key) })
        });
        found?.transpose()
    }

    fn is_over(&self, found: &Found) -> bool {
        found.expires_ms.is_some_and(|expires| expires <= self.now_ms)
    }

    fn check_preconditions(&self, preconditions: &[Precondition]) -> Result<(), Failure> {
        for (index, one) in preconditions.iter().enumerate() {
            let found = self.tables.get(Table::Entries, &key::encode(&one.at), |bytes| {
                Record::decode(bytes).map(|record| (!record.is_over(self.now_ms)).then_some(record.version))
            });
            let version = found?.transpose()?.flatten();
            let holds = match one.expect {
                Expectation::Absent => version.is_none(),
                Expectation::Present => version.is_some(),
                Expectation::Version(expected) => version == Some(expected),
            };
            if !holds {
                let (bucket, key) = names(&one.at);
                return Err(StorageError::Conflict { index, bucket, key }.into());
            }
        }
        Ok(())
    }

    fn plan(&self, writes: &[Wish]) -> Result<Plan, Failure> {
        let before = *self.counters;
        let mut counters = before;
        let mut steps = Vec::with_capacity(writes.len());
        let mut answer = Committed::default();
        let mut rewritten = Rewritten::default();
        for write in writes {
            counters.version = counters.version.checked_add(1).ok_or(Failure::Malformed("the counter of versions"))?;
            let key = key::encode(&write.at);
            let found = self.find(&key, needed(&write.change))?;
            rewritten.add(&write.change, found.as_ref())?;
            let alive = found.as_ref().filter(|found| !self.is_over(found));
            let (after, sum) = self.after(write, alive)?;
            answer.versions.push(counters.version);
            answer.sums.push(sum);
            let record = after.as_ref().map(|(value, expires_ms)| Record {
                version: counters.version,
                expires_ms: *expires_ms,
                value,
            });
            if record.is_none() && found.is_none() {
                continue;
            }
            found.iter().for_each(|found| counters.subtract(found.cost));
            record.iter().for_each(|record| counters.add(record.cost(&key)));
            steps.push(Step {
                record: record.map(|record| record.encode()),
                expires_before: found.as_ref().and_then(|found| found.expires_ms),
                expires_after: after.as_ref().and_then(|(_, expires_ms)| *expires_ms),
                key,
            });
        }
        // Bytes and keys may stay over a quota that was lowered since, but they may not grow there.
        within("bytes", before.bytes, counters.bytes, self.quota.storage_bytes())?;
        within("keys", before.keys, counters.keys, self.quota.storage_keys())?;
        Ok(Plan { steps, answer, counters })
    }

    fn end_of(&self, ttl_ms: Option<u64>) -> Option<u64> {
        ttl_ms.map(|ttl| self.now_ms.saturating_add(ttl))
    }

    /// What becomes of the key of a write.
    fn after<'a>(&self, write: &'a Wish, alive: Option<&'a Found>) -> Result<After<'a>, StorageError> {
        match &write.change {
            Change::Put { value, ttl_ms } => Ok((Some((value.into(), self.end_of(*ttl_ms))), None)),
            Change::Delete => Ok((None, None)),
            Change::Expire { ttl_ms } => Ok((alive.map(|found| ((&found.value).into(), self.end_of(*ttl_ms))), None)),
            Change::Increment { delta, ttl_ms } => {
                let number = number(write, alive)?;
                let (bucket, key) = names(&write.at);
                let sum = number.checked_add(*delta).ok_or(StorageError::Overflow { bucket, key })?;
                let expires = alive.map_or_else(|| self.end_of(*ttl_ms), |found| found.expires_ms);
                Ok((Some((sum.to_le_bytes().to_vec().into(), expires)), Some(sum)))
            }
        }
    }
}

/// Values that a commit holds and writes anew for the sake of their lives. A commit of a few bytes must not make the host
/// hold all that its tenant has (B1).
#[derive(Default)]
struct Rewritten {
    values: usize,
    bytes: usize,
}

impl Rewritten {
    fn add(&mut self, change: &Change, found: Option<&Found>) -> Result<(), StorageError> {
        if let (Change::Expire { .. }, Some(found)) = (change, found) {
            self.values += 1;
            self.bytes = self.bytes.saturating_add(found.value.len());
        }
        if self.values > 1 && self.bytes > REWRITE_LIMIT {
            return Err(StorageError::RewritesTooMuch { limit: REWRITE_LIMIT });
        }
        Ok(())
    }
}

/// The number that an increment begins from.
fn number(write: &Wish, alive: Option<&Found>) -> Result<i64, StorageError> {
    match alive.map(|found| <[u8; 8]>::try_from(found.value.as_slice())) {
        None => Ok(0),
        Some(Ok(bytes)) => Ok(i64::from_le_bytes(bytes)),
        Some(Err(_)) => {
            let (bucket, key) = names(&write.at);
            Err(StorageError::NotANumber { bucket, key })
        }
    }
}

/// Whether so much may be there after something that found less.
pub(crate) fn within(unit: &'static str, used: u64, after: u64, limit: u64) -> Result<(), StorageError> {
    if after > used && after > limit {
        return Err(StorageError::QuotaExceeded { used, limit, needed: after - used, unit });
    }
    Ok(())
}
