//! Tenants of a host in this process. They come about by an operator's act, get a key, and log in with it (T1).

use std::collections::BTreeMap;

use insula_runtime::tenancy::{Credential, Deploy, Forbidden, Manage, OperatorScope, Permit, TenantId, TenantScope};
use insula_runtime::{AgentName, CatalogError, DeployError, Deployed, LimitsPatch, Runtime, TenantName};

use crate::failure::{Explain, Failure};
use crate::limits;
use crate::source::Agent;

/// How much of a component is handed over at a time.
const CHUNK: usize = 64 << 10;

/// Logs in with an operator's key.
pub(crate) async fn operator(runtime: &Runtime, key: &str) -> anyhow::Result<OperatorScope> {
    let advice = "use the key that this data directory's first start made";
    let credential: Credential = key.parse().explain("this is no operator's key", advice)?;
    runtime.login_operator(&credential).await.explain("the operator's key opens nothing here", advice)
}

/// Logs in with a tenant's key.
pub(crate) async fn log_in(runtime: &Runtime, key: &str) -> anyhow::Result<TenantScope> {
    let advice = "use a key of a tenant of this data directory";
    let credential: Credential = key.parse().explain("this is no tenant's key", advice)?;
    runtime.login(&credential).await.explain("the tenant's key opens nothing here", advice)
}

/// Makes a tenant, and returns its id and its first key.
pub(crate) async fn create_tenant(
    runtime: &Runtime,
    by: &OperatorScope,
    name: &TenantName,
    limits: &LimitsPatch,
) -> anyhow::Result<(TenantId, String)> {
    let created = runtime.control().create_tenant(by, name, limits).await;
    let (tenant, key) = created.explain(
        format_args!("cannot create the tenant `{name}`"),
        format_args!("choose another name, and limits within their ranges: {}", limits::names()),
    )?;
    Ok((tenant.id, key.reveal()))
}

/// Deploys an agent the way that `insula deploy` does over HTTP: limits are checked first, its own limits and configuration
/// defaults are there before the new version answers its first call.
pub(crate) async fn deploy(
    runtime: &Runtime,
    scope: &TenantScope,
    name: &AgentName,
    agent: &Agent,
    overrides: &BTreeMap<String, String>,
) -> anyhow::Result<Deployed> {
    let permit = scope.permit::<Deploy>().map_err(forbidden)?;
    let (asked, defaults) = match &agent.manifest {
        Some(manifest) => (manifest.limits.clone(), manifest.config.clone()),
        None => Default::default(),
    };
    let own = runtime.limits(scope).await.explain("cannot read the tenant's limits", "look at the host's log")?;
    let own = own.entries().map(|(name, value)| (name.to_owned(), value)).collect();
    limits::check_request(&asked, &own)?;

    let wanted = configuration(runtime, &permit, name, defaults, overrides).await?;
    let asked: Vec<_> = asked.into_iter().collect();
    let at_once = wanted.is_none() && asked.is_empty();
    let deployed = upload(runtime, &permit, name, agent, at_once).await;
    let mut deployed = deployed.map_err(|error| {
        Failure::new(format_args!("`{name}` was not deployed"))
            .because(format_args!("{error} ({})", error.code()))
            .advise(format_args!("see what a host makes of the component: `insula check {}`", agent.path.display()))
    })?;
    if let Some(configuration) = wanted {
        let set = runtime.set_configuration(&permit, name, configuration).await;
        set.explain(format_args!("cannot configure `{name}`"), "correct [config] in insula.toml, or --config")?;
    }
    if !asked.is_empty() {
        let manage = scope.permit::<Manage>().map_err(forbidden)?;
        let set = runtime.set_agent_limits(&manage, name, limits::patch(&asked)?).await;
        set.explain(format_args!("cannot set the limits of `{name}`"), "correct [limits] in insula.toml")?;
    }
    if !at_once {
        let activated = runtime.activate(&permit, name, deployed.version.id).await;
        deployed.agent = activated.explain(format_args!("cannot activate `{name}`"), "deploy it again")?;
    }
    Ok(deployed)
}

/// The configuration that the agent should have, when it is not what it has: defaults fill in what is not set.
async fn configuration(
    runtime: &Runtime,
    permit: &Permit<'_, Deploy>,
    name: &AgentName,
    defaults: BTreeMap<String, String>,
    overrides: &BTreeMap<String, String>,
) -> anyhow::Result<Option<BTreeMap<String, String>>> {
    if defaults.is_empty() && overrides.is_empty() {
        return Ok(None);
    }
    let present = match runtime.configuration(permit, name).await {
        Ok(present) => present,
        Err(CatalogError::NotFound) => BTreeMap::new(),
        Err(error) => return Err(error).explain("cannot read the agent's configuration", "look at the host's log"),
    };
    let mut wanted = defaults;
    wanted.extend(present.clone());
    wanted.extend(overrides.clone());
    Ok((wanted != present).then_some(wanted))
}

async fn upload(
    runtime: &Runtime,
    permit: &Permit<'_, Deploy>,
    name: &AgentName,
    agent: &Agent,
    activate: bool,
) -> Result<Deployed, DeployError> {
    let mut upload = runtime.begin_upload(permit).await?;
    for chunk in agent.component.chunks(CHUNK) {
        upload.write(chunk)?;
    }
    runtime.deploy(permit, name, upload, activate).await
}

fn forbidden(error: Forbidden) -> Failure {
    Failure::new("the key does not allow this").because(error).advise("use a key with that permission")
}
