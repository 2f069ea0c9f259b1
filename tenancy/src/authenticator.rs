//! The one place where a credential becomes a scope, and where an operator's act on a tenant's data does, once it is
//! recorded (T1).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::scope::{OperatorScope, RealmId, TenantScope};
use crate::{Credential, KeyId, KeyOwner, KeyRecord, OwnerState, Permission, Permissions, TenantId};

/// What a look-up of a key answers, in time.
pub type FoundKey<'a> = Pin<Box<dyn Future<Output = Result<Option<Arc<KeyRecord>>, LookupFailed>> + Send + 'a>>;

/// What recording an act answers, in time: whether there is such a tenant.
pub type RecordedAct<'a> = Pin<Box<dyn Future<Output = Result<bool, LookupFailed>> + Send + 'a>>;

/// What an operator may do with a tenant's data. Each act may do the least that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OperatorAct {
    /// Read all of it, for an archive.
    Export,
    /// Have its storage file written anew, which reads and changes nothing of it.
    Compact,
}

impl OperatorAct {
    /// The word for it in the audit log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Export => "tenant.export",
            Self::Compact => "tenant.compact",
        }
    }

    fn permissions(self) -> Permissions {
        match self {
            Self::Export => Permissions::of(&[Permission::Export]),
            Self::Compact => Permissions::of(&[]),
        }
    }
}

/// How keys are looked up, and where operators' acts are recorded. The catalog implements it.
pub trait KeyLookup: Send + Sync + 'static {
    /// The key as it stands now, if it is known without waiting.
    fn cached(&self, key: KeyId) -> Option<Arc<KeyRecord>>;

    /// The key that this credential opens, as it stands now; `None` when there is none, its secret is another or it was
    /// revoked, which are to be found out by the same steps, so that their time does not tell them apart (T6).
    fn find<'a>(&'a self, credential: &'a Credential) -> FoundKey<'a>;

    /// Records that the operator of this key does this to a tenant's data, if there is such a tenant with data. Both in
    /// one transaction: when this answers `true`, the record is on disk.
    fn record(&self, by: KeyId, tenant: TenantId, act: OperatorAct) -> RecordedAct<'_>;
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

/// Why an operator's act got no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ActDenied {
    /// There is no such tenant, or its data is gone.
    #[error("there is no such tenant with data")]
    NoSuchTenant,
    /// Another authenticator made the operator's proof.
    #[error("this proof was made by another authenticator")]
    WrongRealm,
    /// The act could not be recorded, so it does not happen.
    #[error(transparent)]
    NotRecorded(#[from] LookupFailed),
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

    /// A scope for one audited act of an operator on a tenant's data. It may do what the act takes and nothing else; the
    /// act is recorded before the scope exists.
    ///
    /// # Errors
    ///
    /// [`ActDenied`], with the reason.
    pub async fn act_as(
        &self,
        operator: &OperatorScope,
        tenant: TenantId,
        act: OperatorAct,
    ) -> Result<TenantScope, ActDenied> {
        if operator.realm() != self.realm {
            return Err(ActDenied::WrongRealm);
        }
        if !self.keys.record(operator.key(), tenant, act).await? {
            return Err(ActDenied::NoSuchTenant);
        }
        Ok(TenantScope::new(tenant, operator.key(), act.permissions(), self.realm))
    }

    async fn check(&self, credential: &Credential) -> Result<Arc<KeyRecord>, Denied> {
        let opens = |record: &Arc<KeyRecord>| credential.matches(record);
        // A wrong secret for a key that is known is looked up like a key that is not: an answer at once would tell that
        // there is such a key, and that it is in use (T6).
        match self.keys.cached(credential.key()).filter(opens) {
            Some(record) => Ok(record),
            None => self.keys.find(credential).await?.filter(opens).ok_or(Denied::Unknown),
        }
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Authenticator")
    }
}
