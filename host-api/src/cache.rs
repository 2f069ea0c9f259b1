//! `cache`: the traits that an owner's shard implements, and the host functions over it.

use std::fmt;
use std::time::Duration;

use wasmtime::component::Resource;

use crate::bindings::insula::agent::cache as wit;
use crate::{Answer, EntryKey, Error, Host, HostCall, InvalidName, NamespaceName};

pub use wit::{Life, Statistics as CacheStatistics};

/// The longest life of an entry, and the longest time that it may be stale for, in milliseconds: 30 days.
const LIFE_LIMIT_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// The most leases that one call holds at once.
pub const LEASES_LIMIT: usize = 64;
/// The most callers that wait for the fills of one shard at once.
pub const WAITERS_LIMIT: usize = 1_024;
/// The longest that a caller waits for another's fill, in milliseconds. Calls end long before.
pub const WAIT_LIMIT_MS: u64 = 600_000;
/// When a fill that is under way may be done: a guess, for callers that did not want to wait.
const FILL_RETRY_MS: u64 = 100;

/// Why the cache did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// A name breaks its rule.
    #[error(transparent)]
    InvalidName(#[from] InvalidName),
    /// A life outside its range.
    #[error("invalid {what} of {ms} ms: use {least} to {LIFE_LIMIT_MS}")]
    InvalidTtl {
        /// `ttl-ms` or `stale-ms`.
        what: &'static str,
        /// What was asked for, in milliseconds.
        ms: u64,
        /// The least that may be.
        least: u64,
    },
    /// One value is over the limit.
    #[error("the value has {size} bytes; {limit} are allowed")]
    ValueTooLarge {
        /// Its size, in bytes.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// Another caller has the lease of the key, and the wait for it is over.
    #[error("another call is making this value: try again, or wait for longer")]
    FillInProgress,
    /// The call would wait while others may wait for it.
    #[error("this call holds a lease, and would have to wait for another's: fill or drop its own first")]
    LeaseHeld,
    /// Too many leases in one call, or callers that wait.
    #[error("too many {what}: {limit} are allowed")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
}

impl CacheError {
    /// The stable word for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidName(invalid) => invalid.code(),
            Self::InvalidTtl { .. } => "invalid-ttl",
            Self::ValueTooLarge { .. } => "value-too-large",
            Self::FillInProgress => "fill-in-progress",
            Self::LeaseHeld => "lease-held",
            Self::TooMany { .. } => "too-many",
        }
    }
}

impl From<CacheError> for Error {
    fn from(error: CacheError) -> Self {
        let guest = Self::new(error.code(), error.to_string());
        if matches!(error, CacheError::FillInProgress) { guest.after(FILL_RETRY_MS) } else { guest }
    }
}

/// How long a caller waits for the lease of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// For so long at most.
    For(Duration),
    /// Not at all, since it holds a lease that others may be waiting for: were it to wait, two callers could wait for each
    /// other for ever.
    HoldsALease,
}

/// What a look-up found.
pub enum FoundOrLease {
    /// A fresh value.
    Hit(Vec<u8>),
    /// One past its freshness, and for the first caller that is given it the lease to make a new one.
    Stale(Vec<u8>, Option<Box<dyn Lease>>),
    /// None, and the lease to make it.
    Fill(Box<dyn Lease>),
}

impl fmt::Debug for FoundOrLease {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Hit(_) => "Hit",
            Self::Stale(_, None) => "Stale",
            Self::Stale(_, Some(_)) => "Stale with a lease",
            Self::Fill(_) => "Fill",
        })
    }
}

/// The right to make the value of one key. Dropped without a fill, it goes on to one of those who wait.
pub trait Lease: Send + Sync {
    /// Keeps the value and hands it to all who wait; answers whether it was kept.
    ///
    /// # Errors
    ///
    /// [`CacheError::ValueTooLarge`]: the lease goes on to one of those who wait.
    fn fill(self: Box<Self>, value: Vec<u8>, life: Life) -> Result<bool, CacheError>;
}

/// One owner's cache shard, as one version of an agent sees it. In memory, never over its budget.
pub trait Cache: Send + Sync {
    /// Reads one fresh value.
    fn get(&self, namespace: &NamespaceName, key: &EntryKey) -> Option<Vec<u8>>;
    /// Keeps a value, evicting others of the same shard for room.
    ///
    /// # Errors
    ///
    /// [`CacheError::ValueTooLarge`], when it would take more than a quarter of the shard.
    fn put(&self, namespace: &NamespaceName, key: &EntryKey, value: Vec<u8>, life: Life) -> Result<(), CacheError>;
    /// Reads one value, or gives the lease to make it, waiting for another's fill if need be.
    fn get_or_fill(
        &self,
        namespace: &NamespaceName,
        key: &EntryKey,
        patience: Patience,
    ) -> Answer<Result<FoundOrLease, CacheError>>;
    /// Forgets one entry.
    fn delete(&self, namespace: &NamespaceName, key: &EntryKey);
    /// Forgets a namespace.
    fn clear(&self, namespace: &NamespaceName);
    /// How the shard is doing.
    fn statistics(&self) -> CacheStatistics;
}

/// A lease in the table of the call that holds it: the `lease` of the WIT.
pub struct HeldLease(Box<dyn Lease>);

impl fmt::Debug for HeldLease {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HeldLease")
    }
}

type Guest<T> = wasmtime::Result<Result<T, Error>>;

fn names(namespace: &str, key: &str) -> Result<(NamespaceName, EntryKey), CacheError> {
    Ok((NamespaceName::parse(namespace)?, EntryKey::parse(key)?))
}

fn check_life(life: &Life) -> Result<(), CacheError> {
    for (what, ms, least) in [("ttl-ms", life.ttl_ms, 1), ("stale-ms", life.stale_ms, 0)] {
        if !(least..=LIFE_LIMIT_MS).contains(&ms) {
            return Err(CacheError::InvalidTtl { what, ms, least });
        }
    }
    Ok(())
}

impl Host {
    /// Puts a lease into the call's table. One that has no place there goes on to others.
    fn hold(&mut self, lease: Box<dyn Lease>) -> wasmtime::Result<Resource<HeldLease>> {
        Ok(self.leases.push(HeldLease(lease))?)
    }

    async fn look_up(&mut self, namespace: &str, key: &str, wait_ms: u64) -> Result<FoundOrLease, CacheError> {
        let (namespace, key) = names(namespace, key)?;
        let held = self.leases.iter_mut().count();
        let patience = match held {
            0 => Patience::For(Duration::from_millis(wait_ms.min(WAIT_LIMIT_MS))),
            _ => Patience::HoldsALease,
        };
        let found = self.grants.cache.get_or_fill(&namespace, &key, patience).wait().await?;
        if held < LEASES_LIMIT {
            return Ok(found);
        }
        // A call that has its fill of leases is still given values. A lease goes on to others.
        match found {
            FoundOrLease::Fill(_) => Err(CacheError::TooMany { what: "leases in one call", limit: LEASES_LIMIT }),
            FoundOrLease::Stale(value, _) => Ok(FoundOrLease::Stale(value, None)),
            FoundOrLease::Hit(value) => Ok(FoundOrLease::Hit(value)),
        }
    }
}

impl wit::Host for Host {
    fn get(&mut self, namespace: String, key: String) -> Guest<Option<Vec<u8>>> {
        self.charge(HostCall::CacheGet, namespace.len() + key.len())?;
        match names(&namespace, &key) {
            Ok((namespace, key)) => {
                let value = self.grants.cache.get(&namespace, &key);
                self.charge_answer(HostCall::CacheGet, value.as_ref().map_or(0, Vec::len))?;
                Ok(Ok(value))
            }
            Err(error) => Ok(Err(error.into())),
        }
    }

    fn put(&mut self, namespace: String, key: String, value: Vec<u8>, life: Life) -> Guest<()> {
        self.charge(HostCall::CachePut, namespace.len() + key.len() + value.len())?;
        let put = || {
            let (namespace, key) = names(&namespace, &key)?;
            check_life(&life)?;
            self.grants.cache.put(&namespace, &key, value, life)
        };
        Ok(put().map_err(Error::from))
    }

    async fn get_or_fill(&mut self, namespace: String, key: String, wait_ms: u64) -> Guest<wit::Lookup> {
        self.charge(HostCall::CacheGetOrFill, namespace.len() + key.len())?;
        let found = match self.look_up(&namespace, &key, wait_ms).await {
            Ok(found) => found,
            Err(error) => return Ok(Err(error.into())),
        };
        Ok(Ok(match found {
            FoundOrLease::Hit(value) => {
                self.charge_answer(HostCall::CacheGetOrFill, value.len())?;
                wit::Lookup::Hit(value)
            }
            FoundOrLease::Stale(value, lease) => {
                self.charge_answer(HostCall::CacheGetOrFill, value.len())?;
                let lease = lease.map(|lease| self.hold(lease)).transpose()?;
                wit::Lookup::Stale(wit::StaleValue { value, lease })
            }
            FoundOrLease::Fill(lease) => wit::Lookup::Fill(self.hold(lease)?),
        }))
    }

    fn fill(&mut self, lease: Resource<HeldLease>, value: Vec<u8>, life: Life) -> Guest<bool> {
        // First of all, so that the lease ends here whatever else happens.
        let HeldLease(lease) = self.leases.delete(lease)?;
        self.charge(HostCall::CacheFill, value.len())?;
        let fill = || {
            check_life(&life)?;
            lease.fill(value, life)
        };
        Ok(fill().map_err(Error::from))
    }

    fn delete(&mut self, namespace: String, key: String) -> Guest<()> {
        self.charge(HostCall::CacheDelete, namespace.len() + key.len())?;
        let names = names(&namespace, &key).map_err(Error::from);
        Ok(names.map(|(namespace, key)| self.grants.cache.delete(&namespace, &key)))
    }

    fn clear(&mut self, namespace: String) -> Guest<()> {
        self.charge(HostCall::CacheClear, namespace.len())?;
        let namespace = NamespaceName::parse(&namespace).map_err(|invalid| CacheError::from(invalid).into());
        Ok(namespace.map(|namespace| self.grants.cache.clear(&namespace)))
    }

    fn stats(&mut self) -> wasmtime::Result<CacheStatistics> {
        self.charge(HostCall::CacheStats, 0)?;
        Ok(self.grants.cache.statistics())
    }
}

impl wit::HostLease for Host {
    /// A guest that lets go of a lease needs no budget for it.
    fn drop(&mut self, lease: Resource<HeldLease>) -> wasmtime::Result<()> {
        self.leases.delete(lease)?;
        Ok(())
    }
}
