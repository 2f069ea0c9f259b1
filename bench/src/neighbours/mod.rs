//! `neighbours`: a quiet tenant's echo, alone and beside a tenant that attacks the host in each way there is, on a host as it
//! comes. Rounds alone and rounds beside the attack take turns; the quiet tenant's load, the attack and the host are three
//! processes on one machine.

mod attack;
mod bombs;
mod fsync;
mod kinds;
mod table;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

use crate::load::Measured;
use crate::output;
use crate::subject::{Subject, load};
use crate::subjects::{Listening, Neighbours};

use attack::Attacked;
pub(crate) use attack::Options as AttackOptions;
pub(crate) use attack::main as attack;
use kinds::Kind;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The attacks; without any, all of them.
    #[arg(value_enum)]
    kinds: Vec<Kind>,
    /// Rounds alone and beside each attack, in turns.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of each round.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Print JSON only.
    #[arg(long)]
    json: bool,
}

/// One row: a kind of attack at a number of quiet connections.
#[derive(Debug, Serialize)]
struct Row {
    kind: Kind,
    connections: usize,
    alone: Vec<Measured>,
    beside: Vec<Measured>,
}

/// Durable puts of the quiet tenant under a flood of them, and what the disk gives to one of as many.
#[derive(Debug, Serialize)]
struct Puts {
    alone_us: f64,
    beside_us: f64,
    raw_us: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    processors: usize,
    rows: Vec<Row>,
    puts: Option<Puts>,
    attacks: Vec<(Kind, Attacked)>,
}

/// Longer than it takes an attack to be in full swing.
const SWING: Duration = Duration::from_millis(300);

struct Stage {
    host: Subject<Neighbours>,
    hostile: PathBuf,
}

impl Stage {
    fn set() -> anyhow::Result<Self> {
        let folder = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests").join(name);
        let (echo, hostile) = (insula_cli::build(&folder("echo"), true)?, insula_cli::build(&folder("hostile"), true)?);
        let arguments = ["serve-neighbours".into(), echo.display().to_string(), hostile.display().to_string()];
        Ok(Self { host: Subject::start(&arguments)?, hostile })
    }

    fn echo(&self, connections: usize, seconds: f64) -> anyhow::Result<Measured> {
        let Neighbours { address, quiet, .. } = &self.host.listening;
        let path = "/v1/agents/echo/invoke".into();
        load(&Listening { address: *address, path, key: Some(quiet.clone()) }, connections, seconds, &[])
    }

    fn put(&self, seconds: f64) -> anyhow::Result<Measured> {
        let Neighbours { address, quiet, .. } = &self.host.listening;
        let path = "/v1/storage/bench/key".into();
        load(&Listening { address: *address, path, key: Some(quiet.clone()) }, 1, seconds, &["--put"])
    }

    /// Measures while the attack goes on.
    fn under<T>(&self, kind: Kind, measure: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(T, Attacked)> {
        let Neighbours { address, attacker, .. } = &self.host.listening;
        let attack = Attacking::start(kind, &address.to_string(), attacker, &self.hostile)?;
        std::thread::park_timeout(SWING);
        let measured = measure();
        let attacked = attack.stop()?;
        Ok((measured?, attacked))
    }
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let kinds = if options.kinds.is_empty() { <Kind as clap::ValueEnum>::value_variants() } else { &options.kinds };
    let stage = Stage::set()?;
    stage.echo(8, 1.0)?;
    let (mut rows, mut attacks) = (Vec::new(), Vec::new());
    for kind in kinds {
        let mut total = Attacked::default();
        for connections in [1, 8] {
            output::progress(&format!("{}, {connections} quiet connections", kind.name()));
            let mut row = Row { kind: *kind, connections, alone: Vec::new(), beside: Vec::new() };
            for _ in 0..options.rounds.max(1) {
                row.alone.push(stage.echo(connections, options.seconds)?);
                let (beside, attacked) = stage.under(*kind, || stage.echo(connections, options.seconds))?;
                row.beside.push(beside);
                total.add(&attacked);
            }
            rows.push(row);
        }
        attacks.push((*kind, total));
    }
    let puts = kinds.contains(&Kind::FsyncFlood).then(|| puts(&stage, options)).transpose()?;
    let report =
        Report { processors: std::thread::available_parallelism().map_or(1, usize::from), rows, puts, attacks };
    if options.json {
        output::line(&serde_json::to_string_pretty(&report)?);
    } else {
        table::print(&report);
    }
    Ok(())
}

fn puts(stage: &Stage, options: &Options) -> anyhow::Result<Puts> {
    output::progress("durable puts under a flood of them");
    let alone_us = stage.put(options.seconds)?.p50_us;
    let (beside, _) = stage.under(Kind::FsyncFlood, || stage.put(options.seconds))?;
    let folder = tempfile::tempdir()?;
    // The flood's tenant has one file: its commits come one group at a time.
    let raw_us = fsync::median_us(folder.path(), 1, Duration::from_secs_f64(options.seconds))?;
    Ok(Puts { alone_us, beside_us: beside.p50_us, raw_us })
}

/// An attack that goes on.
struct Attacking {
    process: std::process::Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Attacking {
    fn start(kind: Kind, address: &str, key: &str, component: &Path) -> anyhow::Result<Self> {
        let mut process = std::process::Command::new(std::env::current_exe()?)
            .args(["attack", &kind.name(), address, key])
            .arg(component)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()?;
        let mut output = BufReader::new(process.stdout.take().context("an attack without an output")?);
        // A line when it begins: what it sends may take a while to make.
        output.read_line(&mut String::new())?;
        Ok(Self { process, output })
    }

    fn stop(mut self) -> anyhow::Result<Attacked> {
        drop(self.process.stdin.take());
        let mut text = String::new();
        self.output.read_to_string(&mut text)?;
        self.process.wait()?;
        Ok(serde_json::from_str(text.lines().last().unwrap_or("{}"))?)
    }
}

impl Drop for Attacking {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
