//! The cache as a call of one version holds it: values are copied here, with the lock let go, and waits have deadlines.

use std::sync::Arc;
use std::time::Duration;

use insula_host_api::{
    Answer, Cache, CacheError, CacheStatistics, EntryKey, FoundOrLease, Lease, Life, NamespaceName, Patience,
};
use insula_tenancy::VersionId;

use super::Inner;
use super::locked::LookedUp;
use super::nodes::Version;
use super::wait::{NewValue, Token, Wait, Waited};

/// The part of the budget that one value may have: a quarter.
const VALUE_PART: u64 = 4;

/// A tenant's cache, for one version of an agent.
pub(super) struct VersionCache {
    inner: Arc<Inner>,
    version: Version,
}

/// A lease that a call holds.
struct HeldLease {
    inner: Arc<Inner>,
    token: Token,
}

impl VersionCache {
    pub(super) fn new(inner: Arc<Inner>, version: VersionId) -> Self {
        Self { inner, version: version.to_bytes() }
    }
}

impl Inner {
    fn new_value(&self, value: Vec<u8>, life: Life) -> Result<NewValue, CacheError> {
        let (size, limit) = (value.len() as u64, self.quota.cache_bytes() / VALUE_PART);
        if size > limit {
            return Err(CacheError::ValueTooLarge { size, limit });
        }
        let Life { ttl_ms, stale_ms, this_version_only } = life;
        Ok(NewValue { value, ttl_ms, stale_ms, this_version_only })
    }

    fn lease(self: &Arc<Self>, token: Token) -> Box<dyn Lease> {
        Box::new(HeldLease { inner: Arc::clone(self), token })
    }

    fn waited(self: &Arc<Self>, waited: Waited) -> FoundOrLease {
        match waited {
            Waited::Value(record) => FoundOrLease::Hit(record.value().to_vec()),
            Waited::Lease(token) => FoundOrLease::Fill(self.lease(token)),
        }
    }

    /// Waits until the flight is over, or for so long.
    async fn wait(self: Arc<Self>, mut wait: Wait, time: Duration) -> Result<FoundOrLease, CacheError> {
        let waited = match tokio::time::timeout(time, &mut wait).await {
            Ok(waited) => Some(waited),
            // What came between the last look and now is not lost.
            Err(_) => wait.give_up(),
        };
        waited.map(|waited| self.waited(waited)).ok_or(CacheError::FillInProgress)
    }
}

impl Cache for VersionCache {
    fn get(&self, namespace: &NamespaceName, key: &EntryKey) -> Option<Vec<u8>> {
        let Inner { locked, clock, .. } = &*self.inner;
        let name = locked.name(namespace.as_str(), key.as_str());
        locked.get(&name, &self.version, clock.now_ms()).map(|record| record.value().to_vec())
    }

    fn put(&self, namespace: &NamespaceName, key: &EntryKey, value: Vec<u8>, life: Life) -> Result<(), CacheError> {
        let Inner { locked, clock, .. } = &*self.inner;
        let value = self.inner.new_value(value, life)?;
        locked.put(&locked.name(namespace.as_str(), key.as_str()), self.version, value, clock.now_ms());
        Ok(())
    }

    fn get_or_fill(
        &self,
        namespace: &NamespaceName,
        key: &EntryKey,
        patience: Patience,
    ) -> Answer<Result<FoundOrLease, CacheError>> {
        let Inner { locked, clock, .. } = &*self.inner;
        let name = locked.name(namespace.as_str(), key.as_str());
        Answer::Ready(match locked.look_up(&name, self.version, patience, clock.now_ms()) {
            Err(refused) => Err(refused),
            Ok(LookedUp::Hit(record)) => Ok(FoundOrLease::Hit(record.value().to_vec())),
            Ok(LookedUp::Stale(record, token)) => {
                Ok(FoundOrLease::Stale(record.value().to_vec(), token.map(|token| self.inner.lease(token))))
            }
            Ok(LookedUp::Lease(token)) => Ok(FoundOrLease::Fill(self.inner.lease(token))),
            Ok(LookedUp::Wait(wait, time)) => {
                return Answer::Later(Box::pin(Arc::clone(&self.inner).wait(wait, time)));
            }
        })
    }

    fn delete(&self, namespace: &NamespaceName, key: &EntryKey) {
        let Inner { locked, clock, .. } = &*self.inner;
        locked.delete(&locked.name(namespace.as_str(), key.as_str()), clock.now_ms());
    }

    fn clear(&self, namespace: &NamespaceName) {
        self.inner.locked.clear(namespace.as_str(), self.inner.clock.now_ms());
    }

    fn statistics(&self) -> CacheStatistics {
        self.inner.statistics()
    }
}

impl Lease for HeldLease {
    fn fill(self: Box<Self>, value: Vec<u8>, life: Life) -> Result<bool, CacheError> {
        let Self { inner, token } = *self;
        // A value that may not be kept leaves the token to its drop, which passes the lease on.
        let value = inner.new_value(value, life)?;
        Ok(token.fill(value, inner.clock.now_ms()))
    }
}
