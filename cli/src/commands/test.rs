//! `insula test`: an agent's cases, on the production host, each in two tenants of their own.
//!
//! Isolation is part of every case: the second tenant's run must change nothing of the first one's, and two tenants that
//! began alike must end alike.

mod case;
mod clock;
mod expect;
mod report;
mod snapshot;
mod stage;
mod subset;
#[cfg(test)]
mod tests;
mod value;
mod verdict;

use std::path::PathBuf;
use std::sync::mpsc::{self, Sender};
use std::time::Instant;

use insula_runtime::AgentName;

use crate::failure::{Explain, Failure};
use crate::host;
use crate::logging::{self, Format, Level};
use crate::manifest::Manifest;
use crate::source::Agent;
use crate::terminal::Terminal;

use case::{Case, Sameness};
use report::Report;
use snapshot::Snapshots;
use stage::Stage;
use verdict::Verdict;

/// Components over this size take many seconds to compile: one pair of tenants has to do.
const LARGE: usize = 4 << 20;
/// The most pairs of tenants at the same time.
const PAIRS: usize = 8;

/// Arguments of `test`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A case is a file, cases/NAME.toml. docs/cases.md has every field:

  about = \"The third visit makes a regular\"

  clock = 2026-11-24T12:00:00Z       # what the agent's clock shows

  [storage.visitors]                 # what is there before
  Ada = { json = { visits = 2 } }    # also \"text\", { number = 7 }, { file = .. }

  [[call]]                           # one or more, in order
  json = { name = \"Ada\" }          # or input = \"..\", or input-file = \"..\"
  expect.json = { visits = 3 }       # what the answer has at least
  expect.bill = { fuel = 500_000, peak-memory = \"2 MiB\" }

  [storage-after.visitors]           # all that is there afterwards
  Ada = { json = { visits = 3 } }

Of an answer `expect` also takes status, code, body, body-file, contains,
matches, metadata, content-type and snapshot = true.

Every case runs twice, in two tenants of one throw-away host: the second run
must change nothing of the first tenant's, and both must end alike.

Exit codes: 0 all passed, 1 a case failed, 2 the cases are put together
wrongly, or there are none.")]
pub(crate) struct Args {
    /// The agent's folder
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Only cases with this in their name
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Keep the answers of calls that have `expect.snapshot`
    #[arg(long)]
    update: bool,
}

pub(crate) fn run(args: &Args, terminal: &Terminal) -> anyhow::Result<()> {
    logging::start(Format::Text, Level::Error);
    // First what fails fast: a build takes longer.
    let manifest = Manifest::load(&args.folder)?;
    let cases = case::load_all(&args.folder, args.filter.as_deref(), Sameness::of(manifest.language))
        .map_err(|wrong| told(wrong, terminal))?;
    let agent = Agent::load(&args.folder, terminal)?;
    let started = Instant::now();
    let data = tempfile::tempdir().explain("cannot make a temporary directory", "make room, or set TMPDIR")?;
    let control = host::control_threads()?;
    control.spawn(stage::clear_when_told(data.path().to_owned()));
    let report = Report::new(&cases, terminal);
    let progress = terminal.progress(&format!("compiling {}", manifest.name));
    let snapshots = Snapshots::of(&args.folder, args.update);
    let verdicts = play(&cases, &agent, manifest.name, &data.path().join("data"), &control, &snapshots, &report);
    drop(progress);
    report.finish(&verdicts?, started.elapsed(), terminal)
}

/// Plays all cases, as many at a time as there are pairs of tenants.
fn play(
    cases: &[Case],
    agent: &Agent,
    name: AgentName,
    data: &std::path::Path,
    control: &tokio::runtime::Runtime,
    snapshots: &Snapshots,
    report: &Report<'_>,
) -> anyhow::Result<Vec<Verdict>> {
    let stage = control.block_on(Stage::set(data, agent, name))?;
    let most = if agent.component.len() > LARGE { 1 } else { host::processors().get().min(PAIRS) };
    let pairs = cases.len().clamp(1, most);
    let (sender, verdicts) = mpsc::channel();
    let played = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..pairs)
            .map(|worker| {
                let (stage, sender, handle) = (&stage, sender.clone(), control.handle());
                scope.spawn(move || work(worker, pairs, cases, stage, handle, snapshots, &sender))
            })
            .collect();
        drop(sender);
        let verdicts = report.follow(verdicts);
        for worker in workers {
            worker.join().map_err(|_| stage::panicked())??;
        }
        anyhow::Ok(verdicts)
    });
    control.block_on(stage.clear());
    played
}

/// Plays every so-and-so-many-th case in one pair of tenants, so that each of them has the same past every time.
fn work(
    worker: usize,
    of: usize,
    cases: &[Case],
    stage: &Stage<'_>,
    on: &tokio::runtime::Handle,
    snapshots: &Snapshots,
    verdicts: &Sender<(usize, Verdict)>,
) -> anyhow::Result<()> {
    let mut pair = on.block_on(stage.pair(worker))?;
    for (index, case) in cases.iter().enumerate().skip(worker).step_by(of) {
        on.block_on(stage.prepare(&mut pair, case, of + index))?;
        let first = stage.play(&pair.first, case, on)?;
        let second = stage.play(&pair.second, case, on)?;
        let again = on.block_on(pair.first.contents())?;
        let verdict = verdict::judge(case, &first, &second, &again, snapshots)?;
        if verdicts.send((index, verdict)).is_err() {
            break;
        }
    }
    Ok(())
}

/// Tells all that is wrong with the cases, and leaves the last of it.
fn told(mut wrong: Vec<anyhow::Error>, terminal: &Terminal) -> anyhow::Error {
    let last = wrong.pop();
    for error in wrong {
        terminal.fail(&error);
    }
    let last = last.map_or_else(|| Failure::new("the cases cannot be read"), |error| Failure::read(&error));
    last.into_usage().into()
}
