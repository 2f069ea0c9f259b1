//! Why the catalog did not do what it was asked.

use crate::limits::{InvalidAgentLimit, InvalidLimit};

/// Why the catalog did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// There is none of that name, or it is another's: from outside they look the same (T6).
    #[error("there is nothing of that name")]
    NotFound,
    /// Something stands in the way.
    #[error("{what}")]
    Conflict {
        /// What it is, in a sentence for people.
        what: &'static str,
    },
    /// A value breaks its rule.
    #[error("{what}")]
    Invalid {
        /// The rule, in a sentence for people.
        what: String,
    },
    /// A limit of the tenant is reached.
    #[error("the limit of {limit} {what} is reached")]
    LimitReached {
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// Another authenticator made the scope, or the catalog is not bound to any.
    #[error("this scope was made by another authenticator than the one that the catalog is bound to")]
    WrongRealm,
    /// A newer release wrote the catalog.
    #[error("the catalog was written by a newer release: use that release, or a newer one")]
    NewerSchema,
    /// The database refused.
    #[error("the catalog cannot {operation}")]
    Failed {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl CatalogError {
    /// Names the operation that failed.
    pub(super) fn during<E: std::error::Error + Send + Sync + 'static>(
        operation: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Failed { operation, source: Box::new(source) }
    }
}

impl From<InvalidLimit> for CatalogError {
    fn from(invalid: InvalidLimit) -> Self {
        Self::Invalid { what: invalid.to_string() }
    }
}

impl From<InvalidAgentLimit> for CatalogError {
    fn from(invalid: InvalidAgentLimit) -> Self {
        Self::Invalid { what: invalid.to_string() }
    }
}
