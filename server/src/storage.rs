//! `/v1/storage`, `/v1/storage/{bucket}` and `/v1/storage/{bucket}/{key}`: the tenant's own data, for people and scripts.
//!
//! A key is percent-decoded and may hold slashes. Its version is its `ETag`; `If-Match` and `If-None-Match` make a
//! change conditional; `Insula-Ttl-Ms` is its life. What a change answered is on disk (R2).

mod buckets;
mod condition;
mod life;

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, ETAG, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use insula_runtime::storage::{
    Answer, BucketName, Change, Entry, Expectation, Place, Precondition, Selection, Storage, StorageError, Write,
};
use insula_tenancy::Manage;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::answer;
use crate::app::App;
use crate::auth::Caller;
use crate::body::{BodyError, BodyReader};
use crate::headers::TTL_MS;
use crate::input::{Params, segments};
use crate::problem::Problem;
use crate::turns::Turn;

pub(crate) use buckets::{__path_buckets, buckets};

/// Entries of a page, unless told otherwise.
const PAGE: u32 = 100;

/// `{bucket}` and `{key}` of a path.
pub(crate) struct EntryPath(Place);

/// `{bucket}` of a path.
pub(crate) struct BucketPath(BucketName);

/// Which keys to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    /// Only keys that start with this.
    #[serde(default)]
    prefix: String,
    /// Only this key and those behind it.
    start: Option<String>,
    /// Only keys before this one.
    end: Option<String>,
    /// Only keys after this one, or before it in reverse: `next` of the page before.
    after: Option<String>,
    /// Descending order.
    #[serde(default)]
    reverse: bool,
    /// At most so many, 1 to 1,000.
    #[serde(default = "page")]
    #[param(default = 100)]
    limit: u32,
}

fn page() -> u32 {
    PAGE
}

/// A key and its version.
#[derive(Serialize, ToSchema)]
#[schema(as = Entry)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct EntryView {
    key: String,
    version: u64,
    /// What is left of its life, in milliseconds, where it has an end.
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
}

/// A page of keys, in their byte order or against it.
#[derive(Serialize, ToSchema)]
#[schema(as = Entries)]
pub(crate) struct EntriesView {
    entries: Vec<EntryView>,
    /// Where there is more: pass it as `after`.
    next: Option<String>,
}

/// What a change did.
#[derive(Serialize, ToSchema)]
pub(crate) struct Changed {
    /// The key's version now.
    version: u64,
}

impl<S: Send + Sync> FromRequestParts<S> for EntryPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let (bucket, key): (String, String) = segments(parts).await?;
        Ok(Self(Place::parse(&bucket, &key)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for BucketPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let bucket: String = segments(parts).await?;
        Ok(Self(BucketName::parse(&bucket)?))
    }
}

/// Lists the keys of a bucket. Needs `manage`.
#[utoipa::path(get, path = "/v1/storage/{bucket}", tag = "data", operation_id = "list_entries",
    params(("bucket" = String, Path, description = "The bucket's name"), ListParams),
    responses((status = 200, description = "A page of keys", body = EntriesView)))]
pub(crate) async fn list(
    State(app): State<App>,
    Caller(scope): Caller,
    BucketPath(bucket): BucketPath,
    Params(params): Params<ListParams>,
) -> Result<Response, Problem> {
    let permit = scope.permit::<Manage>()?;
    if !(1..=1_000).contains(&params.limit) {
        return Err(StorageError::InvalidLimit(params.limit).into());
    }
    let ListParams { prefix, start, end, after, reverse, limit } = params;
    let selection = Selection { prefix, start, end, after, reverse, values: false, limit };
    let turn = app.turns.take(scope.tenant()).await?;
    let storage = app.runtime.storage(&permit).await?;
    let (page, _turn) = reading(storage, turn, move |storage| storage.list(&bucket, selection)).await?;
    let view = |entry: Entry| EntryView { key: entry.key, version: entry.version, ttl_ms: entry.ttl_ms };
    let entries = page.entries.into_iter().map(view);
    answer::json(&app, &scope, &EntriesView { entries: entries.collect(), next: page.next })
}

/// Reads a value. Needs `manage`.
#[utoipa::path(get, path = "/v1/storage/{bucket}/{*key}", tag = "data", operation_id = "read_entry",
    params(("bucket" = String, Path, description = "The bucket's name"), ("key" = String, Path, description = "The key")),
    responses((status = 200, description = "The value", body = inline(Vec<u8>), content_type = "application/octet-stream",
        headers(
            ("ETag" = String, description = "The key's version, in quotes"),
            ("Insula-Ttl-Ms" = u64, description = "What is left of its life, in milliseconds, where it has an end"),
        ))))]
pub(crate) async fn read(
    State(app): State<App>,
    Caller(scope): Caller,
    EntryPath(at): EntryPath,
) -> Result<Response, Problem> {
    let permit = scope.permit::<Manage>()?;
    let turn = app.turns.take(scope.tenant()).await?;
    let storage = app.runtime.storage(&permit).await?;
    let (entry, _turn) = reading(storage, turn, move |storage| storage.get(&at)).await?;
    let entry = entry.ok_or_else(Problem::not_found)?;
    let mut hold = app.ledger.open(Some(scope.tenant()));
    hold.grow(entry.value.len())?;
    let mut response = Response::new(Body::from(hold.keep(entry.value)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(ETAG, condition::etag(entry.version)?);
    if let Some(ttl) = entry.ttl_ms {
        headers.insert(TTL_MS, HeaderValue::from(ttl));
    }
    Ok(response)
}

/// Writes a value. Needs `manage`.
///
/// `If-Match: "VERSION"` writes only over that version, `If-Match: *` only over some version, and `If-None-Match: *` only
/// where there is none. With `Insula-Ttl-Ms` it is gone after so long, and without it stays.
#[utoipa::path(put, path = "/v1/storage/{bucket}/{*key}", tag = "data", operation_id = "write_entry",
    params(
        ("bucket" = String, Path, description = "The bucket's name"),
        ("key" = String, Path, description = "The key"),
        ("If-Match" = Option<String>, Header, description = "`\"VERSION\"` or `*`"),
        ("If-None-Match" = Option<String>, Header, description = "`*`"),
        ("Insula-Ttl-Ms" = Option<u64>, Header, description = "Its life, in milliseconds"),
    ),
    request_body(content = inline(Vec<u8>), content_type = "application/octet-stream", description = "The value"),
    responses(
        (status = 200, description = "The key had a value before", body = Changed),
        (status = 201, description = "The key is new", body = Changed),
    ))]
pub(crate) async fn write(
    State(app): State<App>,
    Caller(scope): Caller,
    EntryPath(at): EntryPath,
    request: Request,
) -> Result<Response, Problem> {
    let permit = scope.permit::<Manage>()?;
    let (parts, body) = request.into_parts();
    let (expect, ttl_ms) = (condition::of(&parts.headers)?, life::of(&parts.headers)?);
    let limit = app.runtime.limits(&scope).await?.value_bytes.get();
    let mut hold = app.ledger.open(Some(scope.tenant()));
    let reader = BodyReader::new(body, limit, app.body).map_err(refused)?;
    let value = reader.collect(&mut hold).await.map_err(refused)?;
    let storage = app.runtime.storage(&permit).await?;
    let existed = match &expect {
        Some(Expectation::Absent) => false,
        Some(_) => true,
        None => {
            let turn = app.turns.take(scope.tenant()).await?;
            exists(Arc::clone(&storage), turn, &at).await?
        }
    };
    let version = change(&*storage, at, expect, Change::Put { value: value.into(), ttl_ms }).await?;
    let status = if existed { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, [(ETAG, condition::etag(version)?)], Json(Changed { version })).into_response())
}

/// Removes a key. Removing an absent one is no error. Needs `manage`.
///
/// `If-Match` as when writing.
#[utoipa::path(delete, path = "/v1/storage/{bucket}/{*key}", tag = "data", operation_id = "delete_entry",
    params(
        ("bucket" = String, Path, description = "The bucket's name"),
        ("key" = String, Path, description = "The key"),
        ("If-Match" = Option<String>, Header, description = "`\"VERSION\"` or `*`"),
    ),
    responses((status = 204, description = "It is gone")))]
pub(crate) async fn delete(
    State(app): State<App>,
    Caller(scope): Caller,
    EntryPath(at): EntryPath,
    headers: http::HeaderMap,
) -> Result<StatusCode, Problem> {
    let permit = scope.permit::<Manage>()?;
    let expect = condition::of(&headers)?;
    let storage = app.runtime.storage(&permit).await?;
    change(&*storage, at, expect, Change::Delete).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A body that is too large for a value has the word for it that an agent would see.
fn refused(error: BodyError) -> Problem {
    match error {
        BodyError::TooLarge { limit } => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "value-too-large", format!("a value has at most {limit} bytes"))
                .with("limit", limit)
        }
        other => other.into(),
    }
}

/// Reads, on a thread that may wait for a disk: an open file answers on the spot, and may have to look through much of
/// itself. Who reads has a turn, and keeps it for as long as it reads, also when nobody waits for the answer any more.
async fn reading<T: Send + 'static>(
    storage: Arc<dyn Storage>,
    turn: Turn,
    read: impl FnOnce(&dyn Storage) -> Answer<Result<T, StorageError>> + Send + 'static,
) -> Result<(T, Turn), Problem> {
    let task = tokio::task::spawn_blocking(move || (read(&*storage), turn));
    let (answer, turn) = task.await.map_err(|failed| Problem::host_fault().because(&failed))?;
    Ok((answer.wait().await?, turn))
}

async fn change(storage: &dyn Storage, at: Place, expect: Option<Expectation>, change: Change) -> Result<u64, Problem> {
    let expected = |expect| Precondition { at: at.clone(), expect };
    let preconditions = expect.map(expected).into_iter().collect();
    let committed = storage.commit(preconditions, vec![Write { at, change }]).wait().await?;
    Ok(committed.versions.first().copied().unwrap_or_default())
}

/// Whether a key has a value, without reading it: the first key with a prefix is the prefix itself, if it is there.
///
/// Only the status of an unconditional write rests on it, so that a change in between does no harm.
async fn exists(storage: Arc<dyn Storage>, turn: Turn, at: &Place) -> Result<bool, Problem> {
    let Place { bucket, key } = at.clone();
    let selection = Selection::of_prefix(key.as_str(), 1);
    let (page, _turn) = reading(storage, turn, move |storage| storage.list(&bucket, selection)).await?;
    Ok(page.entries.first().is_some_and(|entry| entry.key == key.as_str()))
}
