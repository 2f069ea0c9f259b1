//! T1: a scope is moved or borrowed.

use insula_tenancy::TenantScope;

fn twice(scope: TenantScope) -> (TenantScope, TenantScope) {
    (scope, scope)
}

fn main() {}
