//! Writing: preconditions, quota, versions and writes in one transaction (R2).
//!
//! A commit is planned in full before anything is written: what is refused has written nothing, and its transaction is
//! dropped.

use std::collections::HashSet;

use insula_host_api::{Change, Committed, Expectation, Place, Precondition, StorageError, WRITES_LIMIT, Write};
use redb::{ReadableTable, Table};

use super::engine::{Bytes, Counters, ENTRIES, Engine, counters_in, set_counters};
use super::failure::Failure;
use super::key;
use super::record::{Record, cost};
use crate::quota::LiveQuota;

type Entries<'a> = Table<'a, Bytes, Bytes>;

/// One write, ready to be applied.
struct Step {
    key: Vec<u8>,
    /// The encoded record; `None` removes the key.
    record: Option<Vec<u8>>,
}

/// What a commit will do: its steps, its answer, and the counters after it.
struct Plan {
    steps: Vec<Step>,
    answer: Committed,
    counters: Counters,
}

/// Does all of it if every precondition holds and the quota allows it, else nothing. On disk when it returns.
pub(crate) fn commit(
    engine: &Engine,
    quota: &LiveQuota,
    preconditions: &[Precondition],
    writes: &[Write],
) -> Result<Committed, Failure> {
    let transaction = engine.begin_write()?;
    let plan = {
        let entries = transaction.open_table(ENTRIES).map_err(Failure::engine("open the table of entries"))?;
        check_preconditions(&entries, preconditions)?;
        plan(&entries, counters_in(&transaction)?, quota, writes)?
    };
    if plan.steps.is_empty() {
        return Ok(plan.answer);
    }
    apply(&mut transaction.open_table(ENTRIES).map_err(Failure::engine("open the table of entries"))?, &plan.steps)?;
    set_counters(&transaction, plan.counters)?;
    transaction.commit().map_err(Failure::engine("commit"))?;
    Ok(plan.answer)
}

/// What can be refused without looking at the file.
pub(crate) fn check(quota: &LiveQuota, preconditions: &[Precondition], writes: &[Write]) -> Result<(), StorageError> {
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

fn check_preconditions(entries: &Entries<'_>, preconditions: &[Precondition]) -> Result<(), Failure> {
    for (index, one) in preconditions.iter().enumerate() {
        let encoded = key::encode(&one.at);
        let found = entries.get(encoded.as_slice()).map_err(Failure::engine("check a precondition"))?;
        let version = found.map(|bytes| Record::decode(bytes.value()).map(|record| record.version)).transpose()?;
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

fn plan(entries: &Entries<'_>, before: Counters, quota: &LiveQuota, writes: &[Write]) -> Result<Plan, Failure> {
    let mut counters = before;
    let mut steps = Vec::with_capacity(writes.len());
    let mut answer = Committed::default();
    for write in writes {
        counters.version = counters.version.checked_add(1).ok_or(Failure::Malformed("the counter of versions"))?;
        let key = key::encode(&write.at);
        let old = entries.get(key.as_slice()).map_err(Failure::engine("read what a write replaces"))?;
        let old = old.as_ref().map(|bytes| Record::decode(bytes.value())).transpose()?;
        let (value, sum) = new_value(write, old.as_ref())?;
        if let Some(old) = &old {
            counters.keys = counters.keys.saturating_sub(1);
            counters.bytes = counters.bytes.saturating_sub(cost(&key, old.value));
        }
        if let Some(value) = &value {
            counters.keys = counters.keys.saturating_add(1);
            counters.bytes = counters.bytes.saturating_add(cost(&key, value));
        }
        answer.versions.push(counters.version);
        answer.sums.push(sum);
        let record = value.map(|value| Record { version: counters.version, value: &value }.encode());
        steps.push(Step { key, record });
    }
    // Bytes and keys may stay over a quota that was lowered since, but they may not grow there.
    within("bytes", before.bytes, counters.bytes, quota.storage_bytes())?;
    within("keys", before.keys, counters.keys, quota.storage_keys())?;
    Ok(Plan { steps, answer, counters })
}

fn within(unit: &'static str, used: u64, after: u64, limit: u64) -> Result<(), StorageError> {
    if after > used && after > limit {
        return Err(StorageError::QuotaExceeded { used, limit, needed: after - used, unit });
    }
    Ok(())
}

/// What becomes of a key (`None`: it goes), and the sum if the write is an increment.
fn new_value(write: &Write, old: Option<&Record<'_>>) -> Result<(Option<Vec<u8>>, Option<i64>), StorageError> {
    match &write.change {
        Change::Put { value, .. } => Ok((Some(value.clone()), None)),
        Change::Expire { .. } => Ok((old.map(|record| record.value.to_vec()), None)),
        Change::Delete => Ok((None, None)),
        Change::Increment { delta, .. } => {
            let (bucket, key) = names(&write.at);
            let number = match old.map(|record| <[u8; 8]>::try_from(record.value)) {
                None => 0,
                Some(Ok(bytes)) => i64::from_le_bytes(bytes),
                Some(Err(_)) => return Err(StorageError::NotANumber { bucket, key }),
            };
            let sum = number.checked_add(*delta).ok_or(StorageError::Overflow { bucket, key })?;
            Ok((Some(sum.to_le_bytes().to_vec()), Some(sum)))
        }
    }
}

fn apply(entries: &mut Entries<'_>, steps: &[Step]) -> Result<(), Failure> {
    for step in steps {
        match &step.record {
            Some(record) => entries.insert(step.key.as_slice(), record.as_slice()).map(drop),
            None => entries.remove(step.key.as_slice()).map(drop),
        }
        .map_err(Failure::engine("write"))?;
    }
    Ok(())
}
