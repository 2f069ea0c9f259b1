//! Archives: a tenant written to a stream, and a new tenant made from one.
//!
//! Both are acts of an operator, and both are in the audit log before a byte of data is touched. An export gets its scope
//! by the act (T1); an import makes a tenant of a new id (T7) and logs in with its first key like anyone else.

mod export;
mod import;

pub use import::{ARCHIVE_BYTES, ArchiveUpload, Imported};

use crate::control::ControlError;

/// Files off the threads that others need.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ControlError> + Send + 'static,
) -> Result<T, ControlError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|failed| {
        tracing::error!(%failed, "a step of an archive failed");
        Err(ControlError::Interrupted)
    })
}
