//! T1: a tenant's scope, or an id, is no operator's proof: nobody acts as a tenant with less.

use insula_tenancy::{Authenticator, OperatorAct, TenantScope};

async fn act(authenticator: &Authenticator, scope: &TenantScope) {
    let _ = authenticator.act_as(scope, scope.tenant(), OperatorAct::Export).await;
}

fn main() {}
