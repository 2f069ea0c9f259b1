//! The one place where a credential becomes a scope.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::scope::{OperatorScope, RealmId, TenantScope};
use crate::{Credential, KeyId, KeyOwner, KeyRecord, OwnerState};

/// What a look-up of a key answers, in time.
pub type FoundKey<'a> = Pin<Box<dyn Future<Output = Result<Option<Arc<KeyRecord>>, LookupFailed>> + Send + 'a>>;

/// How keys are looked up. The catalog implements it.
pub trait KeyLookup: Send + Sync + 'static {
    /// The key as it stands now, if it is known without waiting.
    fn cached(&self, key: KeyId) -> Option<Arc<KeyRecord>>;

    /// The key as it stands now; `None` when there is none or it was revoked.
    fn find(&self, key: KeyId) -> FoundKey<'_>;
}

/// The catalog could not answer. The operator's log has the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("keys cannot be looked up just now")]
pub struct LookupFailed;

/// Why a credential opened nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// No such key, or a wrong secret for it, or a revoked one: from outside they look the same.
    #[error("this key is not known here: it was mistyped, revoked, or belongs to another host")]
    Unknown,
    /// A tenant's key where an operator's is wanted, or the other way round.
    #[error("this is a key of the wrong kind for what was asked")]
    WrongKind,
    /// The tenant is suspended.
    #[error("this tenant is suspended: ask the operator of the host")]
    Suspended,
    /// The catalog could not answer.
    #[error(transparent)]
    LookupFailed(#[from] LookupFailed),
}

/// Checks credentials and hands out scopes. One a host.
pub struct Authenticator {
    keys: Arc<dyn KeyLookup>,
    realm: RealmId,
}

impl Authenticator {
    /// An authenticator over these keys, with a realm of its own.
    #[must_use]
    pub fn new(keys: Arc<dyn KeyLookup>) -> Self {
        Self { keys, realm: RealmId::generate() }
    }

    /// The realm that every scope from here carries: open the stores with it.
    #[must_use]
    pub fn realm(&self) -> RealmId {
        self.realm
    }

    /// Checks a tenant's credential.
    ///
    /// # Errors
    ///
    /// [`Denied`], with the reason.
    pub async fn tenant(&self, credential: &Credential) -> Result<TenantScope, Denied> {
        let record = self.check(credential).await?;
        match (record.owner, record.owner_state) {
            (KeyOwner::Operator, _) => Err(Denied::WrongKind),
            (KeyOwner::Tenant(_), OwnerState::Suspended) => Err(Denied::Suspended),
            (KeyOwner::Tenant(tenant), OwnerState::Active) => {
                Ok(TenantScope::new(tenant, record.id, record.permissions, self.realm))
            }
        }
    }

    /// Checks an operator's credential.
    ///
    /// # Errors
    ///
    /// [`Denied`], with the reason.
    pub async fn operator(&self, credential: &Credential) -> Result<OperatorScope, Denied> {
        let record = self.check(credential).await?;
        match record.owner {
            KeyOwner::Tenant(_) => Err(Denied::WrongKind),
            KeyOwner::Operator => Ok(OperatorScope::new(record.id, self.realm)),
        }
    }

    async fn check(&self, credential: &Credential) -> Result<Arc<KeyRecord>, Denied> {
        let record = match self.keys.cached(credential.key()) {
            Some(record) => record,
            None => self.keys.find(credential.key()).await?.ok_or(Denied::Unknown)?,
        };
        if credential.matches(&record) { Ok(record) } else { Err(Denied::Unknown) }
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Authenticator")
    }
}
