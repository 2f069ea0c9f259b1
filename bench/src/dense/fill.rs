//! Data directories with tenants, each with an agent that was deployed as any other, kept for the next run where that is asked.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use insula_runtime::tenancy::{Credential, Deploy, OperatorScope};
use insula_runtime::{EngineSettings, HostSettings, LimitsPatch, Runtime, Settings, WorkerCommand};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::number;
use crate::output;

/// What became of a directory that was filled.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Filled {
    /// The tenants' keys, in their order.
    pub(super) keys: Vec<String>,
    /// Keys of tenants with an agent in another language, by its name.
    pub(super) guests: BTreeMap<String, String>,
    /// Bytes on disk, with all tenants and no agents.
    pub(super) registered: f64,
    /// Files that were a tenant's own then.
    pub(super) own_files: f64,
    /// Bytes on disk that the agents brought.
    pub(super) with_agents: f64,
    pub(super) deploys_a_second: f64,
    #[serde(skip)]
    pub(super) javascript: Vec<u8>,
}

/// An agent in another language.
pub(super) struct Guest {
    pub(super) name: &'static str,
    pub(super) component: Vec<u8>,
}

/// Fills a directory, or takes the one that is there.
pub(super) fn directory(folder: &Path, tenants: usize, echo: &[u8], guests: &[Guest]) -> anyhow::Result<Filled> {
    let notes = folder.join("filled.json");
    let mut filled = match fs::read(&notes) {
        Ok(notes) => serde_json::from_slice(&notes)?,
        Err(_) => {
            let threads = tokio::runtime::Runtime::new()?;
            let filled = threads.block_on(fill(&folder.join("data"), tenants, echo, guests))?;
            fs::write(&notes, serde_json::to_vec(&filled)?)?;
            filled
        }
    };
    ensure!(filled.keys.len() == tenants, "{} has another number of tenants: remove it", folder.display());
    let javascript = guests.iter().find(|guest| guest.name == "javascript");
    filled.javascript = javascript.map(|guest| guest.component.clone()).unwrap_or_default();
    Ok(filled)
}

/// A component with a custom section of its own, which makes it another component with the same code.
pub(super) fn distinct(component: &[u8], mark: u64) -> Vec<u8> {
    /// A custom section of 14 bytes, whose name has 5.
    const HEAD: &[u8] = b"\x00\x0e\x05dense";
    let mark = mark.to_le_bytes();
    [component, HEAD, mark.as_slice()].concat()
}

async fn fill(data: &Path, tenants: usize, echo: &[u8], guests: &[Guest]) -> anyhow::Result<Filled> {
    fs::create_dir_all(data)?;
    let (runtime, operator) = open(data).await?;
    let before = on_disk(data)?;
    let mut keys = Vec::with_capacity(tenants);
    for tenant in 0..tenants {
        keys.push(register(&runtime, &operator, &format!("tenant-{tenant}")).await?);
    }
    output::progress(&format!("{tenants} tenants made"));
    let (registered, own_files) = (on_disk(data)? - before, files(&data.join("tenants")));
    let began = Instant::now();
    let places = Arc::new(Semaphore::new(4));
    let mut deploys = JoinSet::new();
    for (mark, key) in (0_u64..).zip(&keys) {
        let (runtime, key, component) = (runtime.clone(), key.clone(), distinct(echo, mark));
        let place = Arc::clone(&places).acquire_owned().await?;
        deploys.spawn(async move {
            let deployed = deploy(&runtime, &key, &component).await;
            drop(place);
            deployed
        });
        while let Some(deployed) = deploys.try_join_next() {
            deployed??;
        }
        if mark % 1_000 == 999 {
            output::progress(&format!("{} agents deployed", mark + 1));
        }
    }
    while let Some(deployed) = deploys.join_next().await {
        deployed??;
    }
    let deploys_a_second = number(tenants) / began.elapsed().as_secs_f64();
    let with_agents = on_disk(data)? - before - registered;
    let mut others = BTreeMap::new();
    for guest in guests {
        let key = register(&runtime, &operator, guest.name).await?;
        deploy(&runtime, &key, &guest.component).await?;
        others.insert(guest.name.to_owned(), key);
    }
    runtime.shutdown().await;
    Ok(Filled { keys, guests: others, registered, own_files, with_agents, deploys_a_second, javascript: Vec::new() })
}

/// A host whose compilers have every processor: filling is not what is measured.
async fn open(data: &Path) -> anyhow::Result<(Runtime, OperatorScope)> {
    let compilers = std::thread::available_parallelism()?;
    let settings = Settings {
        data: data.to_path_buf(),
        worker: WorkerCommand { program: std::env::current_exe()?, arguments: vec!["compile-worker".into()] },
        engine: EngineSettings { instances: 8, ..EngineSettings::standard() },
        host: HostSettings { compilers, ..HostSettings::standard() },
    };
    let opened = Runtime::open(settings).await?;
    let secret = opened.operator_key.context("the data directory is not new")?.reveal();
    let operator = opened.runtime.login_operator(&secret.parse::<Credential>()?).await?;
    Ok((opened.runtime, operator))
}

/// A tenant whose limits are standard, but for its rate, which the calls in a row would reach.
async fn register(runtime: &Runtime, operator: &OperatorScope, name: &str) -> anyhow::Result<String> {
    let limits = LimitsPatch { rate: Some(1_000_000), burst: Some(1_000_000), ..LimitsPatch::default() };
    Ok(runtime.control().create_tenant(operator, &name.parse()?, &limits).await?.1.reveal())
}

async fn deploy(runtime: &Runtime, key: &str, component: &[u8]) -> anyhow::Result<()> {
    let scope = runtime.login(&key.parse::<Credential>()?).await?;
    let permit = scope.permit::<Deploy>()?;
    let mut upload = runtime.begin_upload(&permit).await?;
    upload.write(component)?;
    runtime.deploy(&permit, &"echo".parse()?, upload, true).await?;
    Ok(())
}

/// Bytes that a directory takes on disk.
fn on_disk(folder: &Path) -> anyhow::Result<f64> {
    let mut blocks = 0;
    visit(folder, &mut |metadata| blocks += metadata.blocks())?;
    Ok(number(usize::try_from(blocks * 512)?))
}

/// Files beneath a directory; none where there is none.
fn files(folder: &Path) -> f64 {
    let mut count = 0_usize;
    let _ = visit(folder, &mut |metadata| count += usize::from(metadata.is_file()));
    number(count)
}

fn visit(folder: &Path, each: &mut impl FnMut(&fs::Metadata)) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        each(&metadata);
        if metadata.is_dir() {
            visit(&entry.path(), each)?;
        }
    }
    Ok(())
}
