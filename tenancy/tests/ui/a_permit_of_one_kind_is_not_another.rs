//! A key that may call agents may not upload them: the permits are different types.

use insula_tenancy::{Deploy, Forbidden, Invoke, Permit, TenantScope};

fn upload(_permit: &Permit<'_, Deploy>) {}

fn call(scope: &TenantScope) -> Result<(), Forbidden> {
    let permit = scope.permit::<Invoke>()?;
    upload(&permit);
    Ok(())
}

fn main() {}
