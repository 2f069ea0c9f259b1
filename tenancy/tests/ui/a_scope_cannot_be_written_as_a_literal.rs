//! T1: the fields of a scope are private to its module.

use insula_tenancy::{KeyId, Permissions, RealmId, TenantId, TenantScope};

fn forge(realm: RealmId) -> TenantScope {
    TenantScope { tenant: TenantId::generate(), key: KeyId::generate(), permissions: Permissions::ALL, realm }
}

fn main() {}
