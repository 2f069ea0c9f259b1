//! `cache`: the trait that an owner's shard implements, and the host functions over it.

use std::time::Duration;

use crate::bindings::insula::agent::cache as wit;
use crate::{EntryKey, Error, Host, HostCall, InvalidName, NamespaceName};

pub use wit::Statistics as CacheStatistics;

/// The longest life of an entry, in milliseconds: 30 days.
const TTL_LIMIT_MS: u64 = 30 * 24 * 60 * 60 * 1_000;

/// Why the cache did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// A name breaks its rule.
    #[error(transparent)]
    InvalidName(#[from] InvalidName),
    /// A life outside its range.
    #[error("invalid time to live of {0} ms: use 1 to {TTL_LIMIT_MS}")]
    InvalidTtl(u64),
    /// One value is over the limit.
    #[error("the value has {size} bytes; {limit} are allowed")]
    ValueTooLarge {
        /// Its size, in bytes.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
    },
}

impl CacheError {
    /// The stable word for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidName(invalid) => invalid.code(),
            Self::InvalidTtl(_) => "invalid-ttl",
            Self::ValueTooLarge { .. } => "value-too-large",
        }
    }
}

impl From<CacheError> for Error {
    fn from(error: CacheError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// One owner's cache shard. In memory, synchronous, never over its budget.
pub trait Cache: Send + Sync {
    /// Reads one value.
    fn get(&self, namespace: &NamespaceName, key: &EntryKey) -> Option<Vec<u8>>;
    /// Keeps a value, evicting others of the same shard for room.
    ///
    /// # Errors
    ///
    /// [`CacheError::ValueTooLarge`], when it would take more than a quarter of the shard.
    fn put(&self, namespace: &NamespaceName, key: &EntryKey, value: Vec<u8>, ttl: Duration) -> Result<(), CacheError>;
    /// Forgets one entry.
    fn delete(&self, namespace: &NamespaceName, key: &EntryKey);
    /// Forgets a namespace.
    fn clear(&self, namespace: &NamespaceName);
    /// How the shard is doing.
    fn statistics(&self) -> CacheStatistics;
}

type Guest<T> = wasmtime::Result<Result<T, Error>>;

fn names(namespace: &str, key: &str) -> Result<(NamespaceName, EntryKey), CacheError> {
    Ok((NamespaceName::parse(namespace)?, EntryKey::parse(key)?))
}

impl wit::Host for Host {
    fn get(&mut self, namespace: String, key: String) -> Guest<Option<Vec<u8>>> {
        self.charge(HostCall::CacheGet, namespace.len() + key.len())?;
        match names(&namespace, &key) {
            Ok((namespace, key)) => {
                let value = self.grants.cache.get(&namespace, &key);
                self.charge_answer(value.as_ref().map_or(0, Vec::len))?;
                Ok(Ok(value))
            }
            Err(error) => Ok(Err(error.into())),
        }
    }

    fn put(&mut self, namespace: String, key: String, value: Vec<u8>, ttl_ms: u64) -> Guest<()> {
        self.charge(HostCall::CachePut, namespace.len() + key.len() + value.len())?;
        let put = || {
            let (namespace, key) = names(&namespace, &key)?;
            if !(1..=TTL_LIMIT_MS).contains(&ttl_ms) {
                return Err(CacheError::InvalidTtl(ttl_ms));
            }
            self.grants.cache.put(&namespace, &key, value, Duration::from_millis(ttl_ms))
        };
        Ok(put().map_err(Error::from))
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
