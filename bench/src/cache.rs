//! `cache`: reads of a tenant's cache on the host, beside moka and quick_cache in the same process, rounds interleaved.
//!
//! Ours is the very handle that a guest's calls have, made by the runtime's own door. It answers with bytes of the
//! caller's own, since they go to a guest; so the yardsticks' values are copied too, and shown without the copy beside it.
//! All three weigh keys, values and the same overhead, and have room for everything; lives are an hour where there are any.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use insula_runtime::cache::{Cache, EntryKey, Life, NamespaceName};
use insula_runtime::tenancy::{Credential, Manage, VersionId};
use insula_runtime::{LimitsPatch, Runtime};

use crate::{host, output};

/// What an entry weighs beyond its name and value, as in our own cache.
const OVERHEAD: usize = 320;
const HOUR: Duration = Duration::from_hours(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Entries, all of which have room.
    #[arg(long, default_value_t = 10_000)]
    keys: usize,
    /// Bytes of each value.
    #[arg(long, default_value_t = 256)]
    value: usize,
    /// Threads that read at the same time, one tenant's calls.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Reads of each thread in a round.
    #[arg(long, default_value_t = 500_000)]
    reads: usize,
    /// Rounds; each has every subject once.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
}

/// The names and values that all subjects have.
struct Load {
    names: Vec<String>,
    value: Vec<u8>,
    /// Which names are read, in an order that no cache of a processor foresees.
    order: Vec<usize>,
}

/// Reads by number; answers with the bytes that were read.
type Read = Box<dyn Fn(usize) -> usize + Sync>;

struct Subject {
    name: &'static str,
    read: Read,
    /// Of each round, nanoseconds for one read of one thread.
    rounds: Vec<f64>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let temporary = tempfile::tempdir()?;
    let tokio = tokio::runtime::Runtime::new()?;
    let (runtime, cache) = tokio.block_on(open(&temporary.path().join("data"), options))?;
    let load = Load::new(options);
    let mut subjects = [
        Subject::new("insula, copied", insula(&load, &cache)?),
        Subject::new("moka, copied", moka(&load, true)),
        Subject::new("quick_cache, copied", quick_cache(&load, true)),
        Subject::new("moka, shared", moka(&load, false)),
        Subject::new("quick_cache, shared", quick_cache(&load, false)),
    ];
    for round in 0..=options.rounds {
        for subject in &mut subjects {
            let read = subject.measure(&load, options);
            // The first round warms.
            if round > 0 {
                subject.rounds.push(read);
            }
        }
        output::progress(&format!("round {round} of {}", options.rounds));
    }
    tokio.block_on(runtime.shutdown());
    report(options, &mut subjects);
    Ok(())
}

fn report(options: &Options, subjects: &mut [Subject]) {
    let Options { keys, value, threads, .. } = options;
    output::line(&format!("a hit among {keys} entries of {value} bytes, {threads} thread(s)"));
    let medians: Vec<(&str, f64)> = subjects.iter_mut().map(|subject| (subject.name, subject.median())).collect();
    let Some((_, ours)) = medians.first().copied() else { return };
    for (name, median) in medians {
        output::line(&format!("  {name:<20} {median:>7.1} ns    insula against it {:>5.2}", median / ours));
    }
}

/// A host with one tenant, whose cache has room for everything.
async fn open(data: &Path, options: &Options) -> anyhow::Result<(Runtime, Arc<dyn Cache>)> {
    let (runtime, operator) = host::open_new(data).await?;
    let room = (options.keys * (options.value + 2 * OVERHEAD)).max(4 * options.value);
    let limits: LimitsPatch = serde_json::from_value(serde_json::json!({ "cache-bytes": room }))?;
    let control = runtime.control();
    let (_, key) = control.create_tenant(&operator, &"bench".parse()?, &limits).await?;
    let scope = runtime.login(&key.reveal().parse::<Credential>()?).await?;
    let cache = runtime.cache(&scope.permit::<Manage>()?, VersionId::generate()).await?;
    Ok((runtime, cache))
}

impl Load {
    fn new(options: &Options) -> Self {
        let names = (0..options.keys).map(|number| format!("customer-{number:06}")).collect();
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            // xorshift64: the same order in every run.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 32).unwrap_or(0) % options.keys.max(1)
        };
        let order = (0..options.reads).map(|_| next()).collect();
        Self { names, value: vec![7; options.value], order }
    }

    fn weight(key: &str, value: &[u8]) -> usize {
        key.len() + value.len() + OVERHEAD
    }

    fn capacity(&self) -> u64 {
        let all = self.names.iter().map(|name| Self::weight(name, &self.value)).sum::<usize>();
        all as u64 * 2
    }
}

fn insula(load: &Load, cache: &Arc<dyn Cache>) -> anyhow::Result<Read> {
    let namespace = NamespaceName::parse("profiles")?;
    let keys = load.names.iter().map(|name| EntryKey::parse(name)).collect::<Result<Vec<_>, _>>()?;
    let life = Life { ttl_ms: u64::try_from(HOUR.as_millis())?, stale_ms: 0, this_version_only: false };
    for key in &keys {
        cache.put(&namespace, key, load.value.clone(), life)?;
    }
    let cache = Arc::clone(cache);
    let get = move |number: usize| keys.get(number).and_then(|key| cache.get(&namespace, key));
    Ok(Box::new(move |number| black_box(get(number)).map_or(0, |value| value.len())))
}

/// What a yardstick's read comes to: bytes of the caller's own, or a share in the cache's.
fn taken(value: Option<Arc<[u8]>>, copied: bool) -> usize {
    match value {
        Some(value) if copied => black_box(value.to_vec()).len(),
        Some(value) => black_box(value).len(),
        None => 0,
    }
}

fn moka(load: &Load, copied: bool) -> Read {
    let weigh = |key: &String, value: &Arc<[u8]>| u32::try_from(Load::weight(key, value)).unwrap_or(u32::MAX);
    let builder = moka::sync::Cache::builder().weigher(weigh).max_capacity(load.capacity()).time_to_live(HOUR);
    let cache: moka::sync::Cache<String, Arc<[u8]>> = builder.build();
    for name in &load.names {
        cache.insert(name.clone(), load.value.as_slice().into());
    }
    cache.run_pending_tasks();
    let names = load.names.clone();
    Box::new(move |number| taken(names.get(number).and_then(|name| cache.get(name.as_str())), copied))
}

#[derive(Clone)]
struct Weigher;

impl quick_cache::Weighter<String, Arc<[u8]>> for Weigher {
    fn weight(&self, key: &String, value: &Arc<[u8]>) -> u64 {
        Load::weight(key, value) as u64
    }
}

fn quick_cache(load: &Load, copied: bool) -> Read {
    let cache = quick_cache::sync::Cache::with_weighter(load.names.len() * 2, load.capacity(), Weigher);
    for name in &load.names {
        cache.insert(name.clone(), load.value.as_slice().into());
    }
    let names = load.names.clone();
    Box::new(move |number| taken(names.get(number).and_then(|name| cache.get(name.as_str())), copied))
}

impl Subject {
    fn new(name: &'static str, read: Read) -> Self {
        Self { name, read, rounds: Vec::new() }
    }

    /// One round: nanoseconds for one read, on every thread at once.
    fn measure(&self, load: &Load, options: &Options) -> f64 {
        let began = Instant::now();
        std::thread::scope(|scope| {
            for thread in 0..options.threads.max(1) {
                // Each thread begins elsewhere, so that they do not follow one another.
                let start = thread * load.order.len() / options.threads.max(1);
                scope.spawn(move || {
                    let order = load.order.iter().cycle().skip(start).take(load.order.len());
                    let read: usize = order.map(|number| (self.read)(*number)).sum();
                    assert_eq!(read, load.order.len() * options.value, "{}: every read is a hit", self.name);
                });
            }
        });
        began.elapsed().as_secs_f64() * 1e9 / options.reads.max(1) as f64
    }

    fn median(&mut self) -> f64 {
        self.rounds.sort_by(f64::total_cmp);
        self.rounds.get(self.rounds.len() / 2).copied().unwrap_or(f64::NAN)
    }
}
