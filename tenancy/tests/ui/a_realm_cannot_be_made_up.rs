//! T1: a realm comes from an authenticator, so that the scopes of another are told apart.

use insula_tenancy::RealmId;

fn main() {
    let _realm = RealmId::generate();
}
