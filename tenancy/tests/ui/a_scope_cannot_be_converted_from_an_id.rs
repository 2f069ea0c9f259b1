//! T2: an id is a name. Nothing turns it into a proof.

use insula_tenancy::{TenantId, TenantScope};

fn forge(tenant: TenantId) -> TenantScope {
    tenant.into()
}

fn main() {}
