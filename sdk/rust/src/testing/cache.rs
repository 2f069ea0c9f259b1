//! The functions of `wit/cache.wit`, over this thread's memory. One thread is one call: nobody waits.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::memory::check_name;
use crate::Error;
use crate::cache::{Life, Statistics};

const KEY_LIMIT: usize = 512;
const TTL_LIMIT_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// A quarter of the standard `cache-bytes`.
const VALUE_LIMIT: usize = 4 << 20;
const LEASES: usize = 64;

type Name = (String, String);

/// A value as it lies there.
#[derive(Debug)]
struct Kept {
    value: Vec<u8>,
    fresh_until: u64,
    stale_until: u64,
    /// The one version that may have it.
    version: Option<u64>,
}

/// What the cache of a thread holds.
#[derive(Debug, Default)]
pub(super) struct Shard {
    kept: BTreeMap<Name, Kept>,
    /// Keys whose values are being made; false once someone wrote, deleted or cleared the key.
    leased: BTreeMap<Name, bool>,
    now: u64,
    version: u64,
    statistics: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    hits: u64,
    stale_hits: u64,
    misses: u64,
    leases: u64,
    expired: u64,
    removed: u64,
}

thread_local! {
    pub(super) static SHARD: RefCell<Shard> = RefCell::default();
}

/// The right, and the duty, to make the value of one key. Dropped, it is given to the next who asks.
#[derive(Debug)]
pub struct Lease(Name);

/// A value past its freshness.
#[derive(Debug)]
pub struct StaleValue {
    pub value: Vec<u8>,
    pub lease: Option<Lease>,
}

/// What [`get_or_fill`] found.
#[derive(Debug)]
pub enum Lookup {
    Hit(Vec<u8>),
    Stale(StaleValue),
    Fill(Lease),
}

impl Drop for Lease {
    fn drop(&mut self) {
        SHARD.with_borrow_mut(|shard| shard.leased.remove(&self.0));
    }
}

impl Shard {
    pub(super) fn advance(&mut self, ms: u64) {
        self.now = self.now.saturating_add(ms);
        let (now, before) = (self.now, self.kept.len());
        self.kept.retain(|_, kept| kept.stale_until > now);
        self.statistics.expired += (before - self.kept.len()) as u64;
    }

    pub(super) fn activate_another_version(&mut self) {
        self.version += 1;
    }

    pub(super) fn forget(&mut self) {
        self.kept.clear();
    }

    /// What this version may have of a key, and whether it is fresh.
    fn find(&self, name: &Name) -> Option<(&Kept, bool)> {
        let kept = self.kept.get(name)?;
        kept.version.is_none_or(|version| version == self.version).then_some((kept, kept.fresh_until > self.now))
    }

    fn keep(&mut self, name: Name, value: &[u8], life: Life) {
        let fresh_until = self.now.saturating_add(life.ttl_ms);
        let stale_until = fresh_until.saturating_add(life.stale_ms);
        let version = life.this_version_only.then_some(self.version);
        if self.kept.insert(name, Kept { value: value.to_vec(), fresh_until, stale_until, version }).is_some() {
            self.statistics.removed += 1;
        }
    }

    fn disturb(&mut self, named: impl Fn(&Name) -> bool) {
        for (_, undisturbed) in self.leased.iter_mut().filter(|(name, _)| named(name)) {
            *undisturbed = false;
        }
        let before = self.kept.len();
        self.kept.retain(|name, _| !named(name));
        self.statistics.removed += (before - self.kept.len()) as u64;
    }

    fn lease(&mut self, name: Name) -> Result<Lease, Error> {
        if self.leased.len() >= LEASES {
            return Err(Error::new("too-many", format!("a call holds {LEASES} leases at most")));
        }
        self.statistics.leases += 1;
        self.leased.insert(name.clone(), true);
        Ok(Lease(name))
    }
}

/// See `get` in `wit/cache.wit`.
///
/// # Errors
///
/// Those that are listed there.
pub fn get(namespace: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
    let name = parse(namespace, key)?;
    SHARD.with_borrow_mut(|shard| {
        let found = shard.find(&name).filter(|(_, fresh)| *fresh).map(|(kept, _)| kept.value.clone());
        *if found.is_some() { &mut shard.statistics.hits } else { &mut shard.statistics.misses } += 1;
        Ok(found)
    })
}

/// See `put` in `wit/cache.wit`.
///
/// # Errors
///
/// Those that are listed there.
pub fn put(namespace: &str, key: &str, value: &[u8], life: Life) -> Result<(), Error> {
    let name = parse(namespace, key)?;
    check(value, life)?;
    SHARD.with_borrow_mut(|shard| {
        if let Some(undisturbed) = shard.leased.get_mut(&name) {
            *undisturbed = false;
        }
        shard.keep(name, value, life);
    });
    Ok(())
}

/// See `get-or-fill` in `wit/cache.wit`.
///
/// # Errors
///
/// Those that are listed there. Nobody else makes a value here, so that waiting for one is `lease-held`.
pub fn get_or_fill(namespace: &str, key: &str, _wait_ms: u64) -> Result<Lookup, Error> {
    let name = parse(namespace, key)?;
    SHARD.with_borrow_mut(|shard| {
        let leased = shard.leased.contains_key(&name);
        match shard.find(&name).map(|(kept, fresh)| (kept.value.clone(), fresh)) {
            Some((value, true)) => {
                shard.statistics.hits += 1;
                Ok(Lookup::Hit(value))
            }
            Some((value, false)) => {
                shard.statistics.stale_hits += 1;
                let lease = if leased { None } else { Some(shard.lease(name)?) };
                Ok(Lookup::Stale(StaleValue { value, lease }))
            }
            None if leased => Err(Error::new("lease-held", format!("this call is making {namespace}/{key} itself"))),
            None => {
                shard.statistics.misses += 1;
                Ok(Lookup::Fill(shard.lease(name)?))
            }
        }
    })
}

/// See `fill` in `wit/cache.wit`.
///
/// # Errors
///
/// Those that are listed there.
pub(crate) fn fill(lease: Lease, value: &[u8], life: Life) -> Result<bool, Error> {
    check(value, life)?;
    SHARD.with_borrow_mut(|shard| {
        let undisturbed = shard.leased.get(&lease.0).copied().unwrap_or(false);
        if undisturbed {
            shard.keep(lease.0.clone(), value, life);
        }
        Ok(undisturbed)
    })
    // The lease ends here, when it is dropped.
}

/// See `delete` in `wit/cache.wit`.
///
/// # Errors
///
/// Those that are listed there.
pub fn delete(namespace: &str, key: &str) -> Result<(), Error> {
    let name = parse(namespace, key)?;
    SHARD.with_borrow_mut(|shard| shard.disturb(|other| *other == name));
    Ok(())
}

/// See `clear` in `wit/cache.wit`.
///
/// # Errors
///
/// Those that are listed there.
pub fn clear(namespace: &str) -> Result<(), Error> {
    check_name("invalid-namespace", namespace)?;
    SHARD.with_borrow_mut(|shard| shard.disturb(|(other, _)| other == namespace));
    Ok(())
}

/// See `stats` in `wit/cache.wit`. Nothing is evicted here, and nobody waits.
#[must_use]
pub fn stats() -> Statistics {
    SHARD.with_borrow(|shard| {
        let size = |(name, kept): (&Name, &Kept)| (name.0.len() + name.1.len() + kept.value.len()) as u64;
        let counted = &shard.statistics;
        Statistics {
            hits: counted.hits,
            stale_hits: counted.stale_hits,
            misses: counted.misses,
            leases: counted.leases,
            waits: 0,
            evicted: 0,
            expired: counted.expired,
            removed: counted.removed,
            entries: shard.kept.len() as u64,
            bytes: shard.kept.iter().map(size).sum(),
            limit_bytes: 4 * VALUE_LIMIT as u64,
        }
    })
}

/// Every namespace that has entries.
pub(super) fn namespaces() -> BTreeSet<String> {
    SHARD.with_borrow(|shard| shard.kept.keys().map(|(namespace, _)| namespace.clone()).collect())
}

fn parse(namespace: &str, key: &str) -> Result<Name, Error> {
    check_name("invalid-namespace", namespace)?;
    if key.is_empty() || key.len() > KEY_LIMIT {
        return Err(Error::new("invalid-key", format!("a key of {} bytes", key.len())));
    }
    Ok((namespace.to_owned(), key.to_owned()))
}

fn check(value: &[u8], life: Life) -> Result<(), Error> {
    if value.len() > VALUE_LIMIT {
        return Err(Error::new("value-too-large", format!("a value of {} bytes", value.len())));
    }
    if !(1..=TTL_LIMIT_MS).contains(&life.ttl_ms) || life.stale_ms > TTL_LIMIT_MS {
        return Err(Error::new("invalid-ttl", format!("a life of {} ms and {} more", life.ttl_ms, life.stale_ms)));
    }
    Ok(())
}
