//! The markers of permissions are sealed: nobody adds one that every key carries.

use insula_tenancy::{Permission, PermissionMarker};

enum Anything {}

impl PermissionMarker for Anything {
    const PERMISSION: Permission = Permission::Invoke;
}

fn main() {}
