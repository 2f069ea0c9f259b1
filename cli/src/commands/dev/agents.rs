//! Building and deploying: once at the start, and again whenever something that an agent is built from is saved.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use insula_runtime::{Runtime, VersionRecord};
use serde_json::json;
use tokio::sync::Notify;

use crate::build::{Broken, Purpose};
use crate::failure::{Explain, Failure};
use crate::host;
use crate::manifest::{Language, Manifest};
use crate::source::Agent;
use crate::terminal::{self, Terminal, bold, dim, mark};

use super::calls::{Known, Versions};
use super::tenants::Tenant;
use super::watch::Watch;

/// How often it is looked whether every folder is there.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// An agent's folder.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    /// Absolute, without links.
    pub(super) path: PathBuf,
    /// As it was when it could last be read.
    pub(super) manifest: Manifest,
    /// What was last deployed of it to every tenant.
    deployed: Option<Deployed>,
}

/// What decides whether a build is worth a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Deployed {
    digest: String,
    config: BTreeMap<String, String>,
}

impl Folder {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let path = path.canonicalize().explain(
            format_args!("cannot find the agent's folder {}", path.display()),
            "give the folder that holds the agent's insula.toml",
        )?;
        Ok(Self { manifest: Manifest::load(&path)?, path, deployed: None })
    }
}

/// Two folders of one name would take turns in replacing each other.
pub(super) fn check_names(folders: &[Folder]) -> anyhow::Result<()> {
    let mut seen: BTreeMap<String, &Path> = BTreeMap::new();
    for folder in folders {
        let name = folder.manifest.name.to_string();
        if let Some(other) = seen.insert(name.clone(), &folder.path) {
            return Err(Failure::usage(format_args!("two folders hold an agent called `{name}`"))
                .because(format_args!("{} and {}", other.display(), folder.path.display()))
                .advise("give each agent a name of its own in its insula.toml")
                .into());
        }
    }
    Ok(())
}

/// The agents of a dev runner and whom they are deployed to.
pub(super) struct Agents<'host> {
    pub(super) runtime: &'host Runtime,
    pub(super) tenants: &'host [Tenant],
    pub(super) folders: Vec<Folder>,
    pub(super) versions: Versions,
    pub(super) purpose: Purpose,
    pub(super) terminal: &'host Terminal,
}

impl Agents<'_> {
    /// Deploys every agent now, each again when it changes, and all when somebody wants that. Ends only when watching fails.
    pub(super) async fn keep_deployed(mut self, mut watch: Watch, rebuild: &Notify) -> anyhow::Result<()> {
        let all: BTreeSet<usize> = (0..self.folders.len()).collect();
        let mut changed = all.clone();
        loop {
            // Before they are looked at: one that goes or comes meanwhile has moved since.
            let gone = self.gone();
            let mut watched_changed = false;
            for index in changed {
                watched_changed |= self.refresh(index).await;
            }
            if watched_changed {
                watch = Watch::start(&self.folders)?;
            }
            changed = tokio::select! {
                changed = watch.next() => changed,
                () = rebuild.notified() => all.clone(),
                // What watches a folder follows it where it goes, and sees nothing of one that takes its place.
                moved = self.moved(&gone) => {
                    watch = Watch::start(&self.folders)?;
                    moved
                }
            };
        }
    }

    /// Agents whose folders are not there.
    fn gone(&self) -> BTreeSet<usize> {
        let folders = self.folders.iter().enumerate();
        folders.filter(|(_, folder)| !folder.path.is_dir()).map(|(index, _)| index).collect()
    }

    /// Waits until a folder is gone that was there, or one of those that were gone is there again.
    async fn moved(&self, gone: &BTreeSet<usize>) -> BTreeSet<usize> {
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            let moved: BTreeSet<_> = gone.symmetric_difference(&self.gone()).copied().collect();
            if !moved.is_empty() {
                return moved;
            }
        }
    }

    /// Builds and deploys one agent; what fails is shown, and the version before stays. Says whether the manifest now
    /// names other paths to watch.
    async fn refresh(&mut self, index: usize) -> bool {
        let Some(folder) = self.folders.get(index).cloned() else { return false };
        let started = Instant::now();
        let manifest = match Manifest::load(&folder.path) {
            Ok(manifest) => manifest,
            Err(error) => {
                self.failed("build-failed", &folder, &Broken::from(error));
                return false;
            }
        };
        let watched_changed = manifest.watch != folder.manifest.watch;
        let folder = Folder { manifest, ..folder };
        let built = self.build(&folder).await;
        let deployed = match built {
            Ok(agent) => self.deploy(&folder, &agent, started).await,
            Err(broken) => {
                self.failed("build-failed", &folder, &broken);
                folder.deployed.clone()
            }
        };
        if let Some(place) = self.folders.get_mut(index) {
            *place = Folder { deployed, ..folder };
        }
        watched_changed
    }

    async fn build(&self, folder: &Folder) -> Result<Agent, Broken> {
        let progress = self.terminal.progress(&format!("building {}", folder.manifest.name));
        let (path, manifest, purpose) = (folder.path.clone(), folder.manifest.clone(), self.purpose);
        let built = tokio::task::spawn_blocking(move || Agent::build(&path, manifest, purpose)).await;
        drop(progress);
        built.unwrap_or_else(|error| Err(Broken::from(anyhow::Error::from(error).context("the build was cut short"))))
    }

    /// Deploys a build to every tenant, unless it is what they have. Answers with what they have now.
    async fn deploy(&self, folder: &Folder, agent: &Agent, started: Instant) -> Option<Deployed> {
        let built_us = micros(started);
        let report = match agent.report() {
            Ok(report) => report,
            Err(error) => {
                self.failed("deploy-failed", folder, &Broken::from(error));
                return folder.deployed.clone();
            }
        };
        let wanted = Deployed { digest: report.digest, config: folder.manifest.config.clone() };
        if folder.deployed.as_ref() == Some(&wanted) {
            self.terminal.note(format_args!("  {} {}", folder.manifest.name, dim("built; nothing has changed in it")));
            return Some(wanted);
        }
        let started = Instant::now();
        let mut numbers = Vec::new();
        // What an interpreter runs has its own words for where it failed, and its component is large.
        let is_native = folder.manifest.language == Language::Rust;
        let component: Option<Arc<[u8]>> = is_native.then(|| agent.component.as_slice().into());
        for tenant in self.tenants {
            let name = &folder.manifest.name;
            if let Some(present) = self.present(tenant, folder, &wanted).await {
                numbers.push(self.deployed(tenant, folder, component.as_ref(), &present));
                continue;
            }
            let progress = self.terminal.progress(&format!("deploying {name} to {}", tenant.name));
            let deployed = host::deploy(self.runtime, &tenant.scope, name, agent, &BTreeMap::new()).await;
            drop(progress);
            match deployed {
                Ok(deployed) => numbers.push(self.deployed(tenant, folder, component.as_ref(), &deployed.version)),
                Err(error) => {
                    self.failed("deploy-failed", folder, &Broken::from(error));
                    return None;
                }
            }
        }
        let size = u64::try_from(agent.component.len()).unwrap_or(u64::MAX);
        numbers.dedup();
        let numbers: Vec<_> = numbers.iter().map(|number| terminal::count(*number)).collect();
        self.terminal.note(format_args!(
            "{} {} version {}  {}",
            mark(true),
            bold(&folder.manifest.name),
            numbers.join(", "),
            dim(format_args!(
                "{}, built in {}, deployed in {}",
                terminal::bytes(size),
                terminal::duration_us(built_us),
                terminal::duration_us(micros(started))
            ))
        ));
        Some(wanted)
    }

    /// The version that answers already, where it is this very component: a data directory that was kept has it from
    /// the run before.
    async fn present(&self, tenant: &Tenant, folder: &Folder, wanted: &Deployed) -> Option<VersionRecord> {
        let is_first = folder.deployed.is_none() && wanted.config.is_empty();
        let agent = if is_first { self.runtime.agent(&tenant.scope, &folder.manifest.name).await.ok() } else { None };
        agent?.active.filter(|version| version.digest.to_string() == wanted.digest)
    }

    /// Tells scripts of one deployment, and answers with the version's number.
    fn deployed(
        &self,
        tenant: &Tenant,
        folder: &Folder,
        component: Option<&Arc<[u8]>>,
        version: &VersionRecord,
    ) -> u64 {
        let known = Known { number: version.number, component: component.cloned(), folder: folder.path.clone() };
        self.versions.add(version.id, known);
        if self.terminal.is_json() {
            self.terminal.event(&json!({
                "event": "deployed",
                "tenant": tenant.id,
                "agent": folder.manifest.name,
                "version": version.id,
                "number": version.number,
                "digest": version.digest,
            }));
        }
        version.number
    }

    fn failed(&self, event: &str, folder: &Folder, broken: &Broken) {
        self.terminal.pass_on(&broken.output);
        self.terminal.fail(&broken.error);
        let stays = if folder.deployed.is_some() { "the version before stays" } else { "waiting for a change" };
        self.terminal.note(format_args!("{} {} {}", mark(false), bold(&folder.manifest.name), dim(stays)));
        if self.terminal.is_json() {
            let failure = Failure::read(&broken.error);
            self.terminal.event(&json!({
                "event": event,
                "agent": folder.manifest.name,
                "error": failure.what(),
                "because": failure.reasons(),
                "output": anstream::adapter::strip_str(&String::from_utf8_lossy(&broken.output)).to_string(),
            }));
        }
    }
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
