//! What the catalog answers with.

use insula_host_api::HostCalls;
use insula_tenancy::{AgentId, KeyId, Permissions, TenantId, VersionId};
use serde::{Serialize, Serializer};

use super::names::{AgentName, TenantName, TierName};
use crate::{AgentLimits, Digest, Limits, LimitsPatch};

/// Whether a tenant may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TenantState {
    /// It may.
    Active,
    /// An operator suspended it: its keys open nothing.
    Suspended,
    /// It is on its way in from an archive. Where that ended early, an erasure ends it.
    Importing,
    /// An operator began to erase it: it has no keys, and nothing of it can be changed. Where that ended early, another
    /// erasure ends it.
    Erasing,
    /// It was erased: its id is all that is known of it.
    Erased,
}

impl TenantState {
    /// The word for it, in the catalog and in answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Importing => "importing",
            Self::Erasing => "erasing",
            Self::Erased => "erased",
        }
    }

    /// Why an operator cannot change it or act on its data now, if that is so.
    pub(super) fn hindrance(self) -> Option<&'static str> {
        match self {
            Self::Active | Self::Suspended => None,
            Self::Importing => {
                Some("the tenant is being imported, or its import ended early: wait for it, or erase it")
            }
            Self::Erasing => Some("the tenant is being erased, or its erasure ended early: erase it again"),
            Self::Erased => Some("the tenant was erased: its id is all that is left of it"),
        }
    }

    /// Whether what it has is gone, or is about to be.
    pub(super) fn is_ending(self) -> bool {
        matches!(self, Self::Erasing | Self::Erased)
    }
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TenantRecord {
    /// Its id.
    pub id: TenantId,
    /// Its name, unique on the host. A tombstone is called by its id.
    pub name: TenantName,
    /// Whether it may act.
    pub state: TenantState,
    /// What it may use: its tier's limits, and what was set for it alone instead of them.
    pub limits: Limits,
    /// Its tier.
    pub tier: TierName,
    /// What its tier sets.
    pub tier_limits: LimitsPatch,
    /// What was set for it alone.
    pub overrides: LimitsPatch,
    /// When it came to be, in Unix microseconds.
    pub created_us: u64,
}

/// A tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierRecord {
    /// Its name.
    pub name: TierName,
    /// What it sets; the rest is the standard of the release.
    pub sets: LimitsPatch,
    /// What its tenants may use, where nothing was set for them alone.
    pub limits: Limits,
    /// How many tenants have it.
    pub tenants: u64,
    /// When it was last changed, in Unix microseconds; 0 for one that is as it came.
    pub updated_us: u64,
}

/// A change of what a tenant may use.
#[derive(Debug, Clone, Default)]
pub struct LimitsChange {
    /// Another tier.
    pub tier: Option<TierName>,
    /// Limits for the tenant alone.
    pub set: LimitsPatch,
    /// Names of limits that are the tier's again.
    pub unset: Vec<&'static str>,
}

impl From<&LimitsPatch> for LimitsChange {
    fn from(set: &LimitsPatch) -> Self {
        Self { set: *set, ..Self::default() }
    }
}

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyInfo {
    /// Its id.
    pub id: KeyId,
    /// What people call it.
    pub label: String,
    /// What it may do.
    #[serde(serialize_with = "permission_words")]
    pub permissions: Permissions,
    /// When it was made, in Unix microseconds.
    pub created_us: u64,
    /// When it was revoked, in Unix microseconds.
    pub revoked_us: Option<u64>,
}

fn permission_words<S: Serializer>(permissions: &Permissions, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(permissions.iter().map(insula_tenancy::Permission::name))
}

/// An agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentRecord {
    /// Its id. A new agent of an old name has a new one.
    pub id: AgentId,
    /// Its name, unique with its tenant.
    pub name: AgentName,
    /// The version that answers calls.
    pub active: Option<VersionRecord>,
    /// Limits of its own, below the tenant's.
    pub limits: AgentLimits,
    /// When it came to be, in Unix microseconds.
    pub created_us: u64,
    /// When it last changed, in Unix microseconds.
    pub updated_us: u64,
}

/// One upload of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VersionRecord {
    /// Its id.
    pub id: VersionId,
    /// 1, 2, 3, ... with its agent.
    pub number: u64,
    /// The component, on the shelf.
    pub digest: Digest,
    /// The component's size, in bytes.
    pub component_bytes: u64,
    /// The admission report, as JSON. Empty in a listing of agents.
    pub report_json: String,
    /// When it was uploaded, in Unix microseconds.
    pub created_us: u64,
    /// Whether it is the one that answers calls.
    pub active: bool,
}

/// An upload that was compiled and checked.
#[derive(Debug, Clone)]
pub struct NewVersion {
    /// The component, on the shelf.
    pub digest: Digest,
    /// The component's size, in bytes.
    pub component_bytes: u64,
    /// The admission report, as JSON.
    pub report_json: String,
}

/// What adding a version did.
#[derive(Debug, Clone)]
pub struct AddedVersion {
    /// The agent, as it stands now.
    pub agent: AgentRecord,
    /// The new version.
    pub version: VersionRecord,
    /// Digests that no version of this tenant uses any more: they may leave the shelf.
    pub pruned: Vec<Digest>,
}

macro_rules! amounts {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// What calls used together.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct UsageAmounts {
            $($(#[$doc])* pub $field: u64,)*
            /// The most memory that one call had, in bytes.
            pub peak_memory: u64,
            /// Host functions called, by kind.
            pub host_calls_by_kind: HostCalls,
        }

        impl UsageAmounts {
            /// Columns of what adds up, in the order of the fields.
            pub(super) const SUMS: &'static [&'static str] = &[$(stringify!($field),)*];

            /// Adds up; of the peaks the greater stays.
            pub fn add(&mut self, more: &Self) {
                $(self.$field = self.$field.saturating_add(more.$field);)*
                self.peak_memory = self.peak_memory.max(more.peak_memory);
                self.host_calls_by_kind.add_all(&more.host_calls_by_kind);
            }

            /// What adds up, in the order of [`UsageAmounts::SUMS`].
            pub(super) fn sums(&self) -> [u64; Self::SUMS.len()] {
                [$(self.$field,)*]
            }

            /// The reverse: what adds up, by the name of its column.
            pub(super) fn read<E>(mut column: impl FnMut(&'static str) -> Result<u64, E>) -> Result<Self, E> {
                Ok(Self {
                    $($field: column(stringify!($field))?,)*
                    peak_memory: column("peak_memory")?,
                    host_calls_by_kind: HostCalls::default(),
                })
            }
        }
    };
}

amounts! {
    /// Calls.
    calls,
    /// Calls that did not end with an answer of the agent.
    failures,
    /// Fuel, in units.
    fuel,
    /// Time on processors, in microseconds.
    cpu_us,
    /// Time on the clock, in microseconds.
    wall_us,
    /// Host functions called.
    host_calls,
    /// Bytes through host functions.
    host_bytes,
    /// Keys and values that storage answered with, in bytes.
    storage_read_bytes,
    /// What storage was asked to write, in bytes.
    storage_write_bytes,
    /// Bytes into the cache and out of it.
    cache_traffic_bytes,
    /// Bytes of log written.
    log_bytes,
    /// Bytes of requests' bodies.
    request_bytes,
    /// Bytes of answers' bodies.
    response_bytes,
}

/// What one version of one agent used on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageRow {
    /// Whose it is.
    pub tenant: TenantId,
    /// The agent.
    pub agent: AgentId,
    /// The version.
    pub version: VersionId,
    /// The day in UTC, as the number `yyyymmdd`.
    pub day: u32,
    /// How much it was.
    pub amounts: UsageAmounts,
}

/// What a tenant used: the latest rows, and the sum of all that there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// By day, agent and version, the latest days first.
    pub rows: Vec<UsageRow>,
    /// Of all agents, versions and days, also of those that are not among the rows.
    pub total: UsageAmounts,
}

/// One act of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditRecord {
    /// Its place in the log: grows with every act.
    pub seq: u64,
    /// When, in Unix microseconds.
    pub at_us: u64,
    /// The key of the operator.
    pub key: KeyId,
    /// What was done, such as `tenant.create`.
    pub act: String,
    /// The tenant that it was done to.
    pub tenant: Option<TenantId>,
    /// The rest, as JSON. No secrets.
    pub detail: serde_json::Value,
}
