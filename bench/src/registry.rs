//! `tenants`: how long a host with many tenants in its catalog takes to start, and what it holds when idle. The host is
//! the real binary, `insula serve`.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use insula_runtime::LimitsPatch;

use crate::{host, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Tenants in the catalog.
    #[arg(long, default_value_t = 1_000)]
    tenants: usize,
    /// Starts to measure.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The `insula` binary; without it, the one beside this program.
    #[arg(long)]
    binary: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => std::env::current_exe()?.with_file_name("insula"),
    };
    ensure!(binary.exists(), "{} is not there: build it with `cargo build --release`", binary.display());
    let temporary = tempfile::tempdir()?;
    let data = temporary.path().join("data");
    tokio::runtime::Runtime::new()?.block_on(fill(&data, options.tenants))?;
    let mut starts = Vec::new();
    let mut resident = 0;
    for _ in 0..options.rounds.max(1) {
        let began = Instant::now();
        let mut host = serve(&binary, &data)?;
        starts.push(began.elapsed());
        std::thread::park_timeout(Duration::from_millis(500));
        resident = host::resident_kib(host.id())?;
        host.kill()?;
        host.wait()?;
    }
    starts.sort();
    let median = starts.get(starts.len() / 2).copied().unwrap_or_default();
    output::line(&format!("serve with {} tenants in the catalog", options.tenants));
    output::line(&format!(
        "  start, until it answers    {:>8.0} ms (median of {})",
        median.as_secs_f64() * 1e3,
        starts.len()
    ));
    output::line(&format!("  resident when idle         {:>8} MiB", resident >> 10));
    Ok(())
}

async fn fill(data: &Path, tenants: usize) -> anyhow::Result<()> {
    let (runtime, operator) = host::open_new(data).await?;
    for number in 0..tenants {
        let name = format!("tenant-{number}").parse()?;
        runtime.control().create_tenant(&operator, &name, &LimitsPatch::default()).await?;
        if number % 500 == 499 {
            output::progress(&format!("{} tenants made", number + 1));
        }
    }
    runtime.shutdown().await;
    Ok(())
}

/// Starts a host; it prints one line of JSON when it listens.
fn serve(binary: &Path, data: &Path) -> anyhow::Result<Child> {
    let mut host = Command::new(binary)
        .args(["serve", "--json", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let stdout = host.stdout.take().context("a host without output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    ensure!(line.contains("listen"), "the host did not start: {line}");
    Ok(host)
}
