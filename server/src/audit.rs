//! `/v1/audit`: what operators did, to whom, and when. It has no secrets, and nothing in it is ever changed.

use axum::Json;
use axum::extract::State;
use insula_runtime::AuditRecord;
use insula_tenancy::{KeyId, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::Operator;
use crate::input::{Params, name};
use crate::problem::Problem;

/// Which records to read.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditParams {
    /// Only acts on this tenant, also on one that is gone.
    tenant: Option<String>,
    /// After this record: `next` of the page before.
    after: Option<u64>,
    /// At most so many, 1 to 1,000.
    #[serde(default = "page")]
    #[param(default = 100)]
    limit: u32,
}

fn page() -> u32 {
    100
}

/// One act of an operator.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditRecord)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct RecordView {
    /// Its place in the log.
    seq: u64,
    /// When, in Unix microseconds.
    at_us: u64,
    /// The operator's key.
    #[schema(value_type = String)]
    key: KeyId,
    /// What was done, such as `tenant.create`.
    act: String,
    /// To whom.
    #[schema(value_type = Option<String>)]
    tenant: Option<TenantId>,
    /// The rest.
    #[schema(value_type = Object)]
    detail: serde_json::Value,
}

/// A page of the audit log, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Audit {
    records: Vec<RecordView>,
    /// Where there may be more: pass it as `after`.
    next: Option<u64>,
}

impl From<AuditRecord> for RecordView {
    fn from(record: AuditRecord) -> Self {
        let AuditRecord { seq, at_us, key, act, tenant, detail } = record;
        Self { seq, at_us, key, act, tenant, detail }
    }
}

/// Reads what operators did, oldest first. Operators only.
#[utoipa::path(get, path = "/v1/audit", tag = "operator", operation_id = "read_audit", params(AuditParams),
    responses((status = 200, description = "A page of the audit log", body = Audit)))]
pub(crate) async fn read(
    State(app): State<App>,
    Operator(by): Operator,
    Params(params): Params<AuditParams>,
) -> Result<Json<Audit>, Problem> {
    if !(1..=1_000).contains(&params.limit) {
        return Err(Problem::bad_request("invalid-limit", "read 1 to 1,000 records at a time"));
    }
    let tenant = params.tenant.as_deref().map(name).transpose()?;
    let records = app.runtime.control().audit(&by, tenant, params.after, params.limit).await?;
    let is_full = u32::try_from(records.len()).is_ok_and(|count| count == params.limit);
    let next = records.last().filter(|_| is_full).map(|record| record.seq);
    Ok(Json(Audit { records: records.into_iter().map(RecordView::from).collect(), next }))
}
