//! T1: who holds a scope checked a credential; a copy could outlive what the check was for.

use insula_tenancy::TenantScope;

fn keep(scope: &TenantScope) -> TenantScope {
    let kept: TenantScope = scope.clone();
    kept
}

fn main() {}
