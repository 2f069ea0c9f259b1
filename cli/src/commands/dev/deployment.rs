//! Deploying a build to every tenant, and showing what came of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use insula_runtime::VersionRecord;
use serde_json::json;

use crate::build::{Broken, Purpose, Quick};
use crate::failure::Failure;
use crate::host;
use crate::manifest::Language;
use crate::source::Agent;
use crate::terminal::{self, bold, dim, mark};

use super::agents::{Agents, micros};
use super::calls::Known;
use super::folder::{Deployed, Folder};
use super::sources::Sources;
use super::tenants::Tenant;

/// What a component was built from, how, and how long that took.
pub(super) struct Origin {
    pub(super) purpose: Purpose,
    /// Unknown where one could not be read.
    pub(super) sources: Option<Sources>,
    pub(super) built_us: u64,
}

impl Agents<'_> {
    /// Deploys a build to every tenant, unless it is what they have. What failed is shown, and what they all have is kept.
    pub(super) async fn deploy(&self, folder: &mut Folder, agent: &Agent, from: Origin) -> bool {
        let deployed = self.try_deploy(folder, agent, &from).await;
        let is_there = deployed.is_ok();
        folder.deployed = deployed.map_or_else(|kept| kept, Some);
        if is_there || folder.deployed.is_none() {
            folder.built = is_there.then_some(from.sources).flatten().map(|sources| (from.purpose, sources));
        }
        is_there
    }

    /// Answers with what every tenant has now, or, after showing what failed, with what they all had before and still have.
    async fn try_deploy(&self, folder: &Folder, agent: &Agent, from: &Origin) -> Result<Deployed, Option<Deployed>> {
        let report = match agent.report() {
            Ok(report) => report,
            Err(error) => {
                self.failed("deploy-failed", folder, &Broken::from(error));
                return Err(folder.deployed.clone());
            }
        };
        let wanted = Deployed { digest: report.digest, config: folder.manifest.config.clone() };
        if folder.deployed.as_ref() == Some(&wanted) {
            self.terminal.note(format_args!("  {} {}", folder.manifest.name, dim("built; nothing has changed in it")));
            return Ok(wanted);
        }
        let started = Instant::now();
        let is_quick = from.purpose == Purpose::Reload && Quick::of(&folder.manifest).is_some();
        let mut numbers = Vec::new();
        // What an interpreter runs has its own words for where it failed, and its component is large.
        let is_native = folder.manifest.language == Language::Rust;
        let component: Option<Arc<[u8]>> = is_native.then(|| agent.component.as_slice().into());
        for tenant in self.tenants {
            let name = &folder.manifest.name;
            if let Some(present) = self.present(tenant, folder, &wanted).await {
                numbers.push(self.deployed(tenant, folder, component.as_ref(), &present, is_quick));
                continue;
            }
            let progress = self.terminal.progress(&format!("deploying {name} to {}", tenant.name));
            let deployed = host::deploy(self.runtime, &tenant.scope, name, agent, &BTreeMap::new()).await;
            drop(progress);
            match deployed {
                Ok(deployed) => {
                    numbers.push(self.deployed(tenant, folder, component.as_ref(), &deployed.version, is_quick));
                }
                Err(error) => {
                    self.failed("deploy-failed", folder, &Broken::from(error));
                    return Err(None);
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
                "{}, {} in {}, deployed in {}",
                terminal::bytes(size),
                if is_quick { "built quickly" } else { "built" },
                terminal::duration_us(from.built_us),
                terminal::duration_us(micros(started))
            ))
        ));
        Ok(wanted)
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
        is_quick: bool,
    ) -> u64 {
        let (number, folder_path) = (version.number, folder.path.clone());
        let known = Known { number, component: component.cloned(), folder: folder_path, is_quick };
        self.versions.add(version.id, known);
        if self.terminal.is_json() {
            self.terminal.event(&json!({
                "event": "deployed",
                "tenant": tenant.id,
                "agent": folder.manifest.name,
                "version": version.id,
                "number": version.number,
                "digest": version.digest,
                "quick": is_quick,
            }));
        }
        version.number
    }

    pub(super) fn failed(&self, event: &str, folder: &Folder, broken: &Broken) {
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
