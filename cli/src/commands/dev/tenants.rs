//! The tenants of a dev runner: each logs in with a key that was kept, or gets one.

use insula_runtime::tenancy::{OperatorScope, Permissions, TenantId, TenantScope};
use insula_runtime::{CatalogError, ControlError, LimitsPatch, Runtime, TenantName};

use crate::failure::{Explain, Failure};
use crate::host;

use super::keys::Keys;

/// How many tenants are asked for at a time.
const PAGE: u32 = 200;

/// A tenant that is logged in.
pub(super) struct Tenant {
    pub(super) name: TenantName,
    pub(super) id: TenantId,
    pub(super) key: String,
    pub(super) scope: TenantScope,
}

impl Tenant {
    /// The tenant of this name, made if need be.
    pub(super) async fn ensure(
        runtime: &Runtime,
        by: &OperatorScope,
        name: &TenantName,
        limits: &LimitsPatch,
        keys: &mut Keys,
    ) -> anyhow::Result<Self> {
        if let Some(key) = keys.tenant(name.as_str()).map(str::to_owned)
            && let Ok(scope) = host::log_in(runtime, &key).await
        {
            return Ok(Self { name: name.clone(), id: scope.tenant(), key, scope });
        }
        let key = match find(runtime, by, name).await? {
            Some(id) => new_key(runtime, by, id).await?,
            None => host::create_tenant(runtime, by, name, limits).await?.1,
        };
        keys.keep(name.as_str(), &key)?;
        let scope = host::log_in(runtime, &key).await?;
        Ok(Self { name: name.clone(), id: scope.tenant(), key, scope })
    }
}

/// The tenant of this name, where the data directory has it from before.
async fn find(runtime: &Runtime, by: &OperatorScope, name: &TenantName) -> anyhow::Result<Option<TenantId>> {
    let mut after = None;
    loop {
        let page = runtime.control().tenants(by, after, PAGE).await;
        let page = page.explain("cannot list the tenants", "look at the messages above")?;
        if let Some(found) = page.iter().find(|tenant| tenant.name == *name) {
            return Ok(Some(found.id));
        }
        match page.last() {
            Some(last) => after = Some(last.id),
            None => return Ok(None),
        }
    }
}

async fn new_key(runtime: &Runtime, by: &OperatorScope, id: TenantId) -> anyhow::Result<String> {
    match runtime.control().create_key(by, id, "insula dev", Permissions::ALL).await {
        Ok((_, key)) => Ok(key.reveal()),
        Err(error @ ControlError::Catalog(CatalogError::NotFound)) => {
            Err(Failure::new("the tenant went away meanwhile").because(error).advise("start again").into())
        }
        Err(error) => Err(error).explain("cannot make a key for the tenant", "look at the messages above"),
    }
}
