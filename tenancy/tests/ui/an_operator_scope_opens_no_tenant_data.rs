//! T2: an operator acts on tenants and keys. What wants a tenant's scope does not take an operator's.

use insula_tenancy::{OperatorScope, TenantScope};

fn read_data(_scope: &TenantScope) {}

fn pry(operator: &OperatorScope) {
    read_data(operator);
}

fn main() {}
