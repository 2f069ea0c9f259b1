//! Two tenants against two models, beside a bystander, all under one ceiling: names are hostile, versions and leases cross,
//! waits are begun, settled and broken off. Only what gives way for room is the cache's own choice; once it was seen to be
//! gone, it must not come back.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use insula_host_api::Answer;
use proptest::prelude::*;

use super::*;

const NAMESPACES: [&str; 4] = ["n", "m", "nn", "n.n"];
const KEYS: [&str; 7] = ["k", "kk", "n\0k", "../k", "\u{e9}", "e\u{301}", "\0"];
const BUDGET: u64 = 8_000;

/// A namespace and a key, by their numbers; one key more is as long as a key may be.
type At = (usize, usize);

fn names((namespace_number, key_number): At) -> (insula_host_api::NamespaceName, insula_host_api::EntryKey) {
    let longest = "k".repeat(insula_host_api::KEY_LIMIT);
    (namespace(NAMESPACES[namespace_number]), key(KEYS.get(key_number).unwrap_or(&longest.as_str())))
}

#[derive(Debug, Clone)]
enum Step {
    Get(At),
    LookUp(At, Patience),
    Put(At, usize, Life),
    Fill(usize, usize, Life),
    DropLease(usize),
    PollWait(usize),
    DropWait(usize),
    Delete(At),
    Clear(usize),
    Advance(u64),
    Budget(u64),
    Sweep,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let at = || (0..NAMESPACES.len(), 0..=KEYS.len());
    let life = || {
        (1..50_u64, 0..30_u64, any::<bool>()).prop_map(|(ttl_ms, stale_ms, this_version_only)| Life {
            ttl_ms,
            stale_ms,
            this_version_only,
        })
    };
    let patience = prop_oneof![
        1 => Just(Patience::HoldsALease),
        1 => Just(Patience::For(Duration::ZERO)),
        4 => Just(Patience::For(Duration::from_mins(1))),
    ];
    prop_oneof![
        40 => at().prop_map(Step::Get),
        80 => (at(), patience).prop_map(|(at, patience)| Step::LookUp(at, patience)),
        40 => (at(), 0..900_usize, life()).prop_map(|(at, size, life)| Step::Put(at, size, life)),
        40 => (any::<usize>(), 0..2_500_usize, life()).prop_map(|(which, size, life)| Step::Fill(which, size, life)),
        20 => any::<usize>().prop_map(Step::DropLease),
        40 => any::<usize>().prop_map(Step::PollWait),
        20 => any::<usize>().prop_map(Step::DropWait),
        15 => at().prop_map(Step::Delete),
        5 => (0..NAMESPACES.len()).prop_map(Step::Clear),
        15 => (1..20_u64).prop_map(Step::Advance),
        5 => (300..12_000_u64).prop_map(Step::Budget),
        5 => Just(Step::Sweep),
        1 => Just(Step::Close),
    ]
}

struct Entry {
    value: Vec<u8>,
    fresh_until: u64,
    stale_until: u64,
    only: Option<usize>,
}

struct Lead {
    at: At,
    version: usize,
    number: usize,
    lease: Box<dyn Lease>,
}

enum Expected {
    Nothing,
    Value(Vec<u8>),
    Lease(usize),
}

struct Waiting {
    at: At,
    version: usize,
    number: usize,
    expected: Expected,
    answer: Pin<Box<dyn Future<Output = Result<FoundOrLease, CacheError>> + Send>>,
}

/// One tenant: the real cache as two versions see it, and what must be true of it.
struct Tenant {
    alone: Alone,
    versions: [Arc<dyn Cache>; 2],
    entries: BTreeMap<At, Entry>,
    /// The lease in force, and who waits, in order.
    flights: BTreeMap<At, (usize, VecDeque<usize>)>,
    leads: Vec<Lead>,
    waits: Vec<Waiting>,
    numbers: usize,
    reads: u64,
    puts: u64,
    closed: bool,
}

impl Tenant {
    fn new(ceiling: &Arc<Ceiling>) -> Self {
        let alone = Alone::under(ceiling, BUDGET);
        let versions = [Arc::clone(&alone.cache), alone.tenant.for_version(VersionId::generate())];
        let (entries, flights, leads, waits) = Default::default();
        Self { alone, versions, entries, flights, leads, waits, numbers: 0, reads: 0, puts: 0, closed: false }
    }

    fn number(&mut self) -> usize {
        self.numbers += 1;
        self.numbers
    }

    fn expect(&mut self, number: usize, expected: Expected) {
        let waiting = self.waits.iter_mut().find(|waiting| waiting.number == number).unwrap();
        waiting.expected = expected;
    }

    fn pass_on(&mut self, at: At) {
        let number = self.number();
        let Some((lease, seats)) = self.flights.get_mut(&at) else { return };
        match seats.pop_front() {
            None => drop(self.flights.remove(&at)),
            Some(heir) => {
                *lease = number;
                self.expect(heir, Expected::Lease(number));
            }
        }
    }

    /// Ends a lease, if it is in force; answers whether it was.
    fn end(&mut self, at: At, lease: usize) -> bool {
        let in_force = self.flights.get(&at).is_some_and(|(number, _)| *number == lease);
        if in_force {
            self.pass_on(at);
        }
        in_force
    }

    fn keep(&mut self, at: At, version: usize, value: &[u8], life: Life) {
        let fresh_until = self.alone.clock.now_ms() + life.ttl_ms;
        let only = life.this_version_only.then_some(version);
        let entry = Entry { value: value.to_vec(), fresh_until, stale_until: fresh_until + life.stale_ms, only };
        if self.flights.contains_key(&at) {
            let seats = std::mem::take(&mut self.flights.get_mut(&at).unwrap().1);
            for seat in seats {
                let theirs = self.waits.iter().find(|waiting| waiting.number == seat).unwrap().version;
                match only {
                    Some(only) if only != theirs => self.flights.get_mut(&at).unwrap().1.push_back(seat),
                    _ => self.expect(seat, Expected::Value(value.to_vec())),
                }
            }
            self.pass_on(at);
        }
        self.entries.insert(at, entry);
        self.puts += 1;
    }

    /// What a version may be given now.
    fn visible(&self, at: At, version: usize) -> Option<&Entry> {
        let now = self.alone.clock.now_ms();
        self.entries.get(&at).filter(|entry| entry.only.is_none_or(|only| only == version) && now < entry.stale_until)
    }

    fn check_value(&self, at: At, version: usize, value: &[u8], fresh: bool) {
        let entry = self.visible(at, version).expect("what is found was put, for this version, and is not over");
        assert_eq!(entry.value, value);
        assert_eq!(fresh, self.alone.clock.now_ms() < entry.fresh_until);
    }

    fn get(&mut self, at: At, version: usize) {
        let (namespace, key) = names(at);
        self.reads += 1;
        match self.versions[version].get(&namespace, &key) {
            Some(value) => self.check_value(at, version, &value, true),
            None => {
                let now = self.alone.clock.now_ms();
                if self.visible(at, version).is_some_and(|entry| now < entry.fresh_until) {
                    self.entries.remove(&at);
                }
            }
        }
    }

    fn take_lead(&mut self, at: At, version: usize, lease: Box<dyn Lease>) {
        let number = self.number();
        assert!(!self.flights.contains_key(&at), "a second lease on one key");
        if !self.closed {
            self.flights.insert(at, (number, VecDeque::new()));
        }
        self.leads.push(Lead { at, version, number, lease });
    }

    fn look_up(&mut self, at: At, version: usize, patience: Patience) {
        let (namespace, key) = names(at);
        let found = match self.versions[version].get_or_fill(&namespace, &key, patience) {
            Answer::Later(answer) => {
                assert!(matches!(patience, Patience::For(time) if !time.is_zero()));
                let number = self.number();
                let (_, seats) = self.flights.get_mut(&at).expect("a wait for nobody");
                seats.push_back(number);
                self.was_not_found(at, version);
                self.waits.push(Waiting { at, version, number, expected: Expected::Nothing, answer });
                return;
            }
            Answer::Ready(found) => found,
        };
        self.reads += 1;
        match found {
            Ok(FoundOrLease::Hit(value)) => return self.check_value(at, version, &value, true),
            Ok(FoundOrLease::Stale(value, lease)) => {
                self.check_value(at, version, &value, false);
                assert_eq!(lease.is_some(), !self.flights.contains_key(&at));
                if let Some(lease) = lease {
                    self.take_lead(at, version, lease);
                }
                return;
            }
            Ok(FoundOrLease::Fill(lease)) => self.take_lead(at, version, lease),
            Err(CacheError::LeaseHeld) => {
                assert!(patience == Patience::HoldsALease && self.flights.contains_key(&at));
            }
            Err(CacheError::FillInProgress) => {
                assert!(patience == Patience::For(Duration::ZERO) && self.flights.contains_key(&at));
            }
            Err(error) => panic!("{error}"),
        }
        self.was_not_found(at, version);
    }

    /// What could have been found and was not gave way, and does not come back.
    fn was_not_found(&mut self, at: At, version: usize) {
        if self.visible(at, version).is_some() {
            self.entries.remove(&at);
        }
    }

    fn put(&mut self, at: At, version: usize, value: Vec<u8>, life: Life) {
        let (namespace, key) = names(at);
        if self.versions[version].put(&namespace, &key, value.clone(), life).is_ok() && !self.closed {
            self.keep(at, version, &value, life);
        }
    }

    fn fill(&mut self, which: usize, value: Vec<u8>, life: Life) {
        if self.leads.is_empty() {
            return;
        }
        let Lead { at, version, number, lease } = self.leads.swap_remove(which % self.leads.len());
        let in_force = self.flights.get(&at).is_some_and(|(current, _)| *current == number);
        match lease.fill(value.clone(), life) {
            Ok(kept) => {
                assert_eq!(kept, in_force, "a lease keeps its value if nothing happened to the key since");
                if kept {
                    self.keep(at, version, &value, life);
                }
            }
            Err(CacheError::ValueTooLarge { .. }) => drop(self.end(at, number)),
            Err(error) => panic!("{error}"),
        }
    }

    fn poll_wait(&mut self, which: usize) {
        if self.waits.is_empty() {
            return;
        }
        let which = which % self.waits.len();
        let waiting = &mut self.waits[which];
        let polled = waiting.answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        match (polled, &waiting.expected) {
            (Poll::Pending, Expected::Nothing) => return,
            (Poll::Ready(Ok(FoundOrLease::Hit(found))), Expected::Value(value)) => assert_eq!(&found, value),
            (Poll::Ready(Ok(FoundOrLease::Fill(lease))), Expected::Lease(number)) => {
                let (at, version, number) = (waiting.at, waiting.version, *number);
                self.leads.push(Lead { at, version, number, lease });
            }
            (polled, _) => panic!("not what was expected: {polled:?}"),
        }
        self.waits.swap_remove(which);
        self.reads += 1;
    }

    fn drop_wait(&mut self, which: usize) {
        if self.waits.is_empty() {
            return;
        }
        let Waiting { at, number, expected, answer, .. } = self.waits.swap_remove(which % self.waits.len());
        drop(answer);
        self.reads += 1;
        match expected {
            Expected::Nothing => self.flights.get_mut(&at).unwrap().1.retain(|seat| *seat != number),
            Expected::Value(_) => {}
            Expected::Lease(lease) => drop(self.end(at, lease)),
        }
    }

    fn clear(&mut self, namespace_number: usize) {
        self.alone.cache.clear(&namespace(NAMESPACES[namespace_number]));
        self.entries.retain(|at, _| at.0 != namespace_number);
        let flights: Vec<At> = self.flights.keys().filter(|at| at.0 == namespace_number).copied().collect();
        flights.into_iter().for_each(|at| self.pass_on(at));
    }

    fn close(&mut self) {
        self.alone.tenant.close();
        self.closed = true;
        self.entries.clear();
        for (_, seats) in std::mem::take(&mut self.flights).into_values() {
            seats.into_iter().for_each(|seat| self.expect(seat, Expected::Lease(0)));
        }
    }

    fn act(&mut self, step: Step, version: usize, stamp: &[u8]) {
        let value = |size| [stamp, &vec![0; size]].concat();
        match step {
            Step::Get(at) => self.get(at, version),
            Step::LookUp(at, patience) => self.look_up(at, version, patience),
            Step::Put(at, size, life) => self.put(at, version, value(size), life),
            Step::Fill(which, size, life) => self.fill(which, value(size), life),
            Step::DropLease(which) if !self.leads.is_empty() => {
                let Lead { at, number, .. } = self.leads.swap_remove(which % self.leads.len());
                self.end(at, number);
            }
            Step::DropLease(_) => {}
            Step::PollWait(which) => self.poll_wait(which),
            Step::DropWait(which) => self.drop_wait(which),
            Step::Delete(at) => {
                let (namespace, key) = names(at);
                self.versions[version].delete(&namespace, &key);
                self.entries.remove(&at);
                self.pass_on(at);
            }
            Step::Clear(namespace) => self.clear(namespace),
            Step::Advance(ms) => self.alone.clock.advance(ms),
            Step::Budget(bytes) => self.alone.set_budget(bytes),
            Step::Sweep => self.alone.tenant.sweep(),
            Step::Close => self.close(),
        }
    }

    /// What holds after every step. Answers the bytes that are held.
    fn check(&self) -> u64 {
        self.alone.tenant.inner.locked.with_shard(inside::check);
        let (statistics, (entries, held)) = (self.alone.cache.statistics(), self.alone.tenant.holdings());
        assert!(held <= statistics.limit_bytes, "{held} of {statistics:?}");
        assert!(statistics.bytes <= held && statistics.bytes >= entries * OVERHEAD);
        assert!(entries <= self.entries.len() as u64, "nothing is there that was not put");
        assert_eq!(self.alone.flights(), (self.flights.len(), self.waits.len()));
        assert_eq!(statistics.hits + statistics.stale_hits + statistics.misses, self.reads, "each read counts once");
        if !self.closed {
            let gone = statistics.evicted + statistics.expired + statistics.removed;
            assert_eq!(entries + gone, self.puts, "each entry that goes counts once");
        }
        held
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_found_is_the_last_value_that_its_reader_may_have(
        steps in proptest::collection::vec((0..2_usize, 0..2_usize, step()), 1..400), ceiling in 2_000..20_000_u64,
    ) {
        // For the timers of those who wait; its time stands still.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _entered = runtime.enter();
        let ceiling = Arc::new(Ceiling::new(NonZeroU64::new(ceiling).unwrap()));
        let bystander = Alone::under(&ceiling, BUDGET);
        put(&bystander.cache, NAMESPACES[0], KEYS[0], b"untouched");
        let mut tenants = [Tenant::new(&ceiling), Tenant::new(&ceiling)];
        for (number, (tenant, version, step)) in steps.into_iter().enumerate() {
            tenants[tenant].act(step, version, &[[u8::try_from(tenant).unwrap()].as_slice(), &number.to_le_bytes()].concat());
            let held: u64 = tenants.iter().map(Tenant::check).sum();
            assert_eq!(ceiling.used(), held + bystander.tenant.holdings().1);
            assert!(ceiling.used() <= ceiling.limit());
        }
        assert_eq!(get(&bystander.cache, NAMESPACES[0], KEYS[0]).unwrap(), b"untouched");
        drop(tenants);
        assert_eq!(ceiling.used(), bystander.tenant.holdings().1);
    }
}
