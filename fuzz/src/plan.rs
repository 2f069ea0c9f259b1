//! Bytes as a plan: which calls are made, by whom, with which arguments, and what is between them.
//!
//! Names are mostly of a few, so that calls meet; now and then they are anything. Every byte string is a plan, and when it
//! is used up the plan is at its end.

use arbitrary::{Result, Unstructured};
use insula_host_api::bindings::insula::agent::{cache, log, storage};

/// The most steps of one plan.
const STEPS: usize = 96;
/// The longest value, in bytes: over what the quotas of the two tenants allow.
const VALUE: usize = 3 << 10;

/// The longest time that goes by at once, in milliseconds. What the bystander has in the cache outlives all of them.
const PASS_MS: u64 = 6 * 60 * 60 * 1_000;

/// Who acts: two versions of an agent of the first tenant, and an agent of the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    One,
    OneNewer,
    Two,
}

impl Who {
    pub(crate) const ALL: [Self; 3] = [Self::One, Self::OneNewer, Self::Two];

    /// What each value that a tenant writes begins with.
    pub(crate) fn mark(self) -> u8 {
        match self {
            Self::One | Self::OneNewer => b'1',
            Self::Two => b'2',
        }
    }
}

/// The budget of a call, as far as host functions use it up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowed {
    pub(crate) calls: u64,
    pub(crate) bytes: u64,
    pub(crate) log_bytes: u64,
}

/// What happens next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Someone calls a host function.
    Call(Who, Call),
    /// Someone's call ends, and another of theirs begins.
    Begin(Who, Allowed),
    /// Time goes by, in milliseconds.
    Pass(u64),
}

/// A host function and its arguments.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    Get {
        bucket: String,
        key: String,
    },
    GetMany {
        at: Vec<storage::Address>,
    },
    List {
        bucket: String,
        selection: storage::Selection,
    },
    Buckets {
        after: Option<String>,
        limit: u32,
    },
    Commit {
        preconditions: Vec<storage::Precondition>,
        writes: Vec<storage::Write>,
    },
    Put {
        bucket: String,
        key: String,
        value: Vec<u8>,
        ttl_ms: Option<u64>,
    },
    Delete {
        bucket: String,
        key: String,
    },
    Increment {
        bucket: String,
        key: String,
        delta: i64,
        ttl_ms: Option<u64>,
    },
    CacheGet {
        namespace: String,
        key: String,
    },
    CachePut {
        namespace: String,
        key: String,
        value: Vec<u8>,
        life: cache::Life,
    },
    GetOrFill {
        namespace: String,
        key: String,
        wait_ms: u64,
    },
    /// Which of the leases that are held, counted round and round.
    Fill {
        lease: usize,
        value: Vec<u8>,
        life: cache::Life,
    },
    LetGo {
        lease: usize,
    },
    CacheDelete {
        namespace: String,
        key: String,
    },
    Clear {
        namespace: String,
    },
    Stats,
    Log {
        level: log::Level,
        message: String,
    },
    ConfigGet {
        name: String,
    },
    ConfigAll,
    Usage,
}

/// Reads a plan.
pub(crate) fn read(bytes: &[u8]) -> Vec<Step> {
    let mut from = Unstructured::new(bytes);
    let mut steps = Vec::new();
    while steps.len() < STEPS && !from.is_empty() {
        match step(&mut from) {
            Ok(step) => steps.push(step),
            Err(_) => break,
        }
    }
    steps
}

fn step(from: &mut Unstructured<'_>) -> Result<Step> {
    let who = *from.choose(&Who::ALL)?;
    Ok(match from.int_in_range(0..=15)? {
        0 => Step::Begin(who, allowed(from)?),
        1 => Step::Pass(match from.int_in_range(0..=3)? {
            0 => from.int_in_range(0..=PASS_MS)?,
            _ => from.int_in_range(0..=300)?,
        }),
        _ => Step::Call(who, call(who, from)?),
    })
}

fn allowed(from: &mut Unstructured<'_>) -> Result<Allowed> {
    Ok(Allowed {
        calls: from.int_in_range(1..=24)?,
        bytes: from.int_in_range(1..=16 << 10)?,
        log_bytes: from.int_in_range(1..=2 << 10)?,
    })
}

fn call(who: Who, from: &mut Unstructured<'_>) -> Result<Call> {
    Ok(match from.int_in_range(0..=19)? {
        0 => Call::Get { bucket: name(from)?, key: key(from)? },
        1 => Call::GetMany { at: many(from, address)? },
        2 => Call::List { bucket: name(from)?, selection: selection(from)? },
        3 => Call::Buckets { after: maybe(from, name)?, limit: limit(from)? },
        4 => Call::Commit { preconditions: many(from, precondition)?, writes: many(from, |from| write(who, from))? },
        5 => Call::Put { bucket: name(from)?, key: key(from)?, value: value(who, from)?, ttl_ms: ttl(from)? },
        6 => Call::Delete { bucket: name(from)?, key: key(from)? },
        7 => Call::Increment { bucket: name(from)?, key: key(from)?, delta: delta(from)?, ttl_ms: ttl(from)? },
        8 => Call::CacheGet { namespace: name(from)?, key: key(from)? },
        9 => Call::CachePut { namespace: name(from)?, key: key(from)?, value: value(who, from)?, life: life(from)? },
        10 => Call::GetOrFill { namespace: name(from)?, key: key(from)?, wait_ms: time(from)? },
        11 => Call::Fill { lease: from.arbitrary()?, value: value(who, from)?, life: life(from)? },
        12 => Call::LetGo { lease: from.arbitrary()? },
        13 => Call::CacheDelete { namespace: name(from)?, key: key(from)? },
        14 => Call::Clear { namespace: name(from)? },
        15 => Call::Stats,
        16 => Call::Log { level: level(from)?, message: text(from)? },
        17 => Call::ConfigGet { name: if from.arbitrary()? { text(from)? } else { "name".to_owned() } },
        18 => Call::ConfigAll,
        _ => Call::Usage,
    })
}

/// A list: mostly short, now and then of more than any function takes.
fn many<T>(from: &mut Unstructured<'_>, mut one: impl FnMut(&mut Unstructured<'_>) -> Result<T>) -> Result<Vec<T>> {
    let count = match from.int_in_range(0..=31)? {
        0 => from.int_in_range(250..=260)?,
        _ => from.int_in_range(0..=5)?,
    };
    (0..count).map(|_| one(from)).collect()
}

fn maybe<T>(from: &mut Unstructured<'_>, one: impl FnOnce(&mut Unstructured<'_>) -> Result<T>) -> Result<Option<T>> {
    if from.arbitrary()? { one(from).map(Some) } else { Ok(None) }
}

/// The name of a bucket or a namespace.
fn name(from: &mut Unstructured<'_>) -> Result<String> {
    match from.int_in_range(0..=15)? {
        0 => text(from),
        number if number < 8 => Ok("a".to_owned()),
        number if number < 13 => Ok("a.b".to_owned()),
        number if number < 15 => Ok("witness".to_owned()),
        _ => Ok("x".repeat(from.int_in_range(60..=66)?)),
    }
}

fn key(from: &mut Unstructured<'_>) -> Result<String> {
    match from.int_in_range(0..=15)? {
        0 => text(from),
        number if number < 10 => from.choose(&["k", "key", "k\0", "ke", "\u{10ffff}"]).map(|key| (*key).to_owned()),
        number if number < 15 => Ok(format!("k{}", from.int_in_range(0..=30)?)),
        _ => Ok("k".repeat(from.int_in_range(505..=516)?)),
    }
}

/// Any text.
fn text(from: &mut Unstructured<'_>) -> Result<String> {
    let length = from.int_in_range(0..=40)?;
    let bytes = from.bytes(usize::min(length, from.len()))?;
    let text = String::from_utf8_lossy(bytes).into_owned();
    Ok(if from.int_in_range(0..=15)? == 0 { text.repeat(from.int_in_range(0..=400)?) } else { text })
}

/// A value with its writer's mark; sometimes a number.
fn value(who: Who, from: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let length = match from.int_in_range(0..=7)? {
        0 => from.int_in_range(0..=VALUE)?,
        1 | 2 => 7,
        _ => from.int_in_range(0..=24)?,
    };
    let given = from.bytes(usize::min(length, from.len()).min(24))?;
    let mut value = vec![who.mark()];
    value.extend_from_slice(given);
    value.resize(length.max(given.len()) + 1, who.mark());
    Ok(value)
}

/// Any time, in milliseconds; mostly a short one.
fn time(from: &mut Unstructured<'_>) -> Result<u64> {
    if from.int_in_range(0..=7)? == 0 { from.arbitrary() } else { from.int_in_range(0..=400) }
}

fn ttl(from: &mut Unstructured<'_>) -> Result<Option<u64>> {
    maybe(from, time)
}

fn life(from: &mut Unstructured<'_>) -> Result<cache::Life> {
    Ok(cache::Life { ttl_ms: time(from)?, stale_ms: time(from)?, this_version_only: from.arbitrary()? })
}

fn delta(from: &mut Unstructured<'_>) -> Result<i64> {
    if from.int_in_range(0..=3)? == 0 { from.arbitrary() } else { from.int_in_range(-5..=5) }
}

fn limit(from: &mut Unstructured<'_>) -> Result<u32> {
    if from.int_in_range(0..=7)? == 0 { from.arbitrary() } else { from.int_in_range(0..=9) }
}

fn level(from: &mut Unstructured<'_>) -> Result<log::Level> {
    use log::Level;
    from.choose(&[Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error]).copied()
}

fn address(from: &mut Unstructured<'_>) -> Result<storage::Address> {
    Ok(storage::Address { bucket: name(from)?, key: key(from)? })
}

fn selection(from: &mut Unstructured<'_>) -> Result<storage::Selection> {
    Ok(storage::Selection {
        prefix: if from.arbitrary()? { String::new() } else { key(from)? },
        start: maybe(from, key)?,
        end: maybe(from, key)?,
        after: maybe(from, key)?,
        reverse: from.arbitrary()?,
        values: from.arbitrary()?,
        limit: limit(from)?,
    })
}

fn precondition(from: &mut Unstructured<'_>) -> Result<storage::Precondition> {
    let at = address(from)?;
    let expect = match from.int_in_range(0..=3)? {
        0 => storage::Expectation::Absent,
        1 => storage::Expectation::Present,
        2 => storage::Expectation::Version(from.int_in_range(0..=40)?),
        _ => storage::Expectation::Version(from.arbitrary()?),
    };
    Ok(storage::Precondition { at, expect })
}

fn write(who: Who, from: &mut Unstructured<'_>) -> Result<storage::Write> {
    let at = address(from)?;
    let change = match from.int_in_range(0..=4)? {
        0 | 1 => storage::Change::Put(storage::Content { value: value(who, from)?, ttl_ms: ttl(from)? }),
        2 => storage::Change::Delete,
        3 => storage::Change::Increment(storage::Addition { delta: delta(from)?, ttl_ms: ttl(from)? }),
        _ => storage::Change::Expire(ttl(from)?),
    };
    Ok(storage::Write { at, change })
}
