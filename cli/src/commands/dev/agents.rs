//! Building and deploying: once at the start, and again whenever something that an agent is built from is saved.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use insula_runtime::Runtime;
use serde_json::json;
use tokio::sync::Notify;

use crate::build::{Broken, Purpose, Quick};
use crate::manifest::Manifest;
use crate::source::Agent;
use crate::terminal::Terminal;

use super::behind::{Behind, Done, Work};
use super::calls::Versions;
use super::deployment::Origin;
use super::folder::Folder;
use super::sources::Sources;
use super::tenants::Tenant;
use super::watch::Watch;

/// How often it is looked whether every folder is there.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Which builds of an agent in Rust follow a save.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Reload {
    /// A quick one first, then the whole one behind it, so that bills are soon production's
    QuickThenWhole,
    /// The quick one alone: it takes more fuel than production's
    Quick,
    /// The whole one alone
    Whole,
}

/// Why an agent is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// Its sources were saved: somebody waits to try them.
    Saved,
    /// Anything else.
    Wanted,
}

/// The agents of a dev runner and whom they are deployed to.
pub(super) struct Agents<'host> {
    pub(super) runtime: &'host Runtime,
    pub(super) tenants: &'host [Tenant],
    pub(super) folders: Vec<Folder>,
    pub(super) versions: Versions,
    pub(super) reload: Reload,
    pub(super) terminal: &'host Terminal,
}

impl Agents<'_> {
    /// Deploys every agent now, each again when it changes, and all when somebody wants that. Ends only when watching fails.
    pub(super) async fn keep_deployed(mut self, mut watch: Watch, rebuild: &Notify) -> anyhow::Result<()> {
        let all: BTreeSet<usize> = (0..self.folders.len()).collect();
        let mut behind = Behind::default();
        let (mut changed, mut reason) = (all.clone(), Reason::Wanted);
        loop {
            // Before they are looked at: one that goes or comes meanwhile has moved since.
            let gone = self.gone();
            let mut watched_changed = false;
            for index in changed {
                watched_changed |= self.refresh(index, reason, &mut behind).await;
            }
            if watched_changed {
                watch = Watch::start(&self.folders)?;
            }
            (changed, reason) = tokio::select! {
                changed = watch.next() => (changed, Reason::Saved),
                () = rebuild.notified() => (all.clone(), Reason::Wanted),
                // What watches a folder follows it where it goes, and sees nothing of one that takes its place.
                moved = self.moved(&gone) => {
                    watch = Watch::start(&self.folders)?;
                    (moved, Reason::Wanted)
                }
                done = behind.next(&self.folders) => {
                    self.settle(done).await;
                    (BTreeSet::new(), Reason::Wanted)
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
    async fn refresh(&mut self, index: usize, reason: Reason, behind: &mut Behind) -> bool {
        let Some(before) = self.folders.get(index).cloned() else { return false };
        let manifest = match Manifest::load(&before.path) {
            Ok(manifest) => manifest,
            Err(error) => {
                behind.give_up_settling(index);
                self.failed("build-failed", &before, &Broken::from(error));
                return false;
            }
        };
        let watched_changed = manifest.watch != before.manifest.watch;
        let mut folder = Folder { manifest, ..before };
        let sources = read_sources(&folder).await;
        let same =
            |purpose| sources.is_some() && folder.built.as_ref() == sources.clone().map(|now| (purpose, now)).as_ref();
        if reason == Reason::Saved && behind.is_settling(index) && same(Purpose::Reload) {
            // One save may be seen as two: what it needs is on its way.
            return false;
        }
        behind.give_up_settling(index);
        let has_quick = Quick::of(&folder.manifest).is_some();
        let is_quick = has_quick
            && match self.reload {
                Reload::Quick => true,
                Reload::Whole => false,
                // Until the first quick build is there it would be the slower one, and what is built already is not built again.
                Reload::QuickThenWhole => {
                    reason == Reason::Saved && behind.is_warm(index) && sources.is_some() && !same(Purpose::Deploy)
                }
            };
        let purpose = if is_quick { Purpose::Reload } else { Purpose::Deploy };
        let started = Instant::now();
        match self.build(&folder, purpose).await {
            Ok(agent) => {
                let from = Origin { purpose, sources, built_us: micros(started) };
                let is_there = self.deploy(&mut folder, &agent, from).await;
                if is_there && has_quick && self.reload == Reload::QuickThenWhole {
                    match purpose {
                        Purpose::Reload => behind.want(index, Work::Settle),
                        Purpose::Deploy if !behind.is_warm(index) => behind.want(index, Work::Warm),
                        Purpose::Deploy => {}
                    }
                }
            }
            Err(broken) => self.failed("build-failed", &folder, &broken),
        }
        if let Some(place) = self.folders.get_mut(index) {
            *place = folder;
        }
        watched_changed
    }

    async fn build(&self, folder: &Folder, purpose: Purpose) -> Result<Agent, Broken> {
        let progress = self.terminal.progress(&format!("building {}", folder.manifest.name));
        let (path, manifest) = (folder.path.clone(), folder.manifest.clone());
        let built = tokio::task::spawn_blocking(move || Agent::build(&path, manifest, purpose, None)).await;
        drop(progress);
        built.unwrap_or_else(|error| Err(Broken::from(anyhow::Error::from(error).context("the build was cut short"))))
    }

    /// Takes what was built behind a reload: the whole build of what was deployed quickly takes its place.
    async fn settle(&mut self, done: Done) {
        let Done { index, work, built, took } = done;
        let Some(mut folder) = self.folders.get(index).cloned() else { return };
        if work == Work::Warm {
            // One that fails is none: saves are built whole.
            if built.is_ok() && self.terminal.is_json() {
                self.terminal.event(&json!({"event": "quick-ready", "agent": folder.manifest.name}));
            }
            return;
        }
        match built {
            Ok(agent) => {
                // Had they changed since, it would have been given up.
                let sources = folder.built.take().map(|(_, sources)| sources);
                let from = Origin { purpose: Purpose::Deploy, sources, built_us: micros_of(took) };
                self.deploy(&mut folder, &agent, from).await;
            }
            Err(broken) => self.failed("build-failed", &folder, &broken),
        }
        if let Some(place) = self.folders.get_mut(index) {
            *place = folder;
        }
    }
}

/// Reads what the agent is built from, where nobody else waits.
async fn read_sources(folder: &Folder) -> Option<Sources> {
    let (path, manifest) = (folder.path.clone(), folder.manifest.clone());
    tokio::task::spawn_blocking(move || Sources::read(&path, &manifest)).await.ok().flatten()
}

pub(super) fn micros(since: Instant) -> u64 {
    micros_of(since.elapsed())
}

fn micros_of(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
