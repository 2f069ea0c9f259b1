//! Storage against a model: several tenants and as many ordered maps, hostile names, lives, quotas, files that close and
//! are written anew in between.

use std::collections::BTreeMap;

use insula_host_api::{Place, Selection, Write};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

/// Names that meet where a codec is careless: prefixes of each other, separators, normal forms of one letter, extremes.
const KEYS: [&str; 14] =
    ["a", "a\0", "a\0b", "\0", "../a", "/", "a/b", "\u{e9}", "e\u{301}", "\u{10ffff}", "%00", "\u{1}", "ten_", "A"];
const BUCKETS: [&str; 6] =
    ["a", "aa", "a-", "a.a", "0", "z-longest-name-that-a-bucket-can-have-0123456789-0123456789-0"];
const TENANTS: usize = 3;
/// Keys and bytes that each tenant may have: few, so that the edge is met often.
const QUOTA_KEYS: u64 = 12;
const QUOTA_BYTES: u64 = 2_000;

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<(usize, usize, u8)>, Vec<(usize, usize, Wish)>),
    Get(usize, usize),
    GetMany(Vec<(usize, usize)>),
    List(usize, Bounds),
    Buckets(Option<usize>, u32),
    Advance(u64),
    TidyUp,
    Compact,
    Close,
}

#[derive(Debug, Clone)]
struct Bounds {
    prefix: String,
    start: Option<usize>,
    end: Option<usize>,
    reverse: bool,
    values: bool,
    limit: u32,
}

#[derive(Debug, Clone)]
enum Wish {
    Put(usize, Option<u64>),
    Delete,
    Add(i64, Option<u64>),
    Expire(Option<u64>),
}

fn ttl() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![2 => Just(None), 1 => (1..30_u64).prop_map(Some)]
}

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        4 => (0..300_usize, ttl()).prop_map(|(size, ttl)| Wish::Put(size, ttl)),
        2 => Just(Wish::Delete),
        3 => (prop_oneof![Just(1), Just(-1), Just(i64::MAX)], ttl()).prop_map(|(delta, ttl)| Wish::Add(delta, ttl)),
        1 => ttl().prop_map(Wish::Expire),
    ]
}

fn at() -> impl Strategy<Value = (usize, usize)> {
    (0..BUCKETS.len(), 0..KEYS.len())
}

fn step() -> impl Strategy<Value = Step> {
    let preconditions = proptest::collection::vec((at(), 0..3_u8).prop_map(|((b, k), e)| (b, k, e)), 0..2);
    let writes = proptest::collection::vec((at(), wish()).prop_map(|((b, k), wish)| (b, k, wish)), 1..4);
    let bound = || proptest::option::of(0..KEYS.len());
    let bounds = ("(a|\u{0}|e)?", bound(), bound(), any::<bool>(), any::<bool>(), 1..4_u32)
        .prop_map(|(prefix, start, end, reverse, values, limit)| Bounds { prefix, start, end, reverse, values, limit });
    prop_oneof![
        10 => (preconditions, writes).prop_map(|(preconditions, writes)| Step::Commit(preconditions, writes)),
        4 => at().prop_map(|(b, k)| Step::Get(b, k)),
        2 => proptest::collection::vec(at(), 0..5).prop_map(Step::GetMany),
        4 => (0..BUCKETS.len(), bounds).prop_map(|(bucket, bounds)| Step::List(bucket, bounds)),
        2 => (proptest::option::of(0..BUCKETS.len()), 1..4_u32).prop_map(|(after, limit)| Step::Buckets(after, limit)),
        4 => (1..20_u64).prop_map(Step::Advance),
        1 => Just(Step::TidyUp),
        1 => Just(Step::Compact),
        1 => Just(Step::Close),
    ]
}

#[derive(Debug, Clone, PartialEq)]
struct Kept {
    value: Vec<u8>,
    version: u64,
    expires: Option<u64>,
}

impl Kept {
    fn cost(&self, at: &Place) -> u64 {
        let name = (at.bucket.as_str().len() + at.key.as_str().len()) as u64;
        let life = if self.expires.is_some() { name + 16 } else { 0 };
        name + self.value.len() as u64 + 16 + life
    }
}

/// One tenant, as it should be. Keys whose life is over are not in it.
#[derive(Default)]
struct Model {
    keys: BTreeMap<Place, Kept>,
    version: u64,
}

impl Model {
    fn used(&self) -> (u64, u64) {
        (self.keys.iter().map(|(at, kept)| kept.cost(at)).sum(), self.keys.len() as u64)
    }

    fn end_lives(&mut self, now: u64) {
        self.keys.retain(|_, kept| kept.expires.is_none_or(|expires| expires > now));
    }

    /// What a commit answers with: versions and sums, or the code of a refusal.
    fn commit(
        &mut self,
        preconditions: &[Precondition],
        writes: &[Write],
        now: u64,
    ) -> Result<Vec<Option<i64>>, &'static str> {
        for one in preconditions {
            let found = self.keys.get(&one.at).map(|kept| kept.version);
            let holds = match one.expect {
                Expectation::Absent => found.is_none(),
                Expectation::Present => found.is_some(),
                Expectation::Version(version) => found == Some(version),
            };
            if !holds {
                return Err("conflict");
            }
        }
        let (before, mut after, mut version, mut sums) = (self.used(), self.keys.clone(), self.version, Vec::new());
        for write in writes {
            version += 1;
            let old = self.keys.get(&write.at);
            let end = |ttl: &Option<u64>| ttl.map(|ttl| now + ttl);
            let mut sum = None;
            let new = match &write.change {
                Change::Put { value, ttl_ms } => Some((value.clone(), end(ttl_ms))),
                Change::Delete => None,
                Change::Expire { ttl_ms } => old.map(|kept| (kept.value.clone(), end(ttl_ms))),
                Change::Increment { delta, ttl_ms } => {
                    let number = match old.map(|kept| <[u8; 8]>::try_from(kept.value.as_slice())) {
                        None => 0,
                        Some(Ok(bytes)) => i64::from_le_bytes(bytes),
                        Some(Err(_)) => return Err("not-a-number"),
                    };
                    sum = Some(number.checked_add(*delta).ok_or("overflow")?);
                    Some((sum.unwrap().to_le_bytes().to_vec(), old.map_or_else(|| end(ttl_ms), |kept| kept.expires)))
                }
            };
            sums.push(sum);
            match new {
                Some((value, expires)) => drop(after.insert(write.at.clone(), Kept { value, version, expires })),
                None => drop(after.remove(&write.at)),
            }
        }
        let changed = Self { keys: after, version };
        let used = changed.used();
        if (used.0 > before.0 && used.0 > QUOTA_BYTES) || (used.1 > before.1 && used.1 > QUOTA_KEYS) {
            return Err("quota-exceeded");
        }
        *self = changed;
        Ok(sums)
    }

    fn list(&self, selection: &Selection, bucket: &str) -> Vec<String> {
        let key = |at: &Place| at.key.as_str().to_owned();
        let mut keys: Vec<_> = self.keys.keys().filter(|at| at.bucket.as_str() == bucket).map(key).collect();
        keys.retain(|key| {
            key.starts_with(&selection.prefix)
                && selection.start.as_ref().is_none_or(|start| key >= start)
                && selection.end.as_ref().is_none_or(|end| key < end)
        });
        if selection.reverse {
            keys.reverse();
        }
        keys
    }

    fn buckets(&self, after: Option<&str>) -> Vec<String> {
        let mut names: Vec<_> = self.keys.keys().map(|at| at.bucket.as_str().to_owned()).collect();
        names.dedup();
        names.retain(|name| after.is_none_or(|after| name.as_str() > after));
        names
    }
}

struct Run<'a> {
    world: &'a World,
    storages: Vec<Arc<TenantStorage>>,
    models: Vec<Model>,
}

fn named((bucket, key): (usize, usize)) -> Place {
    place(BUCKETS[bucket], KEYS[key])
}

impl Run<'_> {
    async fn step(&mut self, tenant: usize, step: &Step) {
        let now = self.world.clock.now_ms();
        self.models.iter_mut().for_each(|model| model.end_lives(now));
        let (storage, model) = (Arc::clone(&self.storages[tenant]), &mut self.models[tenant]);
        match step {
            Step::Commit(preconditions, writes) => {
                let expectation = |(at, what): (Place, u8)| {
                    let version = model.keys.get(&at).map_or(1, |kept| kept.version);
                    let expect =
                        [Expectation::Absent, Expectation::Present, Expectation::Version(version)][what as usize];
                    Precondition { at, expect }
                };
                let preconditions: Vec<_> =
                    preconditions.iter().map(|(b, k, what)| (named((*b, *k)), *what)).map(expectation).collect();
                let mut apart = BTreeMap::new();
                for (bucket, key, wish) in writes {
                    apart.insert(named((*bucket, *key)), change(wish));
                }
                let writes: Vec<_> = apart.into_iter().map(|(at, change)| Write { at, change }).collect();
                let expected = model.commit(&preconditions, &writes, now);
                let done = storage.commit(preconditions, writes).wait().await;
                assert_eq!(done.map(|done| done.sums).map_err(|refused| refused.code()), expected);
            }
            Step::Get(bucket, key) => {
                let at = named((*bucket, *key));
                let found = storage.get(&at).wait().await.unwrap();
                assert_same(&found, model.keys.get(&at), now);
            }
            Step::GetMany(at) => {
                let at: Vec<_> = at.iter().copied().map(named).collect();
                let found = storage.get_many(at.clone()).wait().await.unwrap();
                assert_eq!(found.len(), at.len());
                for (at, found) in at.iter().zip(&found) {
                    assert_same(found, model.keys.get(at), now);
                }
            }
            Step::List(bucket, bounds) => self.list(tenant, BUCKETS[*bucket], bounds).await,
            Step::Buckets(after, limit) => {
                storage.tidy_up().unwrap();
                let after = after.map(|after| BUCKETS[after]);
                let mut expected = model.buckets(after);
                expected.truncate(*limit as usize);
                let found = storage.buckets(after.map(str::to_owned), *limit).wait().await.unwrap();
                // A file that is closed was not tidied: it may name buckets whose last lives are over.
                if storage.inner.slot.is_open() {
                    storage.tidy_up().unwrap();
                    let found = storage.buckets(after.map(str::to_owned), *limit).wait().await.unwrap();
                    assert_eq!(found, expected);
                } else {
                    assert!(found.is_empty() && expected.is_empty());
                }
            }
            Step::Advance(ms) => self.world.clock.advance(*ms),
            Step::TidyUp => drop(storage.tidy_up().unwrap()),
            Step::Compact => drop(storage.compact().unwrap()),
            Step::Close => assert!(storage.inner.slot.close_if_idle()),
        }
    }

    async fn list(&self, tenant: usize, bucket_name: &str, bounds: &Bounds) {
        let (storage, model, now) = (&self.storages[tenant], &self.models[tenant], self.world.clock.now_ms());
        let text = |bound: Option<usize>| bound.map(|bound| KEYS[bound].to_owned());
        let mut selection = Selection {
            start: text(bounds.start),
            end: text(bounds.end),
            reverse: bounds.reverse,
            values: bounds.values,
            ..Selection::of_prefix(bounds.prefix.clone(), bounds.limit)
        };
        let expected = model.list(&selection, bucket_name);
        let mut found = Vec::new();
        loop {
            let page = storage.list(&bucket(bucket_name), selection.clone()).wait().await.unwrap();
            assert!(page.entries.len() <= bounds.limit as usize);
            for entry in page.entries {
                let kept = &model.keys[&place(bucket_name, &entry.key)];
                let value = if bounds.values { kept.value.clone() } else { Vec::new() };
                let ttl = kept.expires.map(|expires| expires - now);
                assert_eq!((entry.value, entry.version, entry.ttl_ms), (value, kept.version, ttl));
                found.push(entry.key);
            }
            match page.next {
                Some(next) => selection.after = Some(next),
                None => break,
            }
        }
        assert_eq!(found, expected);
    }

    /// Every tenant has what its own model has, and counts it right, whatever the others did.
    fn check(&mut self) {
        let now = self.world.clock.now_ms();
        for (storage, model) in self.storages.iter().zip(&mut self.models) {
            model.end_lives(now);
            let counters = storage.counters().unwrap();
            let (bytes, keys) = model.used();
            // What is over and not yet removed is still counted.
            assert!(counters.bytes >= bytes && counters.keys >= keys);
            storage.tidy_up().unwrap();
            let counters = storage.counters().unwrap();
            assert_eq!((counters.bytes, counters.keys), (bytes, keys));
            assert!(counters.version <= model.version);
        }
    }
}

fn change(wish: &Wish) -> Change {
    match wish {
        Wish::Put(size, ttl_ms) => Change::Put { value: vec![b'v'; *size], ttl_ms: *ttl_ms },
        Wish::Delete => Change::Delete,
        Wish::Add(delta, ttl_ms) => Change::Increment { delta: *delta, ttl_ms: *ttl_ms },
        Wish::Expire(ttl_ms) => Change::Expire { ttl_ms: *ttl_ms },
    }
}

fn assert_same(found: &Option<insula_host_api::Entry>, kept: Option<&Kept>, now: u64) {
    let found = found.as_ref().map(|entry| (entry.value.clone(), entry.version, entry.ttl_ms));
    assert_eq!(found, kept.map(|kept| (kept.value.clone(), kept.version, kept.expires.map(|expires| expires - now))));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_tenants_agree_with_as_many_models() {
    let steps = proptest::collection::vec((0..TENANTS, step()), 1..60);
    let handle = tokio::runtime::Handle::current();
    let check = |steps: Vec<(usize, Step)>| {
        handle.block_on(async {
            let world = World::start_with(settings(2, 1 << 20)).await;
            let third = world.another("third").await;
            let tight = |quota: &mut crate::Quota| {
                quota.storage_keys = QUOTA_KEYS.try_into().unwrap();
                quota.storage_bytes = QUOTA_BYTES.try_into().unwrap();
            };
            let storages = [&world.a, &world.b, &third].map(|scope| world.enter_with(scope, tight).storage()).to_vec();
            let models = (0..TENANTS).map(|_| Model::default()).collect();
            let mut run = Run { world: &world, storages, models };
            for (tenant, step) in &steps {
                run.step(*tenant, step).await;
            }
            run.check();
            world.bystander_is_untouched().await;
        });
        Ok(())
    };
    tokio::task::block_in_place(|| {
        let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
        TestRunner::new(config).run(&steps, check).unwrap();
    });
}
