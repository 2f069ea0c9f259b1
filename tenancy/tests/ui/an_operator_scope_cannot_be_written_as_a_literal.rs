//! T1: an operator's proof is made as a tenant's is.

use insula_tenancy::{KeyId, OperatorScope, RealmId};

fn forge(realm: RealmId) -> OperatorScope {
    OperatorScope { key: KeyId::generate(), realm }
}

fn main() {}
