//! T2: a function that touches a tenant's data takes the scope; the id opens nothing.

use insula_tenancy::{TenantId, TenantScope};

fn read_data(_scope: &TenantScope) {}

fn main() {
    let tenant = TenantId::generate();
    read_data(&tenant);
}
