//! Reading: one value, many of a bucket, a page of a listing. Each as of one instant.

use insula_host_api::{
    BucketName, Entry, GET_MANY_ANSWER_LIMIT, GET_MANY_LIMIT, LIST_LIMIT, LIST_PAGE_LIMIT, Page, Place, Selection,
    StorageError,
};

use super::engine::{Bytes, Engine};
use super::failure::Failure;
use super::key;
use super::record::Record;

/// The most bytes of values that a listing of keys only passes over for one page. Values lie beside their keys, so a
/// page of 1,000 keys could otherwise make the host read a gigabyte that nobody is charged for (B1).
const PASSED_OVER_LIMIT: usize = 16 << 20;

fn to_entry(key: &str, bytes: &[u8], with_value: bool) -> Result<Entry, Failure> {
    let Record { version, value } = Record::decode(bytes)?;
    Ok(Entry { key: key.to_owned(), value: if with_value { value.to_vec() } else { Vec::new() }, version, ttl_ms: None })
}

/// One value.
pub(crate) fn get(engine: &Engine, at: &Place) -> Result<Option<Entry>, Failure> {
    let transaction = engine.begin_read()?;
    let entries = Engine::entries(&transaction)?;
    let found = entries.get(key::encode(at).as_slice()).map_err(Failure::engine("read a value"))?;
    found.map(|bytes| to_entry(at.key.as_str(), bytes.value(), true)).transpose()
}

/// The values of these keys that are there, in the order of the keys.
pub(crate) fn get_many(engine: &Engine, at: &[Place]) -> Result<Vec<Option<Entry>>, Failure> {
    let transaction = engine.begin_read()?;
    let entries = Engine::entries(&transaction)?;
    let mut answer = Vec::with_capacity(at.len());
    let mut size = 0_usize;
    for at in at {
        let found = entries.get(key::encode(at).as_slice()).map_err(Failure::engine("read a value"))?;
        let Some(bytes) = found else {
            answer.push(None);
            continue;
        };
        // The size is checked before the value is copied: the answer never grows past its limit.
        size = size.saturating_add(Record::decode(bytes.value())?.value.len());
        if size > GET_MANY_ANSWER_LIMIT {
            return Err(StorageError::AnswerTooLarge { limit: GET_MANY_ANSWER_LIMIT }.into());
        }
        answer.push(Some(to_entry(at.key.as_str(), bytes.value(), true)?));
    }
    Ok(answer)
}

/// Refuses more keys than one call may name.
pub(crate) fn check_get_many(keys: &[Place]) -> Result<(), StorageError> {
    if keys.len() > GET_MANY_LIMIT {
        return Err(StorageError::TooMany { what: "keys", count: keys.len(), limit: GET_MANY_LIMIT });
    }
    Ok(())
}

/// Refuses a page size outside its range.
pub(crate) fn check_list(selection: &Selection) -> Result<(), StorageError> {
    if (1..=LIST_LIMIT).contains(&selection.limit) { Ok(()) } else { Err(StorageError::InvalidLimit(selection.limit)) }
}

/// What a listing of nothing answers with.
pub(crate) fn empty_page() -> Page {
    Page { entries: Vec::new(), next: None }
}

/// One page of a bucket.
pub(crate) fn list(engine: &Engine, bucket: &BucketName, selection: &Selection) -> Result<Page, Failure> {
    let transaction = engine.begin_read()?;
    let entries = Engine::entries(&transaction)?;
    let Some(range) = key::range(bucket, &selection.prefix, selection.after.as_deref(), selection.reverse) else {
        return Ok(empty_page());
    };
    let range = entries.range::<&[u8]>(range.bounds()).map_err(Failure::engine("list keys"))?;
    if selection.reverse { fill(range.rev(), selection) } else { fill(range, selection) }
}

type Found = (redb::AccessGuard<'static, Bytes>, redb::AccessGuard<'static, Bytes>);

/// Takes entries until the page is full. A page has at least one entry where there is any, whatever its size, so that a
/// listing always gets on.
fn fill(
    range: impl Iterator<Item = Result<Found, redb::StorageError>>,
    selection: &Selection,
) -> Result<Page, Failure> {
    let limit = usize::try_from(selection.limit).unwrap_or(usize::MAX);
    let mut page = empty_page();
    let (mut size, mut passed_over) = (0_usize, 0_usize);
    for found in range {
        let (encoded, bytes) = found.map_err(Failure::engine("list keys"))?;
        let key = key::decode_key(encoded.value()).ok_or(Failure::Malformed("a key"))?;
        let value = Record::decode(bytes.value())?.value.len();
        size = size.saturating_add(key.len()).saturating_add(if selection.values { value } else { 0 });
        passed_over = passed_over.saturating_add(if selection.values { 0 } else { value });
        if let Some(last) = page.entries.last()
            && (page.entries.len() >= limit || size > LIST_PAGE_LIMIT || passed_over > PASSED_OVER_LIMIT)
        {
            page.next = Some(last.key.clone());
            break;
        }
        page.entries.push(to_entry(key, bytes.value(), selection.values)?);
    }
    Ok(page)
}
