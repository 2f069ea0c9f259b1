//! The runtime as a library: engine, compile worker, component cache, limits, scheduler, deploy, invoke.
//!
//! It speaks no HTTP and reads no environment. An embedder opens a [`Runtime`] on a data directory, logs in with a key,
//! and calls agents:
//!
//! - **A3** `engine/config.rs` is the one constructor of `wasmtime::Engine`.
//! - **B3** what is admitted is released by drop. **B4** compilation is bounded, off the request path, and in another
//!   process. **B5** limits are probed at start on the engine in use.
//! - **R1** every call has a fresh store; no instance is used twice.
//! - **T4** a guest's store holds no handle that spans tenants.
#![doc = include_str!("../EXAMPLE.md")]

mod admission;
mod archives;
mod bill;
mod chores;
mod classify;
mod compile;
mod components;
mod control;
mod counts;
mod deploy;
mod deploy_error;
mod diagnosis;
mod engine;
mod erase;
mod invoke;
mod logs;
mod metrics;
mod outcome;
mod report;
mod respond;
mod runtime;
mod scheduler;
mod settings;
mod shortage;
mod sweep;
mod tenants;
mod time_of_day;
mod usage;

pub use archives::{ARCHIVE_BYTES, ArchiveUpload, Imported};
pub use bill::Bill;
pub use compile::worker;
pub use control::{Control, ControlError};
pub use deploy::{Deployed, Upload, inspect};
pub use deploy_error::DeployError;
pub use diagnosis::{Allowance, Diagnosis, Frame};
pub use engine::{Check, Readiness};
pub use erase::{ErasedPlace, Erasure, KeptPlace};
pub use logs::{LogLine, LogPage, LogQuery, LogReader};
pub use outcome::{AgentError, Call, CallFailure, Invocation, InvokeError, Response};
pub use report::{Report, ReportImport};
pub use runtime::{OpenError, Opened, Runtime};
#[cfg(feature = "measuring")]
#[doc(hidden)]
pub use scheduler::measuring;
pub use settings::{EngineSettings, HostSettings, Settings, WorkerCommand};
pub use shortage::{HostShortage, RateQuota, TenantLimit};

pub use insula_host_api::{HostCall, HostCalls};
pub use insula_store::{
    AgentLimits, AgentName, AgentRecord, ArchiveError, ArchiveProblem, ArchiveTotals, AuditRecord, CatalogError,
    Compacted, Digest, Holdings, InvalidAgentLimit, InvalidLimit, KeyInfo, LimitSpec, Limits, LimitsChange,
    LimitsPatch, OpenDataDirError, TenantName, TenantRecord, TenantState, TierName, TierRecord, Usage, UsageAmounts,
    UsageRow, VersionRecord,
};
pub use insula_tenancy as tenancy;

/// A tenant's cache, as [`Runtime::cache`] hands it out.
pub mod cache {
    pub use insula_host_api::{
        Answer, Cache, CacheError, CacheStatistics, EntryKey, FoundOrLease, InvalidName, Lease, Life, NamespaceName,
        Patience,
    };
}

/// A tenant's storage, and the statistics of its cache, as [`Runtime::storage`] hands it out.
pub mod storage {
    pub use insula_host_api::{
        Answer, BucketName, CacheStatistics, Change, Committed, Entry, EntryKey, Expectation, InvalidName, Page, Place,
        Precondition, Selection, Storage, StorageError, Write,
    };
}
