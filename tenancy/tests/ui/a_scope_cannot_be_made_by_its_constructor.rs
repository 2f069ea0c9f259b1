//! T1: the constructor of a scope is visible in its crate only.

use insula_tenancy::{KeyId, Permissions, RealmId, TenantId, TenantScope};

fn forge(realm: RealmId) -> TenantScope {
    TenantScope::new(TenantId::generate(), KeyId::generate(), Permissions::ALL, realm)
}

fn main() {}
