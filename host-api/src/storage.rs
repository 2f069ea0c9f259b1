//! `storage`: the trait that an owner's storage implements, and the host functions over it.

use std::future::Future;
use std::pin::Pin;

use crate::bindings::insula::agent::storage as wit;
use crate::{BucketName, EntryKey, Error, Host, HostCall, InvalidName};

pub use wit::{Entry, Expectation, Page};

/// The most keys that one `get-many` takes.
pub const GET_MANY_LIMIT: usize = 256;
/// The most bytes of values that one `get-many` answers with.
pub const GET_MANY_ANSWER_LIMIT: usize = 4 << 20;
/// The most entries of one page of a listing.
pub const LIST_LIMIT: u32 = 1_000;
/// The most bytes of keys and values of one page of a listing.
pub const LIST_PAGE_LIMIT: usize = 1 << 20;
/// The most writes, and the most preconditions, of one commit.
pub const WRITES_LIMIT: usize = 256;
/// The most bytes of values whose lives one commit changes, beyond one value: each is written anew.
pub const REWRITE_LIMIT: usize = 4 << 20;
/// The longest life of a key, in milliseconds: ten years of 365 days.
pub const TTL_LIMIT_MS: u64 = 10 * 365 * 24 * 60 * 60 * 1_000;

/// A key in a bucket, with both names parsed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: EntryKey,
}

impl Place {
    /// Checks both names.
    ///
    /// # Errors
    ///
    /// [`InvalidName`], of the first that breaks its rule.
    pub fn parse(bucket: &str, key: &str) -> Result<Self, InvalidName> {
        Ok(Self { bucket: BucketName::parse(bucket)?, key: EntryKey::parse(key)? })
    }
}

/// One condition of a commit.
#[derive(Debug, Clone)]
pub struct Precondition {
    /// The key.
    pub at: Place,
    /// What must be true of it.
    pub expect: Expectation,
}

/// What a commit does to one key. Lives are in milliseconds, and without an end where there is none.
#[derive(Debug, Clone)]
pub enum Change {
    /// Writes a value.
    Put {
        /// The value.
        value: Vec<u8>,
        /// Its life.
        ttl_ms: Option<u64>,
    },
    /// Removes it; an absent key is no error.
    Delete,
    /// Adds to a number.
    Increment {
        /// How much.
        delta: i64,
        /// The life of a number that was not there before.
        ttl_ms: Option<u64>,
    },
    /// Gives what is there a new life.
    Expire {
        /// The new life.
        ttl_ms: Option<u64>,
    },
}

impl Change {
    /// Writes a value without an end of life.
    #[must_use]
    pub fn put(value: impl Into<Vec<u8>>) -> Self {
        Self::Put { value: value.into(), ttl_ms: None }
    }

    /// The life that it names.
    fn ttl_ms(&self) -> Option<u64> {
        match self {
            Self::Put { ttl_ms, .. } | Self::Increment { ttl_ms, .. } | Self::Expire { ttl_ms } => *ttl_ms,
            Self::Delete => None,
        }
    }

    /// Checks what can be checked without looking at what is there. `limit` is that of one value, in bytes.
    ///
    /// # Errors
    ///
    /// [`StorageError::ValueTooLarge`], [`StorageError::InvalidTtl`].
    pub fn check(&self, limit: u64) -> Result<(), StorageError> {
        if let Self::Put { value, .. } = self
            && value.len() as u64 > limit
        {
            return Err(StorageError::ValueTooLarge { size: value.len() as u64, limit });
        }
        match self.ttl_ms() {
            Some(ms) if !(1..=TTL_LIMIT_MS).contains(&ms) => Err(StorageError::InvalidTtl(ms)),
            _ => Ok(()),
        }
    }
}

/// One write of a commit.
#[derive(Debug, Clone)]
pub struct Write {
    /// The key.
    pub at: Place,
    /// What becomes of it.
    pub change: Change,
}

/// Which part of a bucket to list, with its limits checked.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Only keys that start with this.
    pub prefix: String,
    /// Only this key and those behind it.
    pub start: Option<String>,
    /// Only keys before this one.
    pub end: Option<String>,
    /// Only keys after this one; before it, in reverse.
    pub after: Option<String>,
    /// Descending order.
    pub reverse: bool,
    /// With values, or keys and versions only.
    pub values: bool,
    /// At most so many entries: 1 to [`LIST_LIMIT`].
    pub limit: u32,
}

impl Selection {
    /// The first keys with a prefix, without their values.
    #[must_use]
    pub fn of_prefix(prefix: impl Into<String>, limit: u32) -> Self {
        Self { prefix: prefix.into(), start: None, end: None, after: None, reverse: false, values: false, limit }
    }
}

/// What a commit did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// The version of each write's key, in order.
    pub versions: Vec<u64>,
    /// The sum of each write that was an increment, in order.
    pub sums: Vec<Option<i64>>,
}

/// Why storage did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// A name breaks its rule.
    #[error(transparent)]
    InvalidName(#[from] InvalidName),
    /// A precondition does not hold.
    #[error("precondition {index} does not hold for `{key}` in bucket `{bucket}`")]
    Conflict {
        /// Which one, from 0.
        index: usize,
        /// Its bucket.
        bucket: String,
        /// Its key.
        key: String,
    },
    /// The quota in bytes or keys would be exceeded.
    #[error("storage quota exceeded: {used} of {limit} {unit} are used, and this commit needs {needed} more")]
    QuotaExceeded {
        /// In use now.
        used: u64,
        /// Allowed.
        limit: u64,
        /// What the commit adds.
        needed: u64,
        /// `bytes` or `keys`.
        unit: &'static str,
    },
    /// One value is over the limit.
    #[error("the value has {size} bytes; {limit} are allowed")]
    ValueTooLarge {
        /// Its size, in bytes.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// Values are written anew with their lives, and these are more than one commit rewrites.
    #[error("the values whose lives change have more than {limit} bytes together: change fewer keys in one commit")]
    RewritesTooMuch {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A life outside its range.
    #[error("invalid time to live of {0} ms: use 1 to {TTL_LIMIT_MS}")]
    InvalidTtl(u64),
    /// An increment of something that is not 8 bytes.
    #[error("the value of `{key}` in bucket `{bucket}` is not a number of 8 bytes, so it cannot be incremented")]
    NotANumber {
        /// Its bucket.
        bucket: String,
        /// Its key.
        key: String,
    },
    /// An increment past the ends of a signed 64-bit number.
    #[error("the number at `{key}` in bucket `{bucket}` would leave the range of a signed 64-bit integer")]
    Overflow {
        /// Its bucket.
        bucket: String,
        /// Its key.
        key: String,
    },
    /// Two writes of one commit name the same key.
    #[error("the commit writes `{key}` in bucket `{bucket}` twice")]
    DuplicateKey {
        /// Its bucket.
        bucket: String,
        /// Its key.
        key: String,
    },
    /// A list is longer than allowed.
    #[error("{count} {what} were given; {limit} are allowed")]
    TooMany {
        /// `keys`, `writes` or `preconditions`.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many may be.
        limit: usize,
    },
    /// The values asked for are more than one answer carries.
    #[error("the values have more than {limit} bytes together: ask for fewer keys")]
    AnswerTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A page size outside its range.
    #[error("invalid limit {0}: use 1 to {LIST_LIMIT}")]
    InvalidLimit(u32),
    /// The engine or the disk refused. The operator's log has the reason.
    #[error(
        "storage is not available just now; nothing is half done, and what was not acknowledged may be tried again"
    )]
    Unavailable,
}

impl StorageError {
    /// The stable word for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidName(invalid) => invalid.code(),
            Self::Conflict { .. } => "conflict",
            Self::QuotaExceeded { .. } => "quota-exceeded",
            Self::ValueTooLarge { .. } => "value-too-large",
            Self::InvalidTtl(_) => "invalid-ttl",
            Self::NotANumber { .. } => "not-a-number",
            Self::Overflow { .. } => "overflow",
            Self::DuplicateKey { .. } => "duplicate-key",
            Self::TooMany { .. } | Self::RewritesTooMuch { .. } => "too-many",
            Self::AnswerTooLarge { .. } => "answer-too-large",
            Self::InvalidLimit(_) => "invalid-limit",
            Self::Unavailable => "storage-unavailable",
        }
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        let guest = Self::new(error.code(), error.to_string());
        if matches!(error, StorageError::Unavailable) { guest.after(1_000) } else { guest }
    }
}

/// An answer that is there already, or one to wait for: reading from an open file should not cost a task.
pub enum Answer<T> {
    /// Here it is.
    Ready(T),
    /// It takes a disk.
    Later(Pin<Box<dyn Future<Output = T> + Send>>),
}

impl<T> Answer<T> {
    /// Waits, if need be.
    pub async fn wait(self) -> T {
        match self {
            Self::Ready(answer) => answer,
            Self::Later(answer) => answer.await,
        }
    }
}

impl<T> std::fmt::Debug for Answer<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Ready(_) => "Ready",
            Self::Later(_) => "Later",
        })
    }
}

/// One owner's durable storage. What `commit` acknowledges is on disk, whole; what it refuses changed nothing (R2).
pub trait Storage: Send + Sync {
    /// Reads one value.
    fn get(&self, at: &Place) -> Answer<Result<Option<Entry>, StorageError>>;
    /// Reads up to [`GET_MANY_LIMIT`] values as of one instant, in the order in which they were asked for.
    fn get_many(&self, at: Vec<Place>) -> Answer<Result<Vec<Option<Entry>>, StorageError>>;
    /// Lists one page as of one instant.
    fn list(&self, bucket: &BucketName, selection: Selection) -> Answer<Result<Page, StorageError>>;
    /// Names up to `limit` buckets, 1 to [`LIST_LIMIT`], after one of them.
    fn buckets(&self, after: Option<String>, limit: u32) -> Answer<Result<Vec<String>, StorageError>>;
    /// Writes all of it if all preconditions hold, else nothing.
    fn commit(&self, preconditions: Vec<Precondition>, writes: Vec<Write>) -> Answer<Result<Committed, StorageError>>;
}

/// What a guest gets: an answer or an error; a trap is the outer result.
type Guest<T> = wasmtime::Result<Result<T, Error>>;

fn entry_bytes(entry: &Entry) -> usize {
    entry.key.len() + entry.value.len()
}

fn too_many(what: &'static str, count: usize, limit: usize) -> Result<(), StorageError> {
    if count > limit { Err(StorageError::TooMany { what, count, limit }) } else { Ok(()) }
}

impl Host {
    /// Charges an answer of storage and turns its error into the guest's.
    fn answer<T>(&mut self, call: HostCall, answer: Result<T, StorageError>, size: impl Fn(&T) -> usize) -> Guest<T> {
        match answer {
            Ok(value) => {
                self.charge_answer(call, size(&value))?;
                Ok(Ok(value))
            }
            Err(error) => Ok(Err(error.into())),
        }
    }

    /// The commit behind every write: the names were charged by the caller.
    async fn commit_all(
        &mut self,
        preconditions: Vec<Precondition>,
        writes: Vec<Write>,
    ) -> Result<Committed, StorageError> {
        too_many("preconditions", preconditions.len(), WRITES_LIMIT)?;
        too_many("writes", writes.len(), WRITES_LIMIT)?;
        let limit = self.budget.limits().value_bytes.get();
        for write in &writes {
            write.change.check(limit)?;
        }
        self.grants.storage.commit(preconditions, writes).wait().await
    }

    async fn commit_one(&mut self, bucket: &str, key: &str, change: Change) -> Result<Committed, StorageError> {
        let at = Place::parse(bucket, key)?;
        self.commit_all(Vec::new(), vec![Write { at, change }]).await
    }
}

fn parse_address(at: &wit::Address) -> Result<Place, InvalidName> {
    Place::parse(&at.bucket, &at.key)
}

fn parse_preconditions(given: Vec<wit::Precondition>) -> Result<Vec<Precondition>, StorageError> {
    too_many("preconditions", given.len(), WRITES_LIMIT)?;
    let parse = |one: wit::Precondition| Ok(Precondition { at: parse_address(&one.at)?, expect: one.expect });
    given.into_iter().map(parse).collect()
}

fn parse_writes(given: Vec<wit::Write>) -> Result<Vec<Write>, StorageError> {
    too_many("writes", given.len(), WRITES_LIMIT)?;
    let parse = |one: wit::Write| {
        let at = parse_address(&one.at)?;
        let change = match one.change {
            wit::Change::Put(wit::Content { value, ttl_ms }) => Change::Put { value, ttl_ms },
            wit::Change::Delete => Change::Delete,
            wit::Change::Increment(wit::Addition { delta, ttl_ms }) => Change::Increment { delta, ttl_ms },
            wit::Change::Expire(ttl_ms) => Change::Expire { ttl_ms },
        };
        Ok(Write { at, change })
    };
    given.into_iter().map(parse).collect()
}

fn write_bytes(write: &wit::Write) -> usize {
    let value = match &write.change {
        wit::Change::Put(content) => content.value.len(),
        wit::Change::Delete | wit::Change::Increment(_) | wit::Change::Expire(_) => 8,
    };
    write.at.bucket.len() + write.at.key.len() + value
}

impl wit::Host for Host {
    async fn get(&mut self, bucket: String, key: String) -> Guest<Option<Entry>> {
        self.charge(HostCall::StorageGet, bucket.len() + key.len())?;
        let answer = match Place::parse(&bucket, &key) {
            Ok(at) => self.grants.storage.get(&at).wait().await,
            Err(invalid) => Err(invalid.into()),
        };
        self.answer(HostCall::StorageGet, answer, |entry| entry.as_ref().map_or(0, entry_bytes))
    }

    async fn get_many(&mut self, at: Vec<wit::Address>) -> Guest<Vec<Option<Entry>>> {
        self.charge(HostCall::StorageGetMany, at.iter().map(|one| one.bucket.len() + one.key.len()).sum())?;
        let parse = || {
            too_many("keys", at.len(), GET_MANY_LIMIT)?;
            Ok::<_, StorageError>(at.iter().map(parse_address).collect::<Result<Vec<_>, _>>()?)
        };
        let answer = match parse() {
            Ok(places) => self.grants.storage.get_many(places).wait().await,
            Err(error) => Err(error),
        };
        self.answer(HostCall::StorageGetMany, answer, |entries| entries.iter().flatten().map(entry_bytes).sum())
    }

    async fn list(&mut self, bucket: String, selection: wit::Selection) -> Guest<Page> {
        let bounds = [&selection.start, &selection.end, &selection.after];
        let bounds: usize = bounds.into_iter().flatten().map(String::len).sum();
        self.charge(HostCall::StorageList, bucket.len() + selection.prefix.len() + bounds)?;
        let answer = match (BucketName::parse(&bucket), selection.limit) {
            (Err(invalid), _) => Err(invalid.into()),
            (Ok(_), limit) if !(1..=LIST_LIMIT).contains(&limit) => Err(StorageError::InvalidLimit(limit)),
            (Ok(bucket), limit) => {
                let wit::Selection { prefix, start, end, after, reverse, values, .. } = selection;
                let selection = Selection { prefix, start, end, after, reverse, values, limit };
                self.grants.storage.list(&bucket, selection).wait().await
            }
        };
        self.answer(HostCall::StorageList, answer, |page| page.entries.iter().map(entry_bytes).sum())
    }

    async fn buckets(&mut self, after: Option<String>, limit: u32) -> Guest<Vec<String>> {
        self.charge(HostCall::StorageBuckets, after.as_ref().map_or(0, String::len))?;
        let answer = if (1..=LIST_LIMIT).contains(&limit) {
            self.grants.storage.buckets(after, limit).wait().await
        } else {
            Err(StorageError::InvalidLimit(limit))
        };
        self.answer(HostCall::StorageBuckets, answer, |names| names.iter().map(String::len).sum())
    }

    async fn commit(&mut self, preconditions: Vec<wit::Precondition>, writes: Vec<wit::Write>) -> Guest<Vec<u64>> {
        let conditions: usize = preconditions.iter().map(|one| one.at.bucket.len() + one.at.key.len() + 8).sum();
        self.charge(HostCall::StorageCommit, conditions + writes.iter().map(write_bytes).sum::<usize>())?;
        let answer = match (parse_preconditions(preconditions), parse_writes(writes)) {
            (Ok(preconditions), Ok(writes)) => self.commit_all(preconditions, writes).await,
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
        self.answer(HostCall::StorageCommit, answer.map(|committed| committed.versions), |versions| versions.len() * 8)
    }

    async fn put(&mut self, bucket: String, key: String, value: Vec<u8>, ttl_ms: Option<u64>) -> Guest<u64> {
        self.charge(HostCall::StoragePut, bucket.len() + key.len() + value.len())?;
        let answer = self.commit_one(&bucket, &key, Change::Put { value, ttl_ms }).await;
        let version = answer.map(|committed| committed.versions.first().copied().unwrap_or_default());
        self.answer(HostCall::StoragePut, version, |_| 8)
    }

    async fn delete(&mut self, bucket: String, key: String) -> Guest<()> {
        self.charge(HostCall::StorageDelete, bucket.len() + key.len())?;
        let answer = self.commit_one(&bucket, &key, Change::Delete).await;
        self.answer(HostCall::StorageDelete, answer.map(drop), |()| 0)
    }

    async fn increment(&mut self, bucket: String, key: String, delta: i64, ttl_ms: Option<u64>) -> Guest<i64> {
        self.charge(HostCall::StorageIncrement, bucket.len() + key.len() + 8)?;
        let answer = self.commit_one(&bucket, &key, Change::Increment { delta, ttl_ms }).await;
        let sum = answer.map(|committed| committed.sums.first().copied().flatten().unwrap_or_default());
        self.answer(HostCall::StorageIncrement, sum, |_| 8)
    }
}
