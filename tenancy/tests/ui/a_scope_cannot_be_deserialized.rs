//! T1: no text is a scope. What came over a wire is a credential, and is checked.

use insula_tenancy::TenantScope;

fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<TenantScope, D::Error> {
    <TenantScope as serde::Deserialize>::deserialize(deserializer)
}

fn main() {}
