//! The host of `timing`: a process of its own, with an owner who has things, a prober who has none of that name, and a
//! bystander. Opened again on the same directory, nothing of the owner's has been used since the start.

use std::path::PathBuf;

use anyhow::Context as _;
use insula_runtime::cache::{EntryKey, Life, NamespaceName};
use insula_runtime::storage::{Change, Place, Write};
use insula_runtime::tenancy::{Credential, Deploy, Manage, OperatorScope, VersionId};
use insula_runtime::{EngineSettings, HostSettings, LimitsPatch, Runtime, Settings, WorkerCommand};
use insula_server::{Server, ServerSettings};
use serde::{Deserialize, Serialize};

use super::random::Random;
use crate::subjects;

/// Things of each kind that the owner has.
pub(super) const THINGS: usize = 96;
/// Of what is in the owner's cache: longer than any run.
const LIFE_MS: u64 = 86_400_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    data: PathBuf,
    component: PathBuf,
    seed: u64,
}

/// Where it listens, and what is there: nothing but the address when it was opened again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct World {
    pub(super) address: std::net::SocketAddr,
    pub(super) tenants: Vec<Tenant>,
    /// The owner's agents, each with its one version.
    pub(super) agents: Vec<(String, String)>,
    /// The owner's buckets, with one key of the same name each; its cache has a namespace of each of these names.
    pub(super) buckets: Vec<String>,
    /// Keys of the owner's that nobody has presented yet.
    pub(super) spare_keys: Vec<String>,
    /// A tenant that there is not, and a key: made when the owner was.
    #[serde(skip)]
    pub(super) nobody: Option<Tenant>,
}

/// A tenant and its key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Tenant {
    pub(super) id: String,
    pub(super) key: String,
}

pub(crate) fn serve(options: &Options) -> anyhow::Result<()> {
    insula_cli::control_threads()?.block_on(async {
        let worker = WorkerCommand { program: std::env::current_exe()?, arguments: vec!["compile-worker".into()] };
        let (engine, host) = (EngineSettings::standard(), HostSettings::standard());
        let opened = Runtime::open(Settings { data: options.data.clone(), worker, engine, host }).await?;
        let runtime = opened.runtime;
        let server = Server::bind(runtime.clone(), ServerSettings::standard("127.0.0.1:0".parse()?)).await?;
        let nothing = || (Vec::new(), Vec::new(), Vec::new());
        let (tenants, (agents, buckets, spare_keys)) = match opened.operator_key {
            Some(secret) => {
                let operator = runtime.login_operator(&secret.reveal().parse::<Credential>()?).await?;
                furnish(&runtime, &operator, options).await?
            }
            None => (Vec::new(), nothing()),
        };
        let address = server.address();
        subjects::announce(&World { address, tenants, agents, buckets, spare_keys, nobody: None })?;
        server.serve(subjects::input_ended()).await;
        runtime.shutdown().await;
        Ok(())
    })
}

type Things = (Vec<(String, String)>, Vec<String>, Vec<String>);

async fn furnish(
    runtime: &Runtime,
    operator: &OperatorScope,
    options: &Options,
) -> anyhow::Result<(Vec<Tenant>, Things)> {
    let limits =
        LimitsPatch { rate: Some(1_000_000), burst: Some(1_000_000), agents: Some(1_000), ..LimitsPatch::default() };
    let mut tenants = Vec::new();
    for name in ["owner", "prober", "bystander"] {
        let (record, key) = runtime.control().create_tenant(operator, &name.parse()?, &limits).await?;
        tenants.push((record.id, key.reveal()));
    }
    let component = tokio::fs::read(&options.component).await?;
    let (owner, owner_key) = tenants.first().context("no owner")?;
    let mut random = Random::new(options.seed);
    let scope = runtime.login(&owner_key.parse::<Credential>()?).await?;
    let (deploy, manage) = (scope.permit::<Deploy>()?, scope.permit::<Manage>()?);
    let (storage, cache) = (runtime.storage(&manage).await?, runtime.cache(&manage, VersionId::generate()).await?);
    let (mut agents, mut buckets, mut spare_keys) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..THINGS {
        let (agent, bucket) = (random.name(), random.name());
        let mut upload = runtime.begin_upload(&deploy).await?;
        upload.write(&component)?;
        let deployed = runtime.deploy(&deploy, &agent.parse()?, upload, true).await?;
        agents.push((agent, deployed.version.id.to_string()));
        let at = Place::parse(&bucket, &bucket)?;
        let change = Change::Put { value: b"the owner's".to_vec(), ttl_ms: None };
        storage.commit(Vec::new(), vec![Write { at, change }]).wait().await?;
        let (namespace, key) = (NamespaceName::parse(&bucket)?, EntryKey::parse(&bucket)?);
        cache.put(
            &namespace,
            &key,
            b"the owner's".to_vec(),
            Life { ttl_ms: LIFE_MS, stale_ms: 0, this_version_only: false },
        )?;
        buckets.push(bucket);
        // A tenant has at most a hundred keys, and one already.
        if number < THINGS - 1 {
            let permissions = insula_runtime::tenancy::Permissions::ALL;
            spare_keys.push(runtime.control().create_key(operator, *owner, "spare", permissions).await?.1.reveal());
        }
    }
    // The prober has an agent of its own.
    let (_, prober_key) = tenants.get(1).context("no prober")?;
    let prober = runtime.login(&prober_key.parse::<Credential>()?).await?;
    let permit = prober.permit::<Deploy>()?;
    let mut upload = runtime.begin_upload(&permit).await?;
    upload.write(&component)?;
    runtime.deploy(&permit, &"own".parse()?, upload, true).await?;
    let tenants = tenants.into_iter().map(|(id, key)| Tenant { id: id.to_string(), key }).collect();
    Ok((tenants, (agents, buckets, spare_keys)))
}
