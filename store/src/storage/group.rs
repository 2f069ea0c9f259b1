//! Group commit: concurrent commits of one tenant share a transaction, and the two synchronisations that it costs.
//!
//! A commit waits in its tenant's [`Queue`]. The first one in an empty line brings a leader on its way, who works on the
//! blocking pool with one permit of the disk: it takes what waits as one group, commits it, answers everyone, and looks
//! again. While it works others line up, so that groups grow with the load and a lone commit waits for nobody. A tenant
//! has one leader and so one permit at most, whatever its flood (R3).

use std::sync::Arc;

use insula_host_api::{Committed, Precondition, StorageError, Write};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::Inner;
use super::commit::{self, Commit};
use super::failure::Failure;
use super::queue::{Duty, Queue, Ticket};

/// The most commits of one group. With 256 writes in each a group is still written in well under a second.
const GROUP_COMMITS: usize = 128;
/// The most bytes of one group, beyond its first commit.
const GROUP_BYTES: usize = 8 << 20;
/// Groups that a leader commits before it lets others at the disk, though nobody seems to wait for it.
const GROUPS_IN_A_ROW: usize = 16;

/// A commit in the line, and who waits for its answer.
pub(crate) struct Job {
    commit: Commit,
    bytes: usize,
    answer: oneshot::Sender<Result<Committed, StorageError>>,
}

/// The line of one tenant's commits.
pub(crate) type CommitQueue = Queue<Job>;

/// A place in the line, given up when nobody waits for it any more.
struct InLine<'a> {
    queue: &'a CommitQueue,
    ticket: Ticket,
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        // Where the answer has come, or is about to, there is nothing to withdraw.
        drop(self.queue.withdraw(self.ticket));
    }
}

/// The leader's duty. Dropped before it is done, it sends away everyone who waits: they must not wait for ever.
struct Lead {
    inner: Arc<Inner>,
    done: bool,
}

impl Drop for Lead {
    fn drop(&mut self) {
        if !self.done {
            drop(self.inner.queue.abandon());
        }
    }
}

fn weight(preconditions: &[Precondition], writes: &[Write]) -> usize {
    const EACH: usize = 128;
    let value = |write: &Write| match &write.change {
        insula_host_api::Change::Put { value, .. } => value.len(),
        _ => 0,
    };
    (preconditions.len() + writes.len()) * EACH + writes.iter().map(value).sum::<usize>()
}

impl Inner {
    /// Lines a commit up and waits for its answer. Dropped while it waits in line, it was never there; dropped later, it
    /// is done whole or not at all.
    pub(super) async fn line_up(
        self: Arc<Self>,
        preconditions: Vec<Precondition>,
        writes: Vec<Write>,
    ) -> Result<Committed, StorageError> {
        let (answer, answered) = oneshot::channel();
        let bytes = weight(&preconditions, &writes);
        let (ticket, duty) = self.queue.push(Job { commit: Commit { preconditions, writes }, bytes, answer });
        if duty == Duty::Lead {
            self.bring_a_leader();
        }
        let _place = InLine { queue: &self.queue, ticket };
        answered.await.unwrap_or_else(|_| Err(Failure::Abandoned.into_answer(self.tenant, "commit")))
    }

    /// Sends a leader to the disk: at once where there is a permit, else when one comes free.
    fn bring_a_leader(self: &Arc<Self>) {
        let lead = Lead { inner: Arc::clone(self), done: false };
        match Arc::clone(&self.disk.permits).try_acquire_owned() {
            Ok(permit) => drop(tokio::task::spawn_blocking(move || lead_on(lead, permit))),
            Err(_) => drop(tokio::spawn(wait_and_lead(lead))),
        }
    }
}

async fn wait_and_lead(lead: Lead) {
    if let Ok(permit) = Arc::clone(&lead.inner.disk.permits).acquire_owned().await {
        drop(tokio::task::spawn_blocking(move || lead_on(lead, permit)));
    }
}

/// Commits groups until nothing waits, or until others want the disk. Blocks on it.
fn lead_on(mut lead: Lead, permit: OwnedSemaphorePermit) {
    for _ in 0..GROUPS_IN_A_ROW {
        let group = lead.inner.queue.next_group(GROUP_COMMITS, GROUP_BYTES, |job| job.bytes);
        if group.is_empty() {
            lead.done = true;
            return;
        }
        lead.inner.commit_group(group);
        if lead.inner.disk.permits.available_permits() == 0 {
            break;
        }
    }
    drop(permit);
    tokio::spawn(wait_and_lead(lead));
}

impl Inner {
    /// Commits a group and answers everyone in it. Blocks on the disk.
    fn commit_group(&self, group: Vec<Job>) {
        let (commits, answers): (Vec<Commit>, Vec<_>) = group.into_iter().map(|job| (job.commit, job.answer)).unzip();
        let done = {
            // Compaction and removal keep writers out for as long as they take.
            let _writing = self.writing.lock();
            self.write(|volume| commit::group(volume, &self.quota, self.clock.unix_ms(), &commits))
        };
        match done {
            Ok(done) => {
                for (answer, done) in answers.into_iter().zip(done) {
                    // Nobody waits for an answer whose caller is gone.
                    drop(answer.send(done));
                }
            }
            Err(failure) => {
                // One line in the operator's log for all of them.
                drop(failure.into_answer(self.tenant, "commit"));
                for answer in answers {
                    drop(answer.send(Err(StorageError::Unavailable)));
                }
            }
        }
    }
}
