//! One host call: made against the real function, and held against the budget, the documented errors and the model.

use insula_host_api::bindings::insula::agent::{cache, config, log, storage};
use insula_host_api::usage::Host as _;
use insula_host_api::{Error, Exhausted, Host, HostCall, LEASES_LIMIT, MESSAGE_LIMIT};

use crate::model::{At, Model};
use crate::plan::{Call, Who};
use crate::world::{Lines, config_of};

const READ: &[&str] = &["invalid-bucket", "invalid-key"];
const GET_MANY: &[&str] = &["invalid-bucket", "invalid-key", "too-many", "answer-too-large"];
const LIST: &[&str] = &["invalid-bucket", "invalid-limit"];
const COMMIT: &[&str] = &[
    "invalid-bucket",
    "invalid-key",
    "conflict",
    "quota-exceeded",
    "value-too-large",
    "invalid-ttl",
    "not-a-number",
    "overflow",
    "duplicate-key",
    "too-many",
];
const CACHE: &[&str] = &["invalid-namespace", "invalid-key"];
const CACHE_PUT: &[&str] = &["invalid-namespace", "invalid-key", "invalid-ttl", "value-too-large"];
const GET_OR_FILL: &[&str] = &["invalid-namespace", "invalid-key", "fill-in-progress", "lease-held", "too-many"];
const FILL: &[&str] = &["invalid-ttl", "value-too-large"];

/// Someone's call: its host side and the leases that it holds.
pub(crate) struct Caller {
    pub(crate) who: Who,
    host: Host,
    leases: Vec<(At, cache::Lookup)>,
}

impl Caller {
    pub(crate) fn new(who: Who, host: Host) -> Self {
        Self { who, host, leases: Vec::new() }
    }

    /// Whether the budget allows a call that brings in so many bytes.
    fn allows(&self, bytes: usize) -> bool {
        let budget = &self.host.budget;
        budget.host_calls() < budget.limits().host_calls.get()
            && budget.host_bytes().saturating_add(bytes as u64) <= budget.limits().host_bytes.get()
    }

    /// What a version of the tenant's agents is called in the model.
    fn by(&self) -> u8 {
        u8::from(self.who == Who::OneNewer)
    }
}

/// The trap of a budget.
#[derive(Debug)]
struct Beyond;

/// Any other trap is a finding.
macro_rules! beyond {
    ($outcome:expr) => {
        $outcome.map_err(|trap| {
            assert!(trap.is::<Exhausted>(), "a trap that is none of the budget: {trap:?}");
            Beyond
        })
    };
}

/// How a call came back.
enum Came<T> {
    Answer(T),
    /// With an error of the function's own.
    Refused(Error),
    /// Beyond its budget before anything was done.
    Nothing,
    /// Beyond its budget with the answer: what it asked for was done.
    Unanswered,
}

/// A trap is there before the act exactly when the budget says so.
fn came<T>(allowed: bool, outcome: Result<T, Beyond>) -> Came<T> {
    assert!(allowed || outcome.is_err(), "a call beyond its budget was answered");
    match outcome {
        Ok(answer) => Came::Answer(answer),
        Err(Beyond) if allowed => Came::Unanswered,
        Err(Beyond) => Came::Nothing,
    }
}

/// The same for a function with errors of its own.
fn came_or<T>(allowed: bool, outcome: Result<Result<T, Error>, Beyond>, codes: &[&str]) -> Came<T> {
    match came(allowed, outcome) {
        Came::Answer(Ok(answer)) => Came::Answer(answer),
        Came::Answer(Err(error)) | Came::Refused(error) => {
            assert!(codes.contains(&error.code.as_str()), "an error that this function does not name: {error:?}");
            assert!(!error.message.is_empty(), "an error without a sentence: {error:?}");
            Came::Refused(error)
        }
        Came::Nothing => Came::Nothing,
        Came::Unanswered => Came::Unanswered,
    }
}

/// What a call acts in.
pub(crate) struct Acting<'a> {
    pub(crate) caller: &'a mut Caller,
    pub(crate) model: &'a mut Model,
    pub(crate) lines: &'a Lines,
    pub(crate) now_ms: u64,
}

impl Acting<'_> {
    /// Makes one call.
    pub(crate) async fn act(&mut self, call: Call) {
        let used = (self.caller.host.budget.host_calls(), self.caller.host.budget.host_bytes());
        let charged = !matches!(call, Call::LetGo { .. } | Call::Fill { .. });
        match call {
            Call::Get { .. } | Call::GetMany { .. } | Call::List { .. } | Call::Buckets { .. } => self.read(call).await,
            Call::Commit { preconditions, writes } => self.commit(preconditions, writes).await,
            Call::Put { .. } | Call::Delete { .. } | Call::Increment { .. } => self.write(call).await,
            Call::Log { level, message } => self.log(level, message),
            Call::ConfigGet { .. } | Call::ConfigAll | Call::Usage | Call::Stats => self.look(call),
            Call::GetOrFill { namespace, key, wait_ms } => self.get_or_fill(namespace, key, wait_ms).await,
            Call::Fill { lease, value, life } => self.fill(lease, value, life),
            Call::LetGo { lease } => self.let_go(lease),
            Call::CacheGet { .. } | Call::CachePut { .. } | Call::CacheDelete { .. } | Call::Clear { .. } => {
                self.cache(call);
            }
        }
        let budget = &self.caller.host.budget;
        assert!(!charged || budget.host_calls() == used.0 + 1, "a call that was not counted");
        assert!(budget.host_bytes() >= used.1, "bytes that were given back");
        assert!(budget.log().used() <= budget.log().limit(), "more log than is allowed");
    }

    async fn read(&mut self, call: Call) {
        let Self { caller, model, now_ms, .. } = self;
        let now_ms = *now_ms;
        match call {
            Call::Get { bucket, key } => {
                let (allowed, at) = (caller.allows(bucket.len() + key.len()), (bucket.clone(), key.clone()));
                let outcome = beyond!(storage::Host::get(&mut caller.host, bucket, key).await);
                if let Came::Answer(found) = came_or(allowed, outcome, READ) {
                    model.check_get(&at, found.as_ref(), now_ms);
                }
            }
            Call::GetMany { at } => {
                let allowed = caller.allows(at.iter().map(|at| at.bucket.len() + at.key.len()).sum());
                let outcome = beyond!(storage::Host::get_many(&mut caller.host, at.clone()).await);
                if let Came::Answer(found) = came_or(allowed, outcome, GET_MANY) {
                    assert_eq!(found.len(), at.len(), "not one answer for each key");
                    for (at, found) in at.into_iter().zip(found) {
                        model.check_get(&(at.bucket, at.key), found.as_ref(), now_ms);
                    }
                }
            }
            Call::List { bucket, selection } => {
                let bounds = [&selection.start, &selection.end, &selection.after];
                let bounds: usize = bounds.into_iter().flatten().map(String::len).sum();
                let allowed = caller.allows(bucket.len() + selection.prefix.len() + bounds);
                let outcome = beyond!(storage::Host::list(&mut caller.host, bucket.clone(), selection.clone()).await);
                if let Came::Answer(page) = came_or(allowed, outcome, LIST) {
                    check_page(model, &bucket, &selection, &page, now_ms);
                }
            }
            Call::Buckets { after, limit } => {
                let allowed = caller.allows(after.as_ref().map_or(0, String::len));
                let outcome = beyond!(storage::Host::buckets(&mut caller.host, after, limit).await);
                if let Came::Answer(names) = came_or(allowed, outcome, LIST) {
                    assert!(names.len() <= limit as usize && names.is_sorted(), "{names:?}");
                    assert!(names.iter().all(|name| model.has_bucket(name)), "{names:?} has a bucket of nobody's");
                }
            }
            _ => {}
        }
    }

    async fn commit(&mut self, preconditions: Vec<storage::Precondition>, writes: Vec<storage::Write>) {
        let bytes = |write: &storage::Write| {
            let value = if let storage::Change::Put(content) = &write.change { content.value.len() } else { 8 };
            write.at.bucket.len() + write.at.key.len() + value
        };
        let conditions: usize = preconditions.iter().map(|one| one.at.bucket.len() + one.at.key.len() + 8).sum();
        let allowed = self.caller.allows(conditions + writes.iter().map(bytes).sum::<usize>());
        let holds = || preconditions.iter().filter_map(|one| self.model.holds(one, self.now_ms)).all(|holds| holds);
        let (holds, unknown) = (holds(), preconditions.iter().any(|one| self.model.holds(one, self.now_ms).is_none()));
        let outcome = beyond!(storage::Host::commit(&mut self.caller.host, preconditions, writes.clone()).await);
        match came_or(allowed, outcome, COMMIT) {
            Came::Answer(versions) => {
                assert!(holds, "a commit was done though a precondition did not hold");
                assert_eq!(versions.len(), writes.len(), "not one version for each write");
                assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
                self.model.commit(&writes, Some(&versions), self.now_ms);
            }
            Came::Unanswered => self.model.commit(&writes, None, self.now_ms),
            Came::Refused(error) if error.code == "conflict" => {
                assert!(!holds || unknown, "every precondition holds, and there was a conflict: {error:?}");
            }
            Came::Refused(_) | Came::Nothing => {}
        }
    }

    async fn write(&mut self, call: Call) {
        let Self { caller, model, now_ms, .. } = self;
        let (host, now_ms) = (&mut caller.host, *now_ms);
        let one = |bucket: &str, key: &str, change| {
            [storage::Write { at: storage::Address { bucket: bucket.to_owned(), key: key.to_owned() }, change }]
        };
        let allows = |host: &Host, bytes| {
            let (calls, moved) = (host.budget.host_calls(), host.budget.host_bytes().saturating_add(bytes as u64));
            calls < host.budget.limits().host_calls.get() && moved <= host.budget.limits().host_bytes.get()
        };
        match call {
            Call::Put { bucket, key, value, ttl_ms } => {
                let allowed = allows(host, bucket.len() + key.len() + value.len());
                let change = storage::Change::Put(storage::Content { value: value.clone(), ttl_ms });
                let writes = one(&bucket, &key, change);
                let outcome = beyond!(storage::Host::put(host, bucket, key, value, ttl_ms).await);
                match came_or(allowed, outcome, COMMIT) {
                    Came::Answer(version) => model.commit(&writes, Some(&[version]), now_ms),
                    Came::Unanswered => model.commit(&writes, None, now_ms),
                    Came::Refused(_) | Came::Nothing => {}
                }
            }
            Call::Delete { bucket, key } => {
                let allowed = allows(host, bucket.len() + key.len());
                let writes = one(&bucket, &key, storage::Change::Delete);
                let outcome = beyond!(storage::Host::delete(host, bucket, key).await);
                if matches!(came_or(allowed, outcome, COMMIT), Came::Answer(()) | Came::Unanswered) {
                    model.commit(&writes, None, now_ms);
                }
            }
            Call::Increment { bucket, key, delta, ttl_ms } => {
                let allowed = allows(host, bucket.len() + key.len() + 8);
                let writes = one(&bucket, &key, storage::Change::Increment(storage::Addition { delta, ttl_ms }));
                let at = (bucket.clone(), key.clone());
                let outcome = beyond!(storage::Host::increment(host, bucket, key, delta, ttl_ms).await);
                match came_or(allowed, outcome, COMMIT) {
                    Came::Answer(sum) => {
                        model.commit(&writes, None, now_ms);
                        assert_eq!(model.number(&at, now_ms), Some(sum), "the sum at {at:?}");
                    }
                    Came::Unanswered => model.commit(&writes, None, now_ms),
                    Came::Refused(_) | Came::Nothing => {}
                }
            }
            _ => {}
        }
    }

    fn log(&mut self, level: log::Level, message: String) {
        let (allowed, before) = (self.caller.allows(message.len()), self.lines.count());
        let dropped = self.caller.host.budget.log().dropped();
        let outcome = beyond!(log::Host::write(&mut self.caller.host, level, message));
        let written = self.lines.count() - before;
        match came(allowed, outcome) {
            Came::Answer(()) => {
                let now_dropped = self.caller.host.budget.log().dropped() - dropped;
                assert_eq!(written as u64 + now_dropped, 1, "a line is written or dropped");
                if written == 1 {
                    let line = self.lines.last();
                    assert!(line.len() <= MESSAGE_LIMIT + " [cut]".len(), "a line of {} bytes", line.len());
                    assert!(!line.contains(|character: char| character.is_control() && character != '\t'), "{line:?}");
                }
            }
            Came::Nothing => assert_eq!(written, 0, "a line that was not paid for"),
            Came::Refused(_) | Came::Unanswered => assert!(!allowed, "a line has no answer to pay for"),
        }
    }

    /// What changes nothing, beside storage and values of the cache.
    fn look(&mut self, call: Call) {
        let Self { caller, .. } = self;
        let config = config_of(caller.who);
        match call {
            Call::ConfigGet { name } => {
                let (allowed, expected) = (caller.allows(name.len()), (name == "name").then_some(config));
                let outcome = beyond!(config::Host::get(&mut caller.host, name));
                if let Came::Answer(value) = came(allowed, outcome) {
                    assert_eq!(value, expected, "a configuration that is not the tenant's");
                }
            }
            Call::ConfigAll => {
                let allowed = caller.allows(0);
                let outcome = beyond!(config::Host::all(&mut caller.host));
                if let Came::Answer(all) = came(allowed, outcome) {
                    assert_eq!(all, [("name".to_owned(), config)], "a configuration that is not the tenant's");
                }
            }
            Call::Usage => {
                let allowed = caller.allows(0);
                let outcome = caller.host.allowances(HostCall::UsageReport, 0, 0).map_err(|_| Beyond);
                if let Came::Answer(allowances) = came(allowed, outcome) {
                    assert!(allowances.iter().all(|one| one.used <= one.limit), "{allowances:?}");
                }
            }
            Call::Stats => {
                let allowed = caller.allows(0);
                let outcome = beyond!(cache::Host::stats(&mut caller.host));
                came(allowed, outcome);
            }
            _ => {}
        }
    }

    fn cache(&mut self, call: Call) {
        let Self { caller, model, now_ms, .. } = self;
        let (by, now_ms) = (caller.by(), *now_ms);
        match call {
            Call::CacheGet { namespace, key } => {
                let (allowed, at) = (caller.allows(namespace.len() + key.len()), (namespace.clone(), key.clone()));
                let outcome = beyond!(cache::Host::get(&mut caller.host, namespace, key));
                if let Came::Answer(Some(value)) = came_or(allowed, outcome, CACHE) {
                    model.check_cached(&at, &value, false, by, now_ms);
                }
            }
            Call::CachePut { namespace, key, value, life } => {
                let allowed = caller.allows(namespace.len() + key.len() + value.len());
                let at = (namespace.clone(), key.clone());
                let outcome = beyond!(cache::Host::put(&mut caller.host, namespace, key, value.clone(), life));
                if let Came::Answer(()) | Came::Unanswered = came_or(allowed, outcome, CACHE_PUT) {
                    model.cache(at, value, life, by, now_ms);
                }
            }
            Call::CacheDelete { namespace, key } => {
                let (allowed, at) = (caller.allows(namespace.len() + key.len()), (namespace.clone(), key.clone()));
                let outcome = beyond!(cache::Host::delete(&mut caller.host, namespace, key));
                if let Came::Answer(()) = came_or(allowed, outcome, CACHE) {
                    model.forget(&at);
                }
            }
            Call::Clear { namespace } => {
                let (allowed, name) = (caller.allows(namespace.len()), namespace.clone());
                let outcome = beyond!(cache::Host::clear(&mut caller.host, namespace));
                if let Came::Answer(()) = came_or(allowed, outcome, CACHE) {
                    model.clear(&name);
                }
            }
            _ => {}
        }
    }

    async fn get_or_fill(&mut self, namespace: String, key: String, wait_ms: u64) {
        let Self { caller, model, now_ms, .. } = self;
        let (allowed, at) = (caller.allows(namespace.len() + key.len()), (namespace.clone(), key.clone()));
        let outcome = beyond!(cache::Host::get_or_fill(&mut caller.host, namespace, key, wait_ms).await);
        let held = caller.leases.len();
        match came_or(allowed, outcome, GET_OR_FILL) {
            Came::Answer(cache::Lookup::Hit(value)) => model.check_cached(&at, &value, false, caller.by(), *now_ms),
            Came::Answer(found) => {
                let leased = match &found {
                    cache::Lookup::Stale(stale) => {
                        model.check_cached(&at, &stale.value, true, caller.by(), *now_ms);
                        stale.lease.is_some()
                    }
                    _ => true,
                };
                if leased {
                    assert!(held < LEASES_LIMIT, "a call with {held} leases was given another");
                    caller.leases.push((at, found));
                }
            }
            Came::Refused(error) if error.code == "lease-held" => assert!(held > 0, "{error:?}"),
            Came::Refused(_) | Came::Nothing | Came::Unanswered => {}
        }
    }

    /// One of the leases that the call holds.
    fn take(&mut self, lease: usize) -> Option<(At, cache::Lookup)> {
        let leases = &mut self.caller.leases;
        let index = lease.checked_rem(leases.len())?;
        Some(leases.swap_remove(index))
    }

    fn fill(&mut self, lease: usize, value: Vec<u8>, life: cache::Life) {
        let Some((at, found)) = self.take(lease) else { return };
        let lease = match found {
            cache::Lookup::Fill(lease) => Some(lease),
            cache::Lookup::Stale(stale) => stale.lease,
            cache::Lookup::Hit(_) => None,
        };
        let Some(lease) = lease else { return };
        let Self { caller, model, now_ms, .. } = self;
        let allowed = caller.allows(value.len());
        let outcome = beyond!(cache::Host::fill(&mut caller.host, lease, value.clone(), life));
        if let Came::Answer(true) = came_or(allowed, outcome, FILL) {
            model.cache(at, value, life, caller.by(), *now_ms);
        }
    }

    fn let_go(&mut self, lease: usize) {
        let Some((_, found)) = self.take(lease) else { return };
        let lease = match found {
            cache::Lookup::Fill(lease) => Some(lease),
            cache::Lookup::Stale(stale) => stale.lease,
            cache::Lookup::Hit(_) => None,
        };
        if let Some(lease) = lease {
            let gone = cache::HostLease::drop(&mut self.caller.host, lease);
            assert!(gone.is_ok(), "a lease that was held could not be let go: {gone:?}");
        }
    }
}

/// A page has keys of the bucket, the prefix and the range that were asked for, in order, and none that is not known.
fn check_page(model: &Model, bucket: &str, asked: &storage::Selection, page: &storage::Page, now_ms: u64) {
    let keys: Vec<&str> = page.entries.iter().map(|entry| entry.key.as_str()).collect();
    assert!(keys.len() <= asked.limit as usize, "{} entries; {} were asked for", keys.len(), asked.limit);
    let ordered = keys.is_sorted_by(|a, b| if asked.reverse { a > b } else { a < b });
    assert!(ordered, "{keys:?} is not in order");
    let fits = |key: &str| {
        let beyond = |after: &str| if asked.reverse { key < after } else { key > after };
        key.starts_with(&asked.prefix)
            && asked.start.as_deref().is_none_or(|start| key >= start)
            && asked.end.as_deref().is_none_or(|end| key < end)
            && asked.after.as_deref().is_none_or(beyond)
    };
    for entry in &page.entries {
        assert!(fits(&entry.key), "{:?} was not asked for: {asked:?}", entry.key);
        model.check_entry(&(bucket.to_owned(), entry.key.clone()), entry, asked.values, now_ms);
    }
    if page.next.is_none() {
        let all = model.alive(now_ms).filter(|at| at.0 == bucket && fits(&at.1)).count();
        assert_eq!(keys.len(), all, "{keys:?} is not all that there is for {asked:?}");
    }
}
