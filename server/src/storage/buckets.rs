//! `/v1/storage`: the names of the tenant's buckets.

use axum::extract::State;
use axum::response::Response;
use insula_runtime::storage::StorageError;
use insula_tenancy::Manage;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{page, reading};
use crate::answer;
use crate::app::App;
use crate::auth::Caller;
use crate::input::Params;
use crate::problem::Problem;

/// Which buckets to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct BucketParams {
    /// Only buckets after this one: `next` of the page before.
    after: Option<String>,
    /// At most so many, 1 to 1,000.
    #[serde(default = "page")]
    #[param(default = 100)]
    limit: u32,
}

/// A page of buckets, in the byte order of their names.
#[derive(Serialize, ToSchema)]
pub(crate) struct Buckets {
    buckets: Vec<String>,
    /// Where there may be more: pass it as `after`.
    next: Option<String>,
}

/// Lists the buckets that have a key. Needs `manage`.
#[utoipa::path(get, path = "/v1/storage", tag = "data", operation_id = "list_buckets", params(BucketParams),
    responses((status = 200, description = "A page of buckets", body = Buckets)))]
pub(crate) async fn buckets(
    State(app): State<App>,
    Caller(scope): Caller,
    Params(params): Params<BucketParams>,
) -> Result<Response, Problem> {
    let permit = scope.permit::<Manage>()?;
    let BucketParams { after, limit } = params;
    if !(1..=1_000).contains(&limit) {
        return Err(StorageError::InvalidLimit(limit).into());
    }
    let turn = app.turns.take(scope.tenant()).await?;
    let storage = app.runtime.storage(&permit).await?;
    let (buckets, _turn) = reading(storage, turn, move |storage| storage.buckets(after, limit)).await?;
    let is_full = u32::try_from(buckets.len()).is_ok_and(|count| count == limit);
    let next = buckets.last().filter(|_| is_full).cloned();
    answer::json(&app, &scope, &Buckets { buckets, next })
}
