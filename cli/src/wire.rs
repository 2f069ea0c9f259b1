//! The parts of the host's answers that pages are made from. What else an answer has is passed over; `--json` shows it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::limits::ByName;
use crate::log_lines::LogLine;

/// An agent.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Agent {
    pub(crate) agent: String,
    pub(crate) agent_id: String,
    pub(crate) active: Option<Version>,
    /// Its own limits.
    #[serde(default)]
    pub(crate) limits: ByName,
    pub(crate) created_us: u64,
    pub(crate) updated_us: u64,
}

/// One upload of an agent.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Version {
    pub(crate) version: String,
    pub(crate) number: u64,
    pub(crate) digest: String,
    pub(crate) component_bytes: u64,
    pub(crate) created_us: u64,
    pub(crate) active: bool,
}

/// `GET /v1/agents/{agent}/limits`.
#[derive(Debug, Deserialize)]
pub(crate) struct AgentLimits {
    pub(crate) own: ByName,
    pub(crate) effective: ByName,
}

/// `GET /v1/agents`.
#[derive(Debug, Deserialize)]
pub(crate) struct Agents {
    pub(crate) agents: Vec<Agent>,
}

/// `GET /v1/agents/{agent}/versions`.
#[derive(Debug, Deserialize)]
pub(crate) struct Versions {
    pub(crate) versions: Vec<Version>,
}

/// `PUT /v1/agents/{agent}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Deployed {
    pub(crate) agent: String,
    pub(crate) version: String,
    pub(crate) number: u64,
    pub(crate) digest: String,
    pub(crate) report: insula_runtime::Report,
}

/// What one version used on one day.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct UsageRow {
    pub(crate) agent_id: String,
    pub(crate) version: String,
    pub(crate) day: u64,
    #[serde(flatten)]
    pub(crate) amounts: Amounts,
}

/// What calls used together.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Amounts {
    pub(crate) calls: u64,
    pub(crate) failures: u64,
    pub(crate) fuel: u64,
    pub(crate) cpu_us: u64,
    pub(crate) wall_us: u64,
    pub(crate) peak_memory: u64,
    #[serde(default)]
    pub(crate) storage_read_bytes: u64,
    #[serde(default)]
    pub(crate) storage_write_bytes: u64,
    #[serde(default)]
    pub(crate) cache_traffic_bytes: u64,
}

/// `GET /v1/usage`.
#[derive(Debug, Deserialize)]
pub(crate) struct Usage {
    pub(crate) usage: Vec<UsageRow>,
    /// The sum of all that there is, also of what is not among the rows.
    #[serde(default)]
    pub(crate) total: Option<Amounts>,
}

/// `GET /v1/logs`.
#[derive(Debug, Deserialize)]
pub(crate) struct LogPage {
    pub(crate) lines: Vec<LogLine>,
    #[serde(default)]
    pub(crate) lost: u64,
}

/// A tenant.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Tenant {
    pub(crate) tenant: String,
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) created_us: u64,
    pub(crate) tier: String,
    pub(crate) limits: ByName,
    /// What was set for it alone.
    #[serde(default)]
    pub(crate) overrides: ByName,
    /// What it has; only where one tenant is shown.
    #[serde(default)]
    pub(crate) holdings: BTreeMap<String, u64>,
}

/// A tier.
#[derive(Debug, Deserialize)]
pub(crate) struct Tier {
    pub(crate) tier: String,
    pub(crate) sets: ByName,
    pub(crate) limits: ByName,
    pub(crate) tenants: u64,
}

/// `GET /v1/tiers`.
#[derive(Debug, Deserialize)]
pub(crate) struct Tiers {
    /// Each as it came, for `--json`.
    pub(crate) tiers: Vec<Value>,
}

/// `GET /v1/limits?detail=true`.
#[derive(Debug, Deserialize)]
pub(crate) struct LimitsDetail {
    pub(crate) tier: String,
    pub(crate) limits: BTreeMap<String, SourcedLimit>,
}

/// One limit, and where it comes from.
#[derive(Debug, Deserialize)]
pub(crate) struct SourcedLimit {
    pub(crate) value: u64,
    pub(crate) source: String,
}

/// `GET /v1/tenants`, a page of it.
#[derive(Debug, Deserialize)]
pub(crate) struct Tenants {
    /// Each as it came, for `--json`.
    pub(crate) tenants: Vec<Value>,
    pub(crate) next: Option<String>,
}

/// `POST /v1/tenants`.
#[derive(Debug, Deserialize)]
pub(crate) struct NewTenant {
    pub(crate) tenant: String,
    pub(crate) key: String,
}

/// `GET /v1/storage`.
#[derive(Debug, Deserialize)]
pub(crate) struct Buckets {
    pub(crate) buckets: Vec<String>,
    pub(crate) next: Option<String>,
}

/// `GET /v1/storage/{bucket}`, a page of it.
#[derive(Debug, Deserialize)]
pub(crate) struct Entries {
    /// Each as it came, for `--json`.
    pub(crate) entries: Vec<Value>,
    pub(crate) next: Option<String>,
}

/// A key in storage.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) version: u64,
    #[serde(default)]
    pub(crate) ttl_ms: Option<u64>,
}

/// `PUT /v1/storage/{bucket}/{key}`.
#[derive(Debug, Deserialize)]
pub(crate) struct Changed {
    pub(crate) version: u64,
}

/// `GET /v1/audit`, a page of it.
#[derive(Debug, Deserialize)]
pub(crate) struct Audit {
    /// Each as it came, for `--json`.
    pub(crate) records: Vec<Value>,
    pub(crate) next: Option<u64>,
}

/// One act of an operator.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct AuditRecord {
    pub(crate) seq: u64,
    pub(crate) at_us: u64,
    pub(crate) key: String,
    pub(crate) act: String,
    pub(crate) tenant: Option<String>,
    pub(crate) detail: Value,
}

/// `POST /v1/tenants/{tenant}/compact`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Compacted {
    pub(crate) bytes_before: u64,
    pub(crate) bytes_after: u64,
    pub(crate) pause_us: u64,
}

/// `POST /v1/tenants/{tenant}/erase`.
#[derive(Debug, Deserialize)]
pub(crate) struct Erasure {
    pub(crate) places: Vec<ErasedPlace>,
    pub(crate) kept: Vec<KeptPlace>,
}

/// A place that was looked at.
#[derive(Debug, Deserialize)]
pub(crate) struct ErasedPlace {
    pub(crate) place: String,
    pub(crate) found: u64,
    pub(crate) left: u64,
}

/// What an erasure keeps.
#[derive(Debug, Deserialize)]
pub(crate) struct KeptPlace {
    pub(crate) place: String,
    pub(crate) count: u64,
    pub(crate) because: String,
}

/// `POST /v1/tenants/import`.
#[derive(Debug, Deserialize)]
pub(crate) struct ImportedTenant {
    pub(crate) tenant: String,
    pub(crate) key: String,
    pub(crate) from: String,
    pub(crate) agents: u64,
    pub(crate) versions: u64,
    pub(crate) entries: u64,
}

/// A key, without its secret.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) permissions: Vec<String>,
    pub(crate) created_us: u64,
    pub(crate) revoked_us: Option<u64>,
}

/// `GET /v1/tenants/{tenant}/keys`.
#[derive(Debug, Deserialize)]
pub(crate) struct Keys {
    pub(crate) keys: Vec<Key>,
}

/// `POST /v1/tenants/{tenant}/keys`: the secret, once.
#[derive(Debug, Deserialize)]
pub(crate) struct NewKey {
    pub(crate) id: String,
    pub(crate) key: String,
}
