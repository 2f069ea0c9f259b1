//! A permit borrows the scope that it was checked on.

use insula_tenancy::{Invoke, Permit, TenantScope};

fn keep(scope: TenantScope) -> Option<Permit<'static, Invoke>> {
    scope.permit::<Invoke>().ok()
}

fn main() {}
