//! Reading: one value, many, a page of a listing, the names of buckets. Each as of one instant.

use std::ops::ControlFlow;

use insula_host_api::{
    BucketName, Entry, GET_MANY_ANSWER_LIMIT, GET_MANY_LIMIT, LIST_LIMIT, LIST_PAGE_LIMIT, Page, Place, Selection,
    StorageError,
};

use super::engine::{Engine, Read, Table};
use super::failure::Failure;
use super::key;
use super::moment::Moment;
use super::record::Record;
use super::volume::View;

/// The most bytes that a listing passes over for one page: values beside the keys that were asked for, and keys whose
/// life is over. A page of 1,000 keys could otherwise make the host read a gigabyte that nobody is charged for (B1).
const PASSED_OVER_LIMIT: usize = 16 << 20;
/// What passing over one key counts at least, in bytes.
const PASSED_OVER_KEY: usize = 256;

fn to_entry(key: &str, record: &Record<'_>, with_value: bool, moment: &Moment<'_>) -> Entry {
    let value = if with_value { record.value.to_vec() } else { Vec::new() };
    let ttl_ms = record.expires_ms.and_then(|_| record.ttl_ms(moment.ms()));
    Entry { key: key.to_owned(), value, version: record.version, ttl_ms }
}

fn is_over(record: &Record<'_>, moment: &Moment<'_>) -> bool {
    record.expires_ms.is_some() && record.is_over(moment.ms())
}

/// One value.
pub(crate) fn get<E: Engine>(view: &View<E>, at: &Place, moment: &Moment<'_>) -> Result<Option<Entry>, Failure> {
    let found = view.tables.get(Table::Entries, &key::encode(at), |bytes| {
        let record = Record::decode(bytes)?;
        Ok::<_, Failure>((!is_over(&record, moment)).then(|| to_entry(at.key.as_str(), &record, true, moment)))
    });
    Ok(found?.transpose()?.flatten())
}

/// The values of these keys, in their order.
pub(crate) fn get_many<E: Engine>(
    view: &View<E>,
    at: &[Place],
    moment: &Moment<'_>,
) -> Result<Vec<Option<Entry>>, Failure> {
    let mut answer = Vec::with_capacity(at.len());
    let mut size = 0_usize;
    for at in at {
        let found = view.tables.get(Table::Entries, &key::encode(at), |bytes| {
            let record = Record::decode(bytes)?;
            if is_over(&record, moment) {
                return Ok(None);
            }
            // The size is checked before the value is copied: the answer never grows past its limit.
            size = size.saturating_add(record.value.len());
            if size > GET_MANY_ANSWER_LIMIT {
                return Err(StorageError::AnswerTooLarge { limit: GET_MANY_ANSWER_LIMIT }.into());
            }
            Ok::<_, Failure>(Some(to_entry(at.key.as_str(), &record, true, moment)))
        });
        answer.push(found?.transpose()?.flatten());
    }
    Ok(answer)
}

/// Refuses more keys than one call may name.
pub(crate) fn check_get_many(at: &[Place]) -> Result<(), StorageError> {
    if at.len() > GET_MANY_LIMIT {
        return Err(StorageError::TooMany { what: "keys", count: at.len(), limit: GET_MANY_LIMIT });
    }
    Ok(())
}

/// Refuses a page size outside its range.
pub(crate) fn check_limit(limit: u32) -> Result<(), StorageError> {
    if (1..=LIST_LIMIT).contains(&limit) { Ok(()) } else { Err(StorageError::InvalidLimit(limit)) }
}

/// What a listing of nothing answers with.
pub(crate) fn empty_page() -> Page {
    Page { entries: Vec::new(), next: None }
}

/// A page that is being filled.
struct Filling<'a> {
    page: Page,
    /// The last key that was looked at.
    last: Option<String>,
    size: usize,
    passed_over: usize,
    selection: &'a Selection,
}

/// One page of a bucket. It has at least one entry where there is any within reach, whatever its size, so that a listing
/// always gets on; what it had to pass over is behind its cursor.
pub(crate) fn list<E: Engine>(
    view: &View<E>,
    bucket: &BucketName,
    selection: &Selection,
    moment: &Moment<'_>,
) -> Result<Page, Failure> {
    let Some(range) = key::range(bucket, selection) else { return Ok(empty_page()) };
    let mut filling = Filling { page: empty_page(), last: None, size: 0, passed_over: 0, selection };
    view.tables.walk(Table::Entries, &range, selection.reverse, |encoded, bytes| {
        let key = key::decode_key(encoded).ok_or(Failure::Malformed("a key"))?;
        Ok(filling.take(key, &Record::decode(bytes)?, moment))
    })?;
    Ok(filling.page)
}

impl Filling<'_> {
    fn take(&mut self, key: &str, record: &Record<'_>, moment: &Moment<'_>) -> ControlFlow<()> {
        let (over, with_value) = (is_over(record, moment), self.selection.values);
        let value = record.value.len();
        if over || !with_value {
            self.passed_over = self.passed_over.saturating_add(value).saturating_add(PASSED_OVER_KEY);
        }
        if !over {
            self.size = self.size.saturating_add(key.len()).saturating_add(if with_value { value } else { 0 });
        }
        let limit = usize::try_from(self.selection.limit).unwrap_or(usize::MAX);
        let full = self.page.entries.len() >= limit || (self.size > LIST_PAGE_LIMIT && !self.page.entries.is_empty());
        if self.last.is_some() && (full || self.passed_over > PASSED_OVER_LIMIT) {
            self.page.next = self.last.take();
            return ControlFlow::Break(());
        }
        if !over {
            self.page.entries.push(to_entry(key, record, with_value, moment));
        }
        self.last = Some(key.to_owned());
        ControlFlow::Continue(())
    }
}

/// Names of buckets after one of them. Each costs one step of the table, however many keys it has.
pub(crate) fn buckets<E: Engine>(view: &View<E>, after: Option<&str>, limit: u32) -> Result<Vec<String>, Failure> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut names: Vec<String> = Vec::new();
    while names.len() < limit {
        let range = key::buckets_after(names.last().map(String::as_str).or(after));
        let mut found = None;
        view.tables.walk(Table::Entries, &range, false, |encoded, _| {
            found = key::decode_bucket(encoded).map(str::to_owned);
            if found.is_some() { Ok(ControlFlow::Break(())) } else { Err(Failure::Malformed("a key")) }
        })?;
        let Some(name) = found else { break };
        names.push(name);
    }
    Ok(names)
}
