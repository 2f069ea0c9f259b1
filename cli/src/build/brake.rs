//! Ending a build from elsewhere, with every process that it has begun.

use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

/// Stops the build that it was given to. Clones are the same brake.
#[derive(Debug, Clone, Default)]
pub(crate) struct Brake(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    is_pulled: bool,
    /// The process group of what runs now.
    running: Option<Pid>,
}

impl Brake {
    /// Ends what runs, and lets nothing begin any more. Never waits for it.
    pub(crate) fn pull(&self) {
        let mut held = self.held();
        held.is_pulled = true;
        if let Some(group) = held.running {
            // One that has ended meanwhile is what was wanted.
            let _ = kill_process_group(group, Signal::TERM);
        }
    }

    /// Starts a process in a group of its own, which `pull` ends.
    pub(super) fn start(&self, command: &mut Command) -> std::io::Result<Child> {
        use std::os::unix::process::CommandExt as _;
        let mut held = self.held();
        if held.is_pulled {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        let child = command.process_group(0).spawn()?;
        held.running = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        Ok(child)
    }

    /// Lets go of the process: what is waited for from here on has a number that may be another's afterwards.
    pub(super) fn release(&self) {
        self.held().running = None;
    }

    /// Whether a process runs that it would end.
    #[cfg(test)]
    pub(super) fn is_holding(&self) -> bool {
        self.held().running.is_some()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
