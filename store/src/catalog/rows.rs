//! From rows to records, and from numbers to the database's numbers.

use std::str::FromStr;
use std::time::SystemTime;

use insula_host_api::HostCall;
use insula_tenancy::{AgentId, VersionId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::error::CatalogError;
use super::records::{AgentRecord, KeyInfo, TenantRecord, TenantState, UsageAmounts, UsageRow, VersionRecord};
use crate::{AgentLimits, Limits, LimitsPatch};

/// Now, in Unix microseconds.
pub(super) fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// A number as the database keeps it. Those above 2^63 - 1 stay there.
pub(super) fn to_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A value in a row is not of the form that this program writes.
#[derive(Debug, thiserror::Error)]
#[error("the column `{column}` does not read back")]
struct Unreadable {
    column: &'static str,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

fn unreadable(column: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CatalogError {
    CatalogError::during("read a row")(Unreadable { column, source: source.into() })
}

fn text<'r>(row: &'r SqliteRow, column: &'static str) -> Result<&'r str, CatalogError> {
    row.try_get(column).map_err(|error| unreadable(column, error))
}

pub(super) fn number(row: &SqliteRow, column: &'static str) -> Result<u64, CatalogError> {
    let number: i64 = row.try_get(column).map_err(|error| unreadable(column, error))?;
    u64::try_from(number).map_err(|error| unreadable(column, error))
}

/// A typed text: an id, a name, a digest.
pub(super) fn parsed<T: FromStr>(row: &SqliteRow, column: &'static str) -> Result<T, CatalogError>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text(row, column)?.parse().map_err(|error: T::Err| unreadable(column, error))
}

/// The same where it may be absent.
pub(super) fn parsed_option<T: FromStr>(row: &SqliteRow, column: &'static str) -> Result<Option<T>, CatalogError>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: Option<&str> = row.try_get(column).map_err(|error| unreadable(column, error))?;
    text.map(str::parse).transpose().map_err(|error: T::Err| unreadable(column, error))
}

/// Whether a time is there.
pub(super) fn is_set(row: &SqliteRow, column: &'static str) -> Result<bool, CatalogError> {
    let time: Option<i64> = row.try_get(column).map_err(|error| unreadable(column, error))?;
    Ok(time.is_some())
}

pub(super) fn json(row: &SqliteRow, column: &'static str) -> Result<serde_json::Value, CatalogError> {
    serde_json::from_str(text(row, column)?).map_err(|error| unreadable(column, error))
}

pub(super) fn owned(row: &SqliteRow, column: &'static str) -> Result<String, CatalogError> {
    text(row, column).map(str::to_owned)
}

/// The state that `state` and `phase` of a tenant's row come to; `None` where no row was joined.
pub(super) fn state(row: &SqliteRow) -> Result<Option<TenantState>, CatalogError> {
    let text = |column| row.try_get::<Option<&str>, _>(column).map_err(|error| unreadable(column, error));
    match (text("state")?, text("phase")?) {
        (None, None) => Ok(None),
        (_, Some("importing")) => Ok(Some(TenantState::Importing)),
        (_, Some("erasing")) => Ok(Some(TenantState::Erasing)),
        (_, Some("erased")) => Ok(Some(TenantState::Erased)),
        (Some("active"), None) => Ok(Some(TenantState::Active)),
        (Some("suspended"), None) => Ok(Some(TenantState::Suspended)),
        _ => Err(unreadable("state", "no state that is known here")),
    }
}

/// Limits that differ from others.
pub(super) fn patch(row: &SqliteRow, column: &'static str) -> Result<LimitsPatch, CatalogError> {
    LimitsPatch::from_stored(text(row, column)?).map_err(|error| unreadable(column, error))
}

pub(super) fn hash(row: &SqliteRow, column: &'static str) -> Result<[u8; 32], CatalogError> {
    let bytes: &[u8] = row.try_get(column).map_err(|error| unreadable(column, error))?;
    bytes.try_into().map_err(|error: std::array::TryFromSliceError| unreadable(column, error))
}

pub(super) fn tenant(row: &SqliteRow) -> Result<TenantRecord, CatalogError> {
    let (tier_limits, overrides) = (patch(row, "tier_limits")?, patch(row, "limits")?);
    let limits = Limits::standard().overlaid(&tier_limits).overlaid(&overrides);
    let state = state(row)?.ok_or_else(|| unreadable("state", "absent"))?;
    let id = parsed(row, "id")?;
    let name = match state {
        TenantState::Erased => super::names::TenantName::of_tombstone(id),
        _ => parsed(row, "name")?,
    };
    let (tier, created_us) = (parsed(row, "tier")?, number(row, "created_us")?);
    Ok(TenantRecord { id, name, state, limits, tier, tier_limits, overrides, created_us })
}

pub(super) fn key(row: &SqliteRow) -> Result<KeyInfo, CatalogError> {
    let revoked: Option<i64> = row.try_get("revoked_us").map_err(|error| unreadable("revoked_us", error))?;
    Ok(KeyInfo {
        id: parsed(row, "id")?,
        label: owned(row, "label")?,
        permissions: parsed(row, "permissions")?,
        created_us: number(row, "created_us")?,
        revoked_us: revoked.map(u64::try_from).transpose().map_err(|error| unreadable("revoked_us", error))?,
    })
}

/// An agent's row, before its active version is joined to it.
pub(super) struct AgentRow {
    pub(super) id: AgentId,
    pub(super) name: super::AgentName,
    pub(super) active: Option<VersionId>,
    pub(super) last_number: u64,
    pub(super) limits: AgentLimits,
    pub(super) created_us: u64,
    pub(super) updated_us: u64,
}

impl AgentRow {
    pub(super) fn read(row: &SqliteRow) -> Result<Self, CatalogError> {
        Ok(Self {
            id: parsed(row, "id")?,
            name: parsed(row, "name")?,
            active: parsed_option(row, "active_version")?,
            last_number: number(row, "last_number")?,
            limits: AgentLimits::from_stored(text(row, "limits")?).map_err(|error| unreadable("limits", error))?,
            created_us: number(row, "created_us")?,
            updated_us: number(row, "updated_us")?,
        })
    }

    pub(super) fn with(self, active: Option<VersionRecord>) -> AgentRecord {
        let Self { id, name, limits, created_us, updated_us, .. } = self;
        AgentRecord { id, name, active, limits, created_us, updated_us }
    }
}

/// A version and the agent that it is of.
pub(super) fn version(row: &SqliteRow, active: Option<VersionId>) -> Result<(AgentId, VersionRecord), CatalogError> {
    let id = parsed(row, "id")?;
    let record = VersionRecord {
        id,
        number: number(row, "number")?,
        digest: parsed(row, "digest")?,
        component_bytes: number(row, "component_bytes")?,
        report_json: owned(row, "report")?,
        created_us: number(row, "created_us")?,
        active: active == Some(id),
    };
    Ok((parsed(row, "agent_id")?, record))
}

pub(super) fn usage(row: &SqliteRow) -> Result<UsageRow, CatalogError> {
    Ok(UsageRow {
        tenant: parsed(row, "tenant_id")?,
        agent: parsed(row, "agent_id")?,
        version: parsed(row, "version_id")?,
        day: day(row)?,
        amounts: UsageAmounts::read(|column| number(row, column))?,
    })
}

pub(super) fn day(row: &SqliteRow) -> Result<u32, CatalogError> {
    u32::try_from(number(row, "day")?).map_err(|error| unreadable("day", error))
}

/// The kind of host calls; `None` for one that this release does not know.
pub(super) fn host_call(row: &SqliteRow) -> Result<Option<HostCall>, CatalogError> {
    let kind = text(row, "kind")?;
    Ok(HostCall::ALL.iter().copied().find(|call| call.name() == kind))
}

/// A sum that was made as two halves, which stops at 2^64 - 1.
pub(super) fn sum(row: &SqliteRow, column: &'static str) -> Result<u64, CatalogError> {
    let half = |end: &str| -> Result<u128, CatalogError> {
        let half: i64 = row.try_get(format!("{column}_{end}").as_str()).map_err(|error| unreadable(column, error))?;
        u128::try_from(half).map_err(|error| unreadable(column, error))
    };
    Ok(u64::try_from((half("high")? << 32) + half("low")?).unwrap_or(u64::MAX))
}
