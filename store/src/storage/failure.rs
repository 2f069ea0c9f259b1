//! What can go wrong beneath storage. The guest sees a [`StorageError`]; the operator's log sees the chain of causes.

use std::error::Error;
use std::io;
use std::time::Duration;

use insula_host_api::StorageError;
use insula_tenancy::TenantId;

/// Why an operation on a tenant's file did not work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// An answer for the guest, not a fault.
    #[error(transparent)]
    Guest(#[from] StorageError),
    /// The file system refused.
    #[error("cannot {operation}")]
    File {
        operation: &'static str,
        #[source]
        source: io::Error,
    },
    /// The engine refused.
    #[error("cannot {operation}")]
    Engine {
        operation: &'static str,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The file is another's (T7).
    #[error("the storage file is stamped {found}: it is not this tenant's, and is left alone")]
    Stamp { found: String },
    /// The file has no stamp at all.
    #[error("the storage file has no stamp: it is not a whole storage file, and is left alone")]
    NoStamp,
    /// The file has a format that this release does not know.
    #[error("the storage file has a format that this release does not know")]
    Format,
    /// Bytes in the file are not what was written.
    #[error("{0} in the storage file is malformed")]
    Malformed(&'static str),
    /// The tenant's directory was removed while a handle was still out.
    #[error("the tenant's storage was removed")]
    Removed,
    /// The file cannot be removed while someone reads or writes it.
    #[error("the tenant's storage is in use")]
    InUse,
    /// Whoever led the tenant's commits ended without an answer.
    #[error("the commit was not answered")]
    Abandoned,
    /// It would keep the tenant waiting for too long.
    #[error("it was not done within {} ms, and was given up", .0.as_millis())]
    TooLong(Duration),
    /// The task that did the work ended without an answer.
    #[error("the task for it ended early")]
    Task(#[source] tokio::task::JoinError),
    /// The host is shutting down.
    #[error("the host takes no more work for its disks")]
    Closed,
}

impl Failure {
    /// Names the operation of the engine that failed.
    pub(crate) fn engine<E: Error + Send + Sync + 'static>(operation: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Engine { operation, source: Box::new(source) }
    }

    /// Names the operation of the file system that failed.
    pub(crate) fn file(operation: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { operation, source }
    }

    /// Whether the open handle cannot be trusted any more: after an I/O error the engine refuses until reopened.
    pub(crate) fn spoils_handle(&self) -> bool {
        matches!(self, Self::Engine { .. })
    }

    /// What the guest is told. The cause goes to the log, with the tenant's id, and no further.
    pub(crate) fn into_answer(self, tenant: TenantId, operation: &'static str) -> StorageError {
        match self {
            Self::Guest(error) => error,
            failure => {
                tracing::error!(%tenant, operation, cause = %chain(&failure), "storage is not available");
                StorageError::Unavailable
            }
        }
    }
}

/// An error and its sources in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
