//! The proofs: [`TenantScope`], [`Permit`] and [`OperatorScope`] (T1).
//!
//! Their fields are private and their constructors are visible in this crate only; the one caller is the
//! [`Authenticator`](crate::Authenticator). None of them is `Clone`, `Default` or `Deserialize`.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use ulid::Ulid;

use crate::permission::PermissionMarker;
use crate::{KeyId, Permission, Permissions, TenantId};

/// Which authenticator a scope came from: random, made anew with each authenticator.
///
/// Stores are opened for one realm and refuse the scopes of any other, so that a second authenticator over keys of its
/// own opens nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RealmId(Ulid);

impl RealmId {
    pub(crate) fn generate() -> Self {
        Self(Ulid::generate())
    }
}

impl fmt::Debug for RealmId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RealmId(..)")
    }
}

/// Proof that a credential of one tenant was checked in this process, or that an operator's act on it was recorded.
pub struct TenantScope {
    tenant: TenantId,
    key: KeyId,
    permissions: Permissions,
    realm: RealmId,
}

/// The key lacks a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this key lacks the permission `{}`", .0.name())]
pub struct Forbidden(Permission);

impl Forbidden {
    /// The permission that is missing.
    #[must_use]
    pub fn missing(&self) -> Permission {
        self.0
    }
}

impl TenantScope {
    pub(crate) fn new(tenant: TenantId, key: KeyId, permissions: Permissions, realm: RealmId) -> Self {
        Self { tenant, key, permissions, realm }
    }

    /// Whose scope it is: a name, for logs and answers.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The key that was presented: the tenant's, or that of the operator who acts.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// What the key, or the act, may do.
    #[must_use]
    pub fn permissions(&self) -> Permissions {
        self.permissions
    }

    /// The authenticator that made it.
    #[must_use]
    pub fn realm(&self) -> RealmId {
        self.realm
    }

    /// Turns the scope into the permit that an act wants, or says which permission is missing.
    ///
    /// # Errors
    ///
    /// [`Forbidden`], when the key does not carry `P`.
    pub fn permit<P: PermissionMarker>(&self) -> Result<Permit<'_, P>, Forbidden> {
        if self.permissions.contains(P::PERMISSION) {
            Ok(Permit { scope: self, permission: PhantomData })
        } else {
            Err(Forbidden(P::PERMISSION))
        }
    }
}

impl fmt::Debug for TenantScope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TenantScope({}, {}, {})", self.tenant, self.key, self.permissions)
    }
}

/// A scope whose key carries the permission `P`. Derefs to the scope.
pub struct Permit<'scope, P> {
    scope: &'scope TenantScope,
    permission: PhantomData<fn() -> P>,
}

impl<P> Deref for Permit<'_, P> {
    type Target = TenantScope;

    fn deref(&self) -> &TenantScope {
        self.scope
    }
}

impl<P> fmt::Debug for Permit<'_, P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Permit({:?})", self.scope)
    }
}

/// Proof that an operator's credential was checked in this process.
///
/// It opens the operator's acts on tenants and keys. It opens no tenant's data.
pub struct OperatorScope {
    key: KeyId,
    realm: RealmId,
}

impl OperatorScope {
    pub(crate) fn new(key: KeyId, realm: RealmId) -> Self {
        Self { key, realm }
    }

    /// The key that was presented: the actor in the audit record.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// The authenticator that made it.
    #[must_use]
    pub fn realm(&self) -> RealmId {
        self.realm
    }
}

impl fmt::Debug for OperatorScope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "OperatorScope({})", self.key)
    }
}
