//! T1: a permit is a scope whose permission was checked; its fields are private.

use std::marker::PhantomData;

use insula_tenancy::{Deploy, Permit, TenantScope};

fn forge(scope: &TenantScope) -> Permit<'_, Deploy> {
    Permit { scope, permission: PhantomData }
}

fn main() {}
