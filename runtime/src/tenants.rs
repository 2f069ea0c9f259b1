//! What the runtime knows of each tenant that has called: its limits, its handles, its active agents.
//!
//! The one way to an entry is a scope (T1): entries are found by the tenant of the scope that asks, and hold that
//! tenant's handles only.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use insula_host_api::{Cache, Configuration};
use insula_store::{
    AgentLimits, AgentName, Catalog, CatalogError, Digest, Limits, Quota, ShelfError, Staging, Stores, TenantStore,
};
use insula_tenancy::{TenantId, TenantScope, VersionId};
use parking_lot::{Mutex, RwLock};

use crate::admission::{Admission, TenantSlots};
use crate::compile::Failures;
use crate::logs::Logs;
use crate::scheduler::Weight;
use crate::sweep::Sweeping;
use crate::time_of_day::TimeOfDay;
use crate::usage::{Meter, UsageBook};

/// The tenants that have called since the host started.
#[derive(Debug)]
pub(crate) struct Tenants {
    catalog: Arc<Catalog>,
    stores: Stores,
    book: Arc<UsageBook>,
    admission: Arc<Admission>,
    entries: RwLock<HashMap<TenantId, Arc<TenantEntry>>>,
    /// Grows with every operator's change: an entry that was read while one happened is read again.
    changes: AtomicU64,
    /// Tenants that were erased since the host started, with their entry until its calls have ended: a scope from before
    /// makes no entry for them again. A few words for each act of an operator.
    erased: Mutex<HashMap<TenantId, Option<Arc<TenantEntry>>>>,
}

/// One tenant.
#[derive(Debug)]
pub(crate) struct TenantEntry {
    pub(crate) id: TenantId,
    pub(crate) store: TenantStore,
    pub(crate) slots: Arc<TenantSlots>,
    pub(crate) weight: Arc<Weight>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) time_of_day: TimeOfDay,
    limits: RwLock<Arc<Limits>>,
    stale: AtomicBool,
    agents: RwLock<HashMap<AgentName, Arc<ActiveAgent>>>,
    /// Held by whoever changes or first reads what is active, so that an older answer never replaces a newer one.
    changing: tokio::sync::Mutex<()>,
    /// Held by an upload from its scan to its end: one tenant's uploads go one by one.
    pub(crate) uploading: tokio::sync::Mutex<()>,
    pub(crate) sweeping: Sweeping,
    /// What did not compile.
    pub(crate) failures: Failures,
    /// Held while a component is compiled again for a new engine.
    pub(crate) recompiling: tokio::sync::Mutex<()>,
    /// Agents whose last change was dropped before it was done, and when: the catalog may still commit it, so that for a
    /// while what is active is read there each time.
    unsettled: Mutex<HashMap<AgentName, Instant>>,
}

/// Longer than the catalog ever takes.
const UNSETTLED: Duration = Duration::from_secs(30);

/// A change that is on its way. Dropped before it is done, it leaves its agent unsettled.
struct Changing<'a> {
    entry: &'a TenantEntry,
    name: &'a AgentName,
    done: bool,
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.entry.unsettled.lock().insert(self.name.clone(), Instant::now());
            self.entry.agents.write().remove(self.name);
        }
    }
}

/// An agent's active version, as calls need it.
pub(crate) struct ActiveAgent {
    pub(crate) name: AgentName,
    pub(crate) version: VersionId,
    pub(crate) version_text: String,
    pub(crate) digest: Digest,
    pub(crate) configuration: Arc<Configuration>,
    /// The agent's own: calls have the smaller of these and the tenant's.
    pub(crate) limits: AgentLimits,
    /// The tenant's cache, as this version sees it.
    pub(crate) cache: Arc<dyn Cache>,
    pub(crate) meter: Arc<Meter>,
}

impl fmt::Debug for ActiveAgent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ActiveAgent({} {})", self.name, self.version_text)
    }
}

impl Tenants {
    pub(crate) fn new(catalog: Arc<Catalog>, stores: Stores, book: Arc<UsageBook>, admission: Arc<Admission>) -> Self {
        let (entries, changes, erased) = (RwLock::default(), AtomicU64::new(0), Mutex::default());
        Self { catalog, stores, book, admission, entries, changes, erased }
    }

    /// The entry of the scope's tenant.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read, or the scope is another host's.
    pub(crate) async fn entry(&self, scope: &TenantScope) -> Result<Arc<TenantEntry>, CatalogError> {
        if let Some(entry) = self.entries.read().get(&scope.tenant())
            && !entry.stale.load(Ordering::Acquire)
        {
            return Ok(Arc::clone(entry));
        }
        self.read(scope).await
    }

    async fn read(&self, scope: &TenantScope) -> Result<Arc<TenantEntry>, CatalogError> {
        let before = self.changes.load(Ordering::SeqCst);
        let record = self.catalog.own_tenant(scope).await?;
        let limits = record.limits;
        let store = self.stores.enter(scope, quota(&limits)).map_err(|_| CatalogError::WrongRealm)?;
        let mut entries = self.entries.write();
        // Under the lock of the entries: whoever erases finds every entry that was let in before.
        if self.erased.lock().contains_key(&scope.tenant()) {
            return Err(CatalogError::NotFound);
        }
        let entry = entries.entry(scope.tenant()).or_insert_with(|| {
            let slots = self.admission.tenant(&limits);
            Arc::new(TenantEntry::new(scope, store, slots, &limits))
        });
        entry.logs.set_limit(limits.log_ring_bytes.get());
        entry.weight.set(limits.weight);
        *entry.limits.write() = Arc::new(limits);
        entry.stale.store(self.changes.load(Ordering::SeqCst) != before, Ordering::Release);
        Ok(Arc::clone(entry))
    }

    /// A file for an archive on its way in. Blocks on the disk.
    pub(crate) fn stage_archive(&self, limit_bytes: u64) -> Result<Staging, ShelfError> {
        self.stores.stage_archive(limit_bytes)
    }

    /// An operator changed this tenant: its next call reads it anew.
    pub(crate) fn changed(&self, tenant: TenantId) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        if let Some(entry) = self.entries.read().get(&tenant) {
            entry.stale.store(true, Ordering::Release);
        }
    }

    /// An operator suspended this tenant: its calls that wait for a place are sent away.
    pub(crate) fn suspended(&self, tenant: TenantId) {
        let entry = self.entries.read().get(&tenant).cloned();
        if let Some(entry) = entry {
            entry.slots.suspend();
        }
    }

    /// An operator changed a tier: the next call of every tenant reads its own anew.
    pub(crate) fn all_changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        for entry in self.entries.read().values() {
            entry.stale.store(true, Ordering::Release);
        }
    }

    /// The tenant is gone.
    pub(crate) fn forget(&self, tenant: TenantId) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.entries.write().remove(&tenant);
    }

    /// The tenant is being erased: nothing leads to its entry any more. The entry, if there is one whose calls may still
    /// run, is for whoever erases it.
    pub(crate) fn bury(&self, tenant: TenantId) -> Option<Arc<TenantEntry>> {
        self.changes.fetch_add(1, Ordering::SeqCst);
        let mut entries = self.entries.write();
        let mut erased = self.erased.lock();
        let entry = erased.entry(tenant).or_default();
        if let Some(open) = entries.remove(&tenant) {
            *entry = Some(open);
        }
        entry.clone()
    }

    /// The calls of a tenant that is being erased have ended.
    pub(crate) fn lay_to_rest(&self, tenant: TenantId) {
        self.erased.lock().insert(tenant, None);
    }

    /// Tenants that have called since the host started.
    pub(crate) fn len(&self) -> usize {
        self.entries.read().len()
    }

    /// The active version of an agent.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NotFound`] when there is none of this name, or none is active.
    pub(crate) async fn active(
        &self,
        scope: &TenantScope,
        entry: &TenantEntry,
        name: &AgentName,
    ) -> Result<Arc<ActiveAgent>, CatalogError> {
        if let Some(active) = entry.agents.read().get(name) {
            return Ok(Arc::clone(active));
        }
        let _changing = entry.changing.lock().await;
        self.read_active(scope, entry, name).await
    }

    /// Does something to an agent in the catalog, and then reads what is active anew: no call that begins after it
    /// returns sees what was before.
    ///
    /// # Errors
    ///
    /// What the act fails with.
    pub(crate) async fn change<T, F>(
        &self,
        scope: &TenantScope,
        entry: &TenantEntry,
        name: &AgentName,
        act: F,
    ) -> Result<T, CatalogError>
    where
        F: Future<Output = Result<T, CatalogError>>,
    {
        let _changing = entry.changing.lock().await;
        let mut changing = Changing { entry, name, done: false };
        let outcome = act.await;
        changing.done = true;
        drop(changing);
        entry.unsettled.lock().remove(name);
        entry.agents.write().remove(name);
        let done = outcome?;
        match self.read_active(scope, entry, name).await {
            Ok(_) | Err(CatalogError::NotFound) => Ok(done),
            // The act is done and the old version is out of the way: the next call reads again.
            Err(error) => {
                tracing::warn!(%error, tenant = %entry.id, agent = %name, "what is active could not be read after a change");
                Ok(done)
            }
        }
    }

    async fn read_active(
        &self,
        scope: &TenantScope,
        entry: &TenantEntry,
        name: &AgentName,
    ) -> Result<Arc<ActiveAgent>, CatalogError> {
        if let Some(active) = entry.agents.read().get(name) {
            return Ok(Arc::clone(active));
        }
        let agent = self.catalog.agent(scope, name).await?;
        let version = agent.active.ok_or(CatalogError::NotFound)?;
        let configuration = self.catalog.configuration(scope, name).await?;
        let active = Arc::new(ActiveAgent {
            name: name.clone(),
            version_text: version.id.to_string(),
            version: version.id,
            digest: version.digest,
            meter: Meter::new(entry.id, agent.id, version.id, &self.book),
            configuration: Arc::new(configuration),
            limits: agent.limits,
            cache: entry.store.cache().for_version(version.id),
        });
        if !entry.is_unsettled(name) {
            entry.agents.write().insert(name.clone(), Arc::clone(&active));
        }
        Ok(active)
    }
}

impl TenantEntry {
    fn new(scope: &TenantScope, store: TenantStore, slots: Arc<TenantSlots>, limits: &Limits) -> Self {
        Self {
            id: scope.tenant(),
            store,
            slots,
            weight: Arc::new(Weight::new(limits.weight)),
            logs: Logs::new(limits.log_ring_bytes.get()),
            time_of_day: TimeOfDay::default(),
            limits: RwLock::new(Arc::new(*limits)),
            stale: AtomicBool::new(false),
            agents: RwLock::default(),
            changing: tokio::sync::Mutex::default(),
            uploading: tokio::sync::Mutex::default(),
            sweeping: Sweeping::new(),
            failures: Failures::default(),
            recompiling: tokio::sync::Mutex::default(),
            unsettled: Mutex::default(),
        }
    }

    fn is_unsettled(&self, name: &AgentName) -> bool {
        let mut unsettled = self.unsettled.lock();
        unsettled.retain(|_, since| since.elapsed() < UNSETTLED);
        unsettled.contains_key(name)
    }

    /// The tenant's limits as they stand.
    pub(crate) fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits.read())
    }
}

fn quota(limits: &Limits) -> Quota {
    Quota {
        storage_bytes: limits.storage_bytes,
        storage_keys: limits.storage_keys,
        cache_bytes: limits.cache_bytes,
        value_bytes: limits.value_bytes,
    }
}
