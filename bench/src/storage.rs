//! `storage`: durable writes and reads of one tenant beside redb itself, in the same process and durability mode, rounds
//! interleaved; the same reads from within a guest; a host that was killed, opened again; and tenants that are open and
//! idle.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use insula_runtime::storage::{Change, Place, Storage, Write};
use insula_runtime::tenancy::{Credential, Deploy, Invoke, Manage, OperatorScope, TenantScope};
use insula_runtime::{Call, LimitsPatch, Runtime};
use redb::{Durability, ReadableDatabase as _, TableDefinition};

use crate::{host, output};

const TABLE: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("entries");
const VALUE: [u8; 100] = [7; 100];

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Rounds; each has every subject once.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Durable writes of one writer in a round.
    #[arg(long, default_value_t = 200)]
    writes: usize,
    /// Writers at once, for group commit.
    #[arg(long, default_value_t = 32)]
    writers: usize,
    /// Reads in a round.
    #[arg(long, default_value_t = 100_000)]
    reads: usize,
    /// Tenants that are opened and left idle.
    #[arg(long, default_value_t = 300)]
    tenants: usize,
}

/// What one round measured, in microseconds for one operation.
struct Subject {
    name: &'static str,
    rounds: Vec<f64>,
}

impl Subject {
    fn median(&self) -> f64 {
        let mut rounds = self.rounds.clone();
        rounds.sort_by(f64::total_cmp);
        rounds.get(rounds.len() / 2).copied().unwrap_or_default()
    }
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let component = insula_cli::build(&Path::new(env!("CARGO_MANIFEST_DIR")).join("agent"), true)?;
    let temporary = tempfile::tempdir()?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(side_by_side(options, temporary.path(), &component))?;
    runtime.block_on(idle_tenants(options, &temporary.path().join("idle")))?;
    runtime.block_on(reopened(&temporary.path().join("killed")))
}

/// A tenant that may call as often as it likes.
async fn tenant(runtime: &Runtime, operator: &OperatorScope, name: &str) -> anyhow::Result<(TenantScope, String)> {
    let limits: LimitsPatch = serde_json::from_value(serde_json::json!({
        "host-calls": 10_000_000, "host-bytes": 16_u64 << 30, "fuel": 1_000_000_000_000_u64,
        "cpu-us": 300_000_000, "wall-us": 600_000_000, "rate": 1_000_000, "burst": 1_000_000,
    }))?;
    let (_, key) = runtime.control().create_tenant(operator, &name.parse()?, &limits).await?;
    let key = key.reveal();
    Ok((runtime.login(&key.parse::<Credential>()?).await?, key))
}

fn micros(took: Duration, count: usize) -> f64 {
    took.as_secs_f64() * 1e6 / f64::from(u32::try_from(count.max(1)).unwrap_or(u32::MAX))
}

fn put(number: usize) -> anyhow::Result<Vec<Write>> {
    Ok(vec![Write { at: Place::parse("bench", &format!("{number:06}"))?, change: Change::put(VALUE) }])
}

/// Redb itself: two synchronisations a commit, as in our own files.
struct Yardstick(redb::Database);

impl Yardstick {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let yardstick = Self(redb::Builder::new().set_cache_size(256 << 10).create(path)?);
        yardstick.put(b"key")?;
        Ok(yardstick)
    }

    fn put(&self, key: &[u8]) -> anyhow::Result<()> {
        let mut transaction = self.0.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.set_quick_repair(true);
        transaction.open_table(TABLE)?.insert(key, VALUE.as_slice())?;
        Ok(transaction.commit()?)
    }

    fn get(&self, key: &[u8]) -> anyhow::Result<usize> {
        let table = self.0.begin_read()?.open_table(TABLE)?;
        Ok(table.get(key)?.map_or(0, |value| value.value().to_vec().len()))
    }
}

async fn side_by_side(options: &Options, folder: &Path, component: &Path) -> anyhow::Result<()> {
    let (runtime, operator) = host::open_new(&folder.join("data")).await?;
    let (scope, _) = tenant(&runtime, &operator, "bench").await?;
    let storage = runtime.storage(&scope.permit::<Manage>()?).await?;
    let key = Place::parse("bench", "key")?;
    storage.commit(Vec::new(), vec![Write { at: key.clone(), change: Change::put(VALUE) }]).wait().await?;
    let mut upload = runtime.begin_upload(&scope.permit::<Deploy>()?).await?;
    upload.write(&tokio::fs::read(component).await?)?;
    runtime.deploy(&scope.permit::<Deploy>()?, &"bench".parse()?, upload, true).await?;
    let yardstick = Yardstick::open(&folder.join("yardstick.redb"))?;
    let names = ["redb put", "put", "put, many writers", "redb get", "get", "get in a guest", "cache get in a guest"];
    let mut subjects = names.map(|name| Subject { name, rounds: Vec::new() });
    for round in 0..=options.rounds {
        let measured = [
            timed(options.writes, |number| yardstick.put(format!("bench\0{number:06}").as_bytes()))?,
            one_writer(&storage, options).await?,
            many_writers(&storage, options).await?,
            timed(options.reads, |_| yardstick.get(b"key").map(drop))?,
            reads(&storage, &key, options).await?,
            in_guest(&runtime, &scope, "storage", options).await?,
            in_guest(&runtime, &scope, "cache", options).await?,
        ];
        // The first round warms.
        if round > 0 {
            subjects.iter_mut().zip(measured).for_each(|(subject, took)| subject.rounds.push(took));
        }
        output::progress(&format!("round {round} of {}", options.rounds));
    }
    report(options, &subjects);
    runtime.shutdown().await;
    Ok(())
}

fn timed(count: usize, act: impl Fn(usize) -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let began = Instant::now();
    (0..count).try_for_each(act)?;
    Ok(micros(began.elapsed(), count))
}

async fn one_writer(storage: &Arc<dyn Storage>, options: &Options) -> anyhow::Result<f64> {
    let began = Instant::now();
    for number in 0..options.writes {
        storage.commit(Vec::new(), put(number)?).wait().await?;
    }
    Ok(micros(began.elapsed(), options.writes))
}

async fn many_writers(storage: &Arc<dyn Storage>, options: &Options) -> anyhow::Result<f64> {
    let began = Instant::now();
    let writers: Vec<_> = (0..options.writers)
        .map(|writer| {
            let (storage, writes) = (Arc::clone(storage), options.writes);
            tokio::spawn(async move {
                for number in 0..writes {
                    storage.commit(Vec::new(), put(writer * writes + number)?).wait().await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for writer in writers {
        writer.await??;
    }
    Ok(micros(began.elapsed(), options.writers * options.writes))
}

async fn reads(storage: &Arc<dyn Storage>, key: &Place, options: &Options) -> anyhow::Result<f64> {
    let began = Instant::now();
    for _ in 0..options.reads {
        storage.get(key).wait().await?.context("the value is gone")?;
    }
    Ok(micros(began.elapsed(), options.reads))
}

/// The same function from within a guest: one call that makes many, less the loop by itself.
async fn in_guest(runtime: &Runtime, scope: &TenantScope, what: &str, options: &Options) -> anyhow::Result<f64> {
    let mut took = [Duration::ZERO; 2];
    for (word, took) in [what, "nothing"].into_iter().zip(&mut took) {
        let call = Call {
            body: format!("{word} {}", options.reads).into(),
            content_type: "text/plain".to_owned(),
            metadata: Vec::new(),
            idempotency_key: None,
        };
        let began = Instant::now();
        let done = runtime.invoke(&scope.permit::<Invoke>()?, &"bench".parse()?, call).await?;
        *took = began.elapsed();
        done.outcome.map_err(|failure| anyhow::anyhow!("{failure}"))?;
    }
    let [with, without] = took;
    Ok(micros(with.saturating_sub(without), options.reads))
}

fn report(options: &Options, subjects: &[Subject; 7]) {
    let [raw_put, put, many, raw_get, get, guest, cache] = subjects;
    output::line("durable storage of one tenant, values of 100 bytes");
    for subject in subjects {
        output::line(&format!("  {:<24} {:>9.3} us", subject.name, subject.median()));
    }
    let ratio = |name: &str, ratio: f64| output::line(&format!("  {name:<48} {ratio:>6.2}"));
    ratio("put against redb itself", raw_put.median() / put.median());
    ratio(&format!("{} writers against one", options.writers), put.median() / many.median());
    ratio("get on the host against redb itself", raw_get.median() / get.median());
    ratio("get in a guest against redb itself", raw_get.median() / guest.median());
    ratio("cache gets in a guest, million a second", 1.0 / cache.median());
}

/// What a tenant costs whose file is open and which does nothing.
async fn idle_tenants(options: &Options, data: &Path) -> anyhow::Result<()> {
    let (runtime, operator) = host::open_new(data).await?;
    let mut storages = Vec::new();
    for number in 0..options.tenants {
        let (scope, _) = tenant(&runtime, &operator, &format!("tenant-{number}")).await?;
        storages.push(runtime.storage(&scope.permit::<Manage>()?).await?);
    }
    let before = host::resident_kib(std::process::id())?;
    for storage in &storages {
        storage.commit(Vec::new(), put(0)?).wait().await?;
        storage.get(&Place::parse("bench", "000000")?).wait().await?;
    }
    let each = host::resident_kib(std::process::id())?.saturating_sub(before) / (options.tenants.max(1) as u64);
    output::line(&format!("  {:<48} {each:>6} KiB", "an open, idle tenant"));
    runtime.shutdown().await;
    Ok(())
}

/// A host that writes until it is killed: a process of its own.
pub(crate) fn write_until_killed(data: &Path) -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let (runtime, operator) = host::open_new(data).await?;
        let (scope, key) = tenant(&runtime, &operator, "killed").await?;
        let storage = runtime.storage(&scope.permit::<Manage>()?).await?;
        for number in 0.. {
            if number == 2_000 {
                output::line(&key);
            }
            storage.commit(Vec::new(), put(number % 5_000)?).wait().await?;
        }
        Ok(())
    })
}

/// How long the first read takes after the host was killed while it wrote.
async fn reopened(data: &PathBuf) -> anyhow::Result<()> {
    use std::io::BufRead as _;
    let mut writer = std::process::Command::new(std::env::current_exe()?)
        .arg("write-until-killed")
        .arg(data)
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    let mut key = String::new();
    std::io::BufReader::new(writer.stdout.take().context("no output")?).read_line(&mut key)?;
    writer.kill()?;
    writer.wait()?;
    let (runtime, _) = host::open(data).await?;
    let scope = runtime.login(&key.trim().parse::<Credential>()?).await?;
    let storage = runtime.storage(&scope.permit::<Manage>()?).await?;
    let began = Instant::now();
    storage.get(&Place::parse("bench", "000000")?).wait().await?.context("what was acknowledged is gone")?;
    let took = began.elapsed();
    output::line(&format!("  {:<48} {:>6.1} ms", "first read after a kill", took.as_secs_f64() * 1e3));
    runtime.shutdown().await;
    Ok(())
}
