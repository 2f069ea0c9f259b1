//! A host in the benchmark's own process, and what it takes of memory.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use insula_runtime::tenancy::{Credential, NewKey, OperatorScope};
use insula_runtime::{EngineSettings, HostSettings, Runtime, Settings, WorkerCommand};

/// Opens a host with a small engine; and its operator's scope, on the first start of its data directory.
pub(crate) async fn open(data: &Path) -> anyhow::Result<(Runtime, Option<OperatorScope>)> {
    let settings = Settings {
        data: data.to_path_buf(),
        worker: WorkerCommand { program: std::env::current_exe()?, arguments: vec!["compile-worker".into()] },
        engine: EngineSettings { instances: 8, ..EngineSettings::standard() },
        host: HostSettings::standard(),
    };
    let opened = Runtime::open(settings).await?;
    let operator = match opened.operator_key.map(NewKey::reveal) {
        Some(secret) => Some(opened.runtime.login_operator(&secret.parse::<Credential>()?).await?),
        None => None,
    };
    Ok((opened.runtime, operator))
}

/// The same, of a directory that must be new.
pub(crate) async fn open_new(data: &Path) -> anyhow::Result<(Runtime, OperatorScope)> {
    let (runtime, operator) = open(data).await?;
    Ok((runtime, operator.context("the data directory is not new")?))
}

/// The resident memory of a process, in KiB.
pub(crate) fn resident_kib(process: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    line.split_whitespace().nth(1).context("no figure")?.parse().context("not a figure")
}

/// The processor time of a process so far: its threads' own figures, which are in nanoseconds.
pub(crate) fn processor_time(process: u32) -> anyhow::Result<Duration> {
    let mut total = Duration::ZERO;
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        let ran = text.split_whitespace().next().context("no figure in schedstat")?;
        total += Duration::from_nanos(ran.parse()?);
    }
    Ok(total)
}
