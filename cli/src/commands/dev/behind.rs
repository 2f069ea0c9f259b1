//! Builds that go on behind the reloads of agents in Rust, one at a time and nicer than everything else: the first quick build,
//! which is not deployed and makes the next ones quick; and the whole build after a quick one, whose bills are production's.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::build::{Brake, Broken, Purpose};
use crate::source::Agent;

use super::folder::Folder;

/// How nice such a build is: neither calls nor the build that somebody waits for should notice it.
const NICENESS: i32 = 10;

/// What a build is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// A quick build, so that cargo has its dependencies.
    Warm,
    /// The whole build of what was deployed quickly.
    Settle,
}

/// The builds. Dropped, it ends what runs.
#[derive(Debug, Default)]
pub(super) struct Behind {
    waiting: VecDeque<(usize, Work)>,
    running: Option<Running>,
    /// Agents whose quick builds are quick.
    warm: BTreeSet<usize>,
}

#[derive(Debug)]
struct Running {
    index: usize,
    work: Work,
    brake: Brake,
    since: Instant,
    built: oneshot::Receiver<Result<Agent, Broken>>,
}

/// A build that is over.
pub(super) struct Done {
    pub(super) index: usize,
    pub(super) work: Work,
    pub(super) built: Result<Agent, Broken>,
    pub(super) took: Duration,
}

impl Behind {
    /// Puts a build into the queue, once.
    pub(super) fn want(&mut self, index: usize, work: Work) {
        let runs = self.running.as_ref().is_some_and(|running| (running.index, running.work) == (index, work));
        if !runs && !self.waiting.contains(&(index, work)) {
            self.waiting.push_back((index, work));
        }
    }

    /// Whether quick builds of this agent are quick.
    pub(super) fn is_warm(&self, index: usize) -> bool {
        self.warm.contains(&index)
    }

    /// Whether the whole build of what was deployed is still to come.
    pub(super) fn is_settling(&self, index: usize) -> bool {
        let runs = self.running.as_ref().is_some_and(|running| (running.index, running.work) == (index, Work::Settle));
        runs || self.waiting.contains(&(index, Work::Settle))
    }

    /// Ends the whole build of this agent, or takes it out of the queue: there is something newer.
    pub(super) fn give_up_settling(&mut self, index: usize) {
        self.waiting.retain(|waiting| *waiting != (index, Work::Settle));
        if let Some(running) = self.running.take_if(|running| (running.index, running.work) == (index, Work::Settle)) {
            running.brake.pull();
        }
    }

    /// Waits for the next build that is over; for ever where there is none. May be dropped and called again.
    pub(super) async fn next(&mut self, folders: &[Folder]) -> Done {
        if self.running.is_none() {
            self.running = self.waiting.pop_front().and_then(|(index, work)| start(index, work, folders.get(index)?));
        }
        let Some(running) = &mut self.running else { return std::future::pending().await };
        let built = (&mut running.built).await;
        let built = built.unwrap_or_else(|_| Err(Broken::from(anyhow::anyhow!("the build was cut short"))));
        let done = Done { index: running.index, work: running.work, built, took: running.since.elapsed() };
        self.running = None;
        if done.work == Work::Warm && done.built.is_ok() {
            self.warm.insert(done.index);
        }
        done
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.brake.pull();
        }
    }
}

/// Builds on a thread of its own: niceness is a thread's, its child processes have it too, and it cannot be taken back.
fn start(index: usize, work: Work, folder: &Folder) -> Option<Running> {
    let (done, built) = oneshot::channel();
    let brake = Brake::default();
    let (path, manifest, ours) = (folder.path.clone(), folder.manifest.clone(), brake.clone());
    let purpose = match work {
        Work::Warm => Purpose::Reload,
        Work::Settle => Purpose::Deploy,
    };
    let build = move || {
        // Where it is refused, the build is only less polite.
        let _ = rustix::process::setpriority_process(None, NICENESS);
        // Nobody waits any more for a build that was given up.
        let _ = done.send(Agent::build(&path, manifest, purpose, Some(&ours)));
    };
    std::thread::Builder::new().name("build behind".to_owned()).spawn(build).ok()?;
    Some(Running { index, work, brake, since: Instant::now(), built })
}
