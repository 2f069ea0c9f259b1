//! The runtime as its embedder holds it: opened once, cheap to clone, shut down at the end.

mod agents;
mod data;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use insula_store::{
    AgentName, Catalog, CatalogError, DataDir, Limits, Maintenance, OpenDataDirError, StoreSettings, Stores,
    TenantRecord, Usage,
};
use insula_tenancy::{
    Authenticator, Credential, Denied, Deploy, Invoke, KeyLookup, NewKey, OperatorScope, Permit, TenantScope,
};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::admission::Admission;
use crate::chores::Chores;
use crate::compile::{CHECK, CompilerPool};
use crate::components::Components;
use crate::control::Control;
use crate::deploy::{Deployed, Upload};
use crate::deploy_error::DeployError;
use crate::engine::{self, Check, Readiness, Ticker};
use crate::metrics::Counters;
use crate::outcome::{Call, Invocation, InvokeError};
use crate::scheduler::{Scheduler, SchedulerHandle};
use crate::settings::Settings;
use crate::tenants::Tenants;
use crate::usage::UsageBook;

/// A host: one data directory, one engine, any number of tenants. Clones share it.
#[derive(Debug, Clone)]
pub struct Runtime(pub(crate) Arc<Inner>);

/// A runtime that was just opened.
#[derive(Debug)]
pub struct Opened {
    /// The runtime.
    pub runtime: Runtime,
    /// The operator's key, on the first start of a data directory only: show it once.
    pub operator_key: Option<NewKey>,
}

/// A runtime that did not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] OpenDataDirError),
    /// The catalog in it.
    #[error("the catalog could not be opened")]
    Catalog(#[from] CatalogError),
    /// The engine.
    #[error("the engine could not be made: {reason}")]
    Engine {
        /// What wasmtime says.
        reason: String,
    },
    /// The guest threads.
    #[error("the guest threads could not be started")]
    Threads(#[source] std::io::Error),
    /// What the compile worker says that it is shut in with does not hold it (B5).
    #[error("the compile worker is not shut in ({detail}): this host must not take uploads")]
    Sandbox {
        /// What it could do.
        detail: String,
    },
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) tenants: Tenants,
    pub(crate) components: Components,
    pub(crate) compilers: Arc<CompilerPool>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) scheduler: SchedulerHandle,
    pub(crate) maintenance: Maintenance,
    pub(crate) counters: Counters,
    pub(crate) authenticator: Authenticator,
    /// Held by an archive on its way in: there is one at a time.
    pub(crate) importing: Arc<Semaphore>,
    pub(crate) book: Arc<UsageBook>,
    /// Held by an erasure: they go one by one.
    pub(crate) erasing: tokio::sync::Mutex<()>,
    /// Whether every limit bit when it was probed. Guests run on no other host (B5).
    limits_bite: AtomicBool,
    checks: Mutex<Vec<Check>>,
    chores: Chores,
    // Last, and in this order: guests stop before the ticker that would stop them.
    _threads: Scheduler,
    _ticker: Ticker,
}

impl Runtime {
    /// Opens a data directory, makes the engine, starts the guest threads, and probes every limit on both. In a tokio
    /// runtime, whose timers the guests then use.
    ///
    /// A host on which a limit does not bite opens, so that it can say so, and calls no agent: see
    /// [`readiness`](Self::readiness).
    ///
    /// # Errors
    ///
    /// [`OpenError`]. Nothing stays running.
    pub async fn open(settings: Settings) -> Result<Opened, OpenError> {
        let data = settings.data.clone();
        let dir = tokio::task::spawn_blocking(move || DataDir::open(&data))
            .await
            .map_err(|failed| OpenError::Engine { reason: failed.to_string() })??;
        let catalog = Catalog::open(&dir).await?;
        let authenticator = Authenticator::new(Arc::clone(&catalog) as Arc<dyn KeyLookup>);
        catalog.bind(authenticator.realm());
        let store_settings = StoreSettings {
            open_files: settings.host.open_files,
            cache_ceiling_bytes: settings.host.cache_ceiling_bytes,
        };
        let stores = Stores::open(dir, authenticator.realm(), store_settings);
        let engine_error = |error: wasmtime::Error| OpenError::Engine { reason: format!("{error:#}") };
        let engine = Arc::new(engine::config::runtime(&settings.engine).map_err(engine_error)?);
        let (tick, guest_threads) = (settings.engine.tick, settings.engine.guest_threads.get());
        let ticker = Ticker::start(engine.as_ref().clone(), tick).map_err(OpenError::Threads)?;
        let threads = Scheduler::start(guest_threads, tick, &ticker, &Handle::current()).map_err(OpenError::Threads)?;
        let compilers = CompilerPool::new(settings.worker, &settings.host).map_err(OpenError::Threads)?;
        let handle = threads.handle();
        let (mut checks, sandbox) = tokio::join!(engine::probe(&engine, &handle), compilers.probe());
        let limits_bite = checks.iter().all(|check| check.passed);
        checks.push(sandbox.map_err(|open| OpenError::Sandbox { detail: open.detail })?);
        let components = Components::new(Arc::clone(&engine), Arc::clone(&compilers), &settings.engine, &settings.host)
            .map_err(engine_error)?;
        let book = Arc::new(UsageBook::default());
        let slots =
            settings.host.concurrency.get().min(usize::try_from(settings.engine.instances).unwrap_or(usize::MAX));
        let host = &settings.host;
        let admission = Admission::new(
            slots,
            host.guest_memory_bytes.get(),
            host.queue.get(),
            Box::new(engine::config::resident(&engine)),
        );
        let inner = Arc::new(Inner {
            maintenance: stores.maintenance(),
            tenants: Tenants::new(Arc::clone(&catalog), stores, Arc::clone(&book), Arc::clone(&admission)),
            components,
            compilers,
            admission,
            scheduler: threads.handle(),
            counters: Counters::default(),
            authenticator,
            importing: Arc::new(Semaphore::new(1)),
            book,
            erasing: tokio::sync::Mutex::default(),
            limits_bite: AtomicBool::new(limits_bite),
            checks: Mutex::new(checks),
            chores: Chores::default(),
            catalog,
            _threads: threads,
            _ticker: ticker,
        });
        // Last: a key that is made and then not shown, because something else failed, would be lost.
        let operator_key = inner.catalog.ensure_operator_key().await?;
        inner.chores.start(&inner, &settings.host);
        if !limits_bite {
            inner.chores.probe_again(&inner, engine);
        }
        Ok(Opened { runtime: Self(inner), operator_key })
    }

    /// Checks a tenant's credential.
    ///
    /// # Errors
    ///
    /// [`Denied`], with the reason.
    pub async fn login(&self, credential: &Credential) -> Result<TenantScope, Denied> {
        self.0.authenticator.tenant(credential).await
    }

    /// Checks an operator's credential.
    ///
    /// # Errors
    ///
    /// [`Denied`], with the reason.
    pub async fn login_operator(&self, credential: &Credential) -> Result<OperatorScope, Denied> {
        self.0.authenticator.operator(credential).await
    }

    /// Calls an agent. Dropped before it is done, it stops the call.
    ///
    /// # Errors
    ///
    /// [`InvokeError`], when the call did not run. How a call that ran has failed is in its [`Invocation`].
    pub async fn invoke(
        &self,
        permit: &Permit<'_, Invoke>,
        agent: &AgentName,
        call: Call,
    ) -> Result<Invocation, InvokeError> {
        if !self.0.limits_bite() {
            return Err(InvokeError::Unavailable);
        }
        self.0.invoke(permit, agent, call).await
    }

    /// Begins an upload, to be written and then deployed.
    ///
    /// # Errors
    ///
    /// [`DeployError`].
    pub async fn begin_upload(&self, permit: &Permit<'_, Deploy>) -> Result<Upload, DeployError> {
        self.0.begin_upload(permit).await
    }

    /// Makes an upload the newest version of an agent, and by `activate` the one that answers.
    ///
    /// # Errors
    ///
    /// [`DeployError`]; nothing is changed then.
    pub async fn deploy(
        &self,
        permit: &Permit<'_, Deploy>,
        name: &AgentName,
        upload: Upload,
        activate: bool,
    ) -> Result<Deployed, DeployError> {
        self.0.deploy(permit, name, upload, activate).await
    }

    /// What the tenant has used up to now, by agent, version and day, and in all.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read or written.
    pub async fn usage(&self, scope: &TenantScope) -> Result<Usage, CatalogError> {
        self.0.flush_usage().await?;
        self.0.catalog.usage(scope).await
    }

    /// The tenant's limits.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read.
    pub async fn limits(&self, scope: &TenantScope) -> Result<Arc<Limits>, CatalogError> {
        Ok(self.0.tenants.entry(scope).await?.limits())
    }

    /// The tenant itself: its tier, and where each of its limits comes from.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read.
    pub async fn own_tenant(&self, scope: &TenantScope) -> Result<TenantRecord, CatalogError> {
        self.0.catalog.own_tenant(scope).await
    }

    /// The operator's acts.
    #[must_use]
    pub fn control(&self) -> Control {
        Control(Arc::clone(&self.0))
    }

    /// Whether the host may serve, and what was checked.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let closed = self.0.admission.is_closed();
        let mut checks = self.0.checks.lock().clone();
        let detail = if closed { "the host is shutting down" } else { "calls are admitted" };
        checks.push(Check { name: "admission", passed: !closed, detail: detail.to_owned() });
        // Uploads depend on the compile worker, calls do not.
        let ready = checks.iter().filter(|check| check.name != CHECK).all(|check| check.passed);
        Readiness { ready, checks }
    }

    /// Adds a check of the embedder's own to the readiness: what it did to its process, say.
    pub fn add_check(&self, check: Check) {
        self.0.checks.lock().push(check);
    }

    /// What the host counts of itself, as Prometheus reads it.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.0.metrics()
    }

    /// Admits nothing more, waits for the calls in flight, and writes what usage is pending. Calls end by their own
    /// deadlines, so this does too.
    pub async fn shutdown(&self) {
        self.0.admission.close();
        self.0.admission.emptied().await;
        self.0.chores.stop().await;
        if let Err(error) = self.0.flush_usage().await {
            tracing::error!(error = &error as &dyn std::error::Error, "usage could not be written at the end");
        }
        self.0.catalog.close().await;
    }
}

impl Inner {
    fn limits_bite(&self) -> bool {
        self.limits_bite.load(Ordering::Relaxed)
    }

    /// Takes what another round of probes found, and lets calls in once every limit bit. Answers whether it did.
    pub(crate) fn probed(&self, checks: Vec<Check>) -> bool {
        let bite = checks.iter().all(|check| check.passed);
        let mut known = self.checks.lock();
        for check in checks {
            match known.iter_mut().find(|old| old.name == check.name) {
                Some(old) => *old = check,
                None => known.push(check),
            }
        }
        self.limits_bite.store(bite, Ordering::Relaxed);
        bite
    }

    pub(crate) async fn flush_usage(&self) -> Result<(), CatalogError> {
        self.book.flush(&self.catalog, &self.maintenance).await
    }
}
