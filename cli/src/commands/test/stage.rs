//! The throw-away host that cases run on: the production one, with pairs of tenants made for it.
//!
//! Calls go over HTTP with a key, as any client's. What a case finds in storage before it, and what is looked at behind
//! it, goes through the handle that an embedder has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use insula_runtime::storage::{Change, Place, Selection, Storage, Write};
use insula_runtime::tenancy::{Deploy, Manage, OperatorScope, TenantId, TenantScope};
use insula_runtime::{AgentName, EngineSettings, LogQuery, LogReader, Runtime};
use insula_server::ServerSettings;
use ureq::http::Method;

use crate::client::{self, Client, Request};
use crate::commands::invoke;
use crate::connection::Target;
use crate::failure::{Explain, Failure};
use crate::host::{self, Serving};
use crate::limits;
use crate::log_lines::LogLine;
use crate::outcome::Outcome;
use crate::signals::Orders;
use crate::source::Agent;

use super::case::{Ask, Case};

/// Writes of one commit.
const WRITES: usize = 256;
/// Entries of one page.
const PAGE: u32 = 1_000;
/// Log lines that are kept of one case.
const LOG_LINES: usize = 200;

/// The host and its operator.
pub(super) struct Stage<'a> {
    agent: &'a Agent,
    runtime: Runtime,
    operator: OperatorScope,
    serving: Serving,
    name: AgentName,
    config: BTreeMap<String, String>,
}

/// A tenant with the agent.
pub(super) struct Stand {
    id: TenantId,
    scope: TenantScope,
    client: Client,
    storage: Arc<dyn Storage>,
    log: LogReader,
    seen: u64,
}

/// Two tenants that have the same past.
pub(super) struct Pair {
    pub(super) first: Stand,
    pub(super) second: Stand,
}

/// One key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) value: Vec<u8>,
    pub(super) version: u64,
    pub(super) has_end: bool,
}

/// Everything that a tenant has stored, by bucket and key.
pub(super) type Contents = BTreeMap<(String, String), Kept>;

/// What one run of a case came to in one tenant.
pub(super) struct Played {
    pub(super) outcomes: Vec<Outcome>,
    pub(super) contents: Contents,
    /// Fresh hits, stale hits and misses of the cache.
    pub(super) cache: [u64; 3],
    pub(super) log: Vec<LogLine>,
}

impl<'a> Stage<'a> {
    /// Starts a host in this directory.
    pub(super) async fn set(data: &Path, agent: &'a Agent, name: AgentName) -> anyhow::Result<Self> {
        let landlock = host::landlock::Off::Builds.check();
        let opened = host::open(data, EngineSettings::standard(), host::settings(), landlock).await?;
        let key = opened.operator_key.map(|key| key.reveal()).unwrap_or_default();
        let operator = host::operator(&opened.runtime, &key).await?;
        let any_port = ([127, 0, 0, 1], 0).into();
        let serving = host::serve(&opened.runtime, ServerSettings::standard(any_port)).await?;
        let config = agent.manifest.as_ref().map(|manifest| manifest.config.clone()).unwrap_or_default();
        Ok(Self { agent, runtime: opened.runtime, operator, serving, name, config })
    }

    /// Two new tenants with the agent. The host compiles it for each of them.
    pub(super) async fn pair(&self, number: usize) -> anyhow::Result<Pair> {
        let (first, second) =
            tokio::join!(self.stand(format!("case-{number}-a")), self.stand(format!("case-{number}-b")));
        Ok(Pair { first: first?, second: second? })
    }

    async fn stand(&self, name: String) -> anyhow::Result<Stand> {
        let patch = limits::patch(&[])?;
        let (id, key) = host::create_tenant(&self.runtime, &self.operator, &name.parse()?, &patch).await?;
        let scope = host::log_in(&self.runtime, &key).await?;
        host::deploy(&self.runtime, &scope, &self.name, self.agent, &BTreeMap::new()).await?;
        let storage = self.runtime.storage(&scope.permit::<Manage>()?).await?;
        let log = self.runtime.logs(&scope.permit::<Deploy>()?).await?;
        let client = Client::new(&Target { url: self.serving.url(), key });
        Ok(Stand { id, scope, client, storage, log, seen: 0 })
    }

    /// Makes both tenants of a pair as new, and puts there what the case wants to find. Where one of them cannot be, or
    /// they are not alike any more, both are replaced.
    pub(super) async fn prepare(&self, pair: &mut Pair, case: &Case, number: usize) -> anyhow::Result<()> {
        let empty = self.empty(&mut pair.first).await? && self.empty(&mut pair.second).await?;
        let versions = (self.fill(&pair.first, case).await?, self.fill(&pair.second, case).await?);
        if empty && versions.0 == versions.1 {
            return Ok(());
        }
        *pair = self.pair(number).await?;
        self.fill(&pair.first, case).await?;
        self.fill(&pair.second, case).await?;
        Ok(())
    }

    /// Takes everything out of storage and cache. Answers with whether both are empty.
    async fn empty(&self, stand: &mut Stand) -> anyhow::Result<bool> {
        let keys: Vec<_> = stand.contents().await?.into_keys().collect();
        for chunk in keys.chunks(WRITES) {
            let delete =
                |(bucket, key): &(String, String)| Ok(Write { at: Place::parse(bucket, key)?, change: Change::Delete });
            let writes = chunk.iter().map(delete).collect::<anyhow::Result<_>>()?;
            stand.storage.commit(Vec::new(), writes).wait().await?;
        }
        // A cache has no list of what is in it. One without room has nothing in it.
        let manage = stand.scope.permit::<Manage>()?;
        if self.runtime.cache_statistics(&manage).await?.entries > 0 {
            let standard = self.runtime.limits(&stand.scope).await?;
            let room = standard.entries().find(|(name, _)| *name == "cache-bytes").map_or(1, |(_, value)| value);
            for bytes in [1, room] {
                let patch = limits::patch(&[("cache-bytes".to_owned(), bytes)])?;
                self.runtime.control().update_tenant(&self.operator, stand.id, None, &patch).await?;
                // The tenant has the new limits from the next look at them.
                self.runtime.limits(&stand.scope).await?;
            }
        }
        stand.seen = stand.new_lines().1;
        let left = self.runtime.cache_statistics(&manage).await?.entries;
        Ok(left == 0 && stand.contents().await?.is_empty())
    }

    /// Configures the agent and writes what the case begins with. Answers with the versions of what was written, which
    /// tell whether two tenants have the same past.
    async fn fill(&self, stand: &Stand, case: &Case) -> anyhow::Result<Vec<u64>> {
        let mut config = self.config.clone();
        config.extend(case.config.clone());
        let deploy = stand.scope.permit::<Deploy>()?;
        let set = self.runtime.set_configuration(&deploy, &self.name, config).await;
        set.explain(format_args!("cannot configure the agent for the case `{}`", case.name), "correct its [config]")?;
        let mut versions = Vec::new();
        let put = |(at, stored): &(Place, super::value::Stored)| {
            let change = Change::Put { value: stored.bytes.clone(), ttl_ms: stored.ttl_ms };
            Write { at: at.clone(), change }
        };
        for chunk in case.before.chunks(WRITES) {
            let committed = stand.storage.commit(Vec::new(), chunk.iter().map(put).collect()).wait().await;
            let committed = committed.explain(
                format_args!("cannot store what the case `{}` begins with", case.name),
                "correct its [storage]",
            )?;
            versions.extend(committed.versions);
        }
        if versions.is_empty() {
            // Deleting what is not there has a version as well, and changes nothing.
            let nothing = Write { at: Place::parse("case", "case")?, change: Change::Delete };
            versions = stand.storage.commit(Vec::new(), vec![nothing]).wait().await?.versions;
        }
        Ok(versions)
    }

    /// Plays a case in one tenant.
    pub(super) fn play(&self, stand: &Stand, case: &Case, on: &tokio::runtime::Handle) -> anyhow::Result<Played> {
        let manage = stand.scope.permit::<Manage>()?;
        let counts = || -> anyhow::Result<[u64; 3]> {
            let counted = on.block_on(self.runtime.cache_statistics(&manage))?;
            Ok([counted.hits, counted.stale_hits, counted.misses])
        };
        let before = counts()?;
        on.block_on(self.runtime.tell_time(&manage, case.clock))?;
        let mut outcomes = Vec::new();
        for ask in &case.calls {
            if ask.clock.is_some() {
                on.block_on(self.runtime.tell_time(&manage, ask.clock))?;
            }
            outcomes.push(self.call(stand, ask)?);
        }
        let after = counts()?;
        let mut cache = [0; 3];
        for (used, (after, before)) in cache.iter_mut().zip(after.into_iter().zip(before)) {
            *used = after.saturating_sub(before);
        }
        let contents = on.block_on(stand.contents())?;
        Ok(Played { outcomes, contents, cache, log: stand.new_lines().0 })
    }

    fn call(&self, stand: &Stand, ask: &Ask) -> anyhow::Result<Outcome> {
        let path = client::path(&["agents", self.name.as_str(), "invoke"]);
        let mut request =
            Request::new(Method::POST, path).body(&ask.content_type, ask.body.clone()).header("insula-bill", "detail");
        for (name, value) in &ask.metadata {
            request = request.header(format!("insula-meta-{name}"), value);
        }
        if let Some(key) = &ask.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let mut outcome = invoke::outcome(self.name.as_str(), stand.client.exchange(request)?);
        if let Err(problem) = &mut outcome.answer {
            // The debug information is here, and not on the host.
            problem.trouble = std::mem::take(&mut problem.trouble).located(&self.agent.component, self.agent.folder());
        }
        Ok(outcome)
    }

    /// Stops the host.
    pub(super) async fn clear(self) {
        self.serving.drain().await;
    }
}

impl Stand {
    /// Everything that the tenant has stored.
    pub(super) async fn contents(&self) -> anyhow::Result<Contents> {
        let mut contents = Contents::new();
        let mut last = None;
        loop {
            let buckets = self.storage.buckets(last.clone(), PAGE).wait().await?;
            for bucket in &buckets {
                self.read_bucket(bucket, &mut contents).await?;
            }
            match buckets.into_iter().last() {
                Some(bucket) => last = Some(bucket),
                None => return Ok(contents),
            }
        }
    }

    async fn read_bucket(&self, bucket: &str, contents: &mut Contents) -> anyhow::Result<()> {
        let name = Place::parse(bucket, "any")?.bucket;
        let mut selection = Selection { values: true, ..Selection::of_prefix("", PAGE) };
        loop {
            let page = self.storage.list(&name, selection.clone()).wait().await?;
            for entry in page.entries {
                let kept = Kept { value: entry.value, version: entry.version, has_end: entry.ttl_ms.is_some() };
                contents.insert((bucket.to_owned(), entry.key), kept);
            }
            match page.next {
                Some(next) => selection.after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// The log since the last case, and where it ends.
    fn new_lines(&self) -> (Vec<LogLine>, u64) {
        let (mut lines, mut since) = (Vec::new(), self.seen);
        loop {
            let page = self.log.page(&LogQuery { agent: None, since: Some(since), limit: LOG_LINES });
            if page.lines.is_empty() {
                let surplus = lines.len().saturating_sub(LOG_LINES);
                lines.drain(..surplus);
                return (lines, page.next.max(since));
            }
            since = page.next;
            lines.extend(page.lines.into_iter().map(LogLine::from));
        }
    }
}

/// Ends the command when someone interrupts it: also then nothing is left behind.
pub(super) async fn clear_when_told(data: PathBuf) {
    let Ok(mut orders) = Orders::listen() else { return };
    orders.next().await;
    // What cannot be removed is in the system's folder for temporary files.
    let _ = std::fs::remove_dir_all(data);
    std::process::exit(i32::from(crate::FAILED));
}

/// What a thread of this command that panicked amounts to.
pub(super) fn panicked() -> Failure {
    Failure::new("a run of the cases ended unexpectedly").advise("run it again; if it stays, report it")
}
