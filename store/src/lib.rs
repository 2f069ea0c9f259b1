//! Bytes at rest: tenant storage, tenant cache, components and artefacts, the catalog, quotas.
//!
//! This crate owns the data directory and everything in it, and the in-memory cache shards beside it. It never offers
//! data by a bare name or id: [`Stores::enter`] takes a [`TenantScope`](insula_tenancy::TenantScope) and hands out
//! handles that already belong to its tenant, and [`Catalog`] takes a scope in every function.
//!
//! - **A2** only this crate touches the data directory, and only [`DataDir::open`] opens it by a path.
//! - **T1, T2** there is one door, it wants a scope, and it refuses the scopes of another realm.
//! - **T7** files, shards and rows carry their tenant's id, and a stamp that does not match is refused.
//! - **B1** every queue, map and file here has a bound; the tenant's own are in [`Limits`].
//! - **R2** what a commit acknowledged is on disk, whole; what it refused changed nothing.
#![forbid(unsafe_code)]

mod archive;
mod cache;
mod catalog;
mod clock;
mod data_dir;
mod digest;
mod erasure;
mod files;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod home;
mod limits;
mod maintenance;
mod quota;
mod shelf;
#[cfg(test)]
mod shuttled;
mod storage;
mod stores;
mod sync;
#[cfg(test)]
mod testing;

pub use archive::{
    ArchiveError, ArchiveHeader, ArchivePart, ArchiveProblem, ArchiveReader, ArchiveTotals, ArchiveWriter,
    ArchivedAgent, ArchivedVersion, EntryBatch, StorageCounters,
};
pub use cache::{CacheFigures, CacheTally, TenantCache};
pub use catalog::{
    AddedVersion, AgentName, AgentRecord, AuditRecord, Catalog, CatalogError, CatalogRows, InvalidAgentName,
    InvalidTenantName, InvalidTierName, KeyInfo, LimitsChange, NewVersion, TenantName, TenantRecord, TenantState,
    TierName, TierRecord, Usage, UsageAmounts, UsageRow, VersionRecord,
};
pub use clock::{Clock, MonotonicClock};
pub use data_dir::{DataDir, OpenDataDirError};
pub use digest::{Digest, InvalidDigest};
pub use erasure::Remains;
pub use limits::{AgentLimits, InvalidAgentLimit, InvalidLimit, LimitSpec, Limits, LimitsPatch};
pub use maintenance::{Holdings, Maintenance, MaintenanceError};
pub use quota::Quota;
pub use shelf::{Shelf, ShelfError, StagedArtefact, Staging, VerifiedArtefact};
pub use storage::{Compacted, StorageSnapshot, TenantStorage};
pub use stores::{StoreSettings, Stores, TenantStore, WrongRealm};
