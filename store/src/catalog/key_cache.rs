//! Keys that were looked up before, so that a call costs no query.
//!
//! Bounded (B1). An act that changes what a key may do forgets the key before it returns; a look-up that began before the
//! act and ends after it is recognised by the generation, and is not kept.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use insula_tenancy::{KeyId, KeyOwner, KeyRecord, TenantId};
use lru::LruCache;
use parking_lot::{Mutex, MutexGuard};

/// The most keys that are kept, at some 200 bytes each.
const LIMIT: usize = 100_000;

/// Parts with a lock each, so that calls on many processors do not wait for one another here.
const PARTS: usize = 16;

/// The generation that a look-up began in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation(u64);

#[derive(Default)]
pub(super) struct KeyCache {
    parts: [Part; PARTS],
    hasher: RandomState,
}

/// On cache lines of its own.
#[repr(align(128))]
struct Part(Mutex<State>);

struct State {
    records: LruCache<KeyId, Arc<KeyRecord>>,
    generation: u64,
}

impl Default for Part {
    fn default() -> Self {
        // Unbounded to begin with, so that room is made as keys come and not at once; the bound is kept in `keep`.
        Self(Mutex::new(State { records: LruCache::unbounded(), generation: 0 }))
    }
}

impl KeyCache {
    fn part(&self, key: KeyId) -> MutexGuard<'_, State> {
        let [first, ..] = &self.parts;
        let number = usize::try_from(self.hasher.hash_one(key)).unwrap_or_default() % PARTS;
        self.parts.get(number).unwrap_or(first).0.lock()
    }

    pub(super) fn get(&self, key: KeyId) -> Option<Arc<KeyRecord>> {
        self.part(key).records.get(&key).cloned()
    }

    /// To be asked before a look-up of this key begins.
    pub(super) fn generation(&self, key: KeyId) -> Generation {
        Generation(self.part(key).generation)
    }

    /// Keeps what a look-up found, if nothing was forgotten since it began.
    pub(super) fn keep(&self, began: Generation, record: &Arc<KeyRecord>) {
        let mut state = self.part(record.id);
        if state.generation == began.0 {
            if state.records.len() >= LIMIT / PARTS {
                state.records.pop_lru();
            }
            state.records.put(record.id, Arc::clone(record));
        }
    }

    pub(super) fn forget_key(&self, key: KeyId) {
        let mut state = self.part(key);
        state.generation += 1;
        state.records.pop(&key);
    }

    pub(super) fn forget_tenant(&self, tenant: TenantId) {
        let owned = |record: &KeyRecord| record.owner == KeyOwner::Tenant(tenant);
        for part in &self.parts {
            let mut state = part.0.lock();
            state.generation += 1;
            let keys: Vec<_> = state.records.iter().filter(|(_, record)| owned(record)).map(|(key, _)| *key).collect();
            for key in keys {
                state.records.pop(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use insula_tenancy::{NewKey, OwnerState, Permissions};

    use super::*;

    fn record(owner: KeyOwner) -> Arc<KeyRecord> {
        let key = NewKey::generate().unwrap();
        let (permissions, owner_state) = (Permissions::ALL, OwnerState::Active);
        Arc::new(KeyRecord { id: key.id(), hash: key.hash(), owner, permissions, owner_state })
    }

    #[test]
    fn a_look_up_that_raced_with_a_revocation_is_not_kept() {
        let (cache, ours) = (KeyCache::default(), record(KeyOwner::Operator));
        let began = cache.generation(ours.id);
        cache.forget_key(ours.id);
        cache.keep(began, &ours);
        assert!(cache.get(ours.id).is_none());
        cache.keep(cache.generation(ours.id), &ours);
        assert!(cache.get(ours.id).is_some());
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for_and_a_neighbours_key_stays_while_it_is_used() {
        let (cache, theirs) = (KeyCache::default(), record(KeyOwner::Tenant(TenantId::generate())));
        cache.keep(cache.generation(theirs.id), &theirs);
        let flood = record(KeyOwner::Tenant(TenantId::generate()));
        for _ in 0..LIMIT + LIMIT / 4 {
            let id = NewKey::generate().unwrap().id();
            let record = Arc::new(KeyRecord { id, owner_state: flood.owner_state, ..KeyRecord::clone(&flood) });
            cache.keep(cache.generation(id), &record);
            assert!(cache.get(theirs.id).is_some());
        }
        let kept: usize = cache.parts.iter().map(|part| part.0.lock().records.len()).sum();
        assert!(kept <= LIMIT, "{kept}");
    }

    #[test]
    fn forgetting_a_tenant_leaves_the_keys_of_its_neighbours() {
        let (cache, tenant) = (KeyCache::default(), TenantId::generate());
        let ours = [record(KeyOwner::Tenant(tenant)), record(KeyOwner::Tenant(tenant))];
        let theirs = record(KeyOwner::Tenant(TenantId::generate()));
        for record in ours.iter().chain([&theirs]) {
            cache.keep(cache.generation(record.id), record);
        }
        cache.forget_tenant(tenant);
        assert!(ours.iter().all(|record| cache.get(record.id).is_none()));
        assert!(cache.get(theirs.id).is_some());
    }
}
