//! Uploads: streamed to the shelf, scanned, compiled in another process, linked, and only then entered in the catalog.
//!
//! One tenant's uploads go one by one from the scan on, so that two of one agent at once end as two versions in some
//! order, and the last is active. A failure at any step leaves the catalog and what is active as they were.

use std::io::{Read as _, Seek as _};
use std::time::Instant;

use insula_store::{AgentName, AgentRecord, CatalogError, Digest, NewVersion, ShelfError, Staging, VersionRecord};
use insula_tenancy::{Deploy, Permit};

use crate::compile::scan;
use crate::components::LoadComponentError;
use crate::deploy_error::DeployError;
use crate::engine::LoadError;
use crate::report::Report;
use crate::runtime::Inner;
use crate::tenants::TenantEntry;

/// An upload on its way. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct Upload {
    staging: Staging,
}

/// A deployment that is done.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// The agent.
    pub agent: AgentRecord,
    /// Its new version.
    pub version: VersionRecord,
    /// What the upload was found to be.
    pub report: Report,
}

impl Upload {
    /// Adds bytes.
    ///
    /// # Errors
    ///
    /// [`DeployError::TooLarge`] beyond the tenant's `component-bytes`; [`DeployError::DiskFull`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), DeployError> {
        Ok(self.staging.write(bytes)?)
    }

    /// Bytes so far.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.staging.length()
    }

    /// Looks it over. It is in memory as a whole for that long and no longer.
    fn scan(self) -> Result<(Self, Report), DeployError> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.length()).unwrap_or(0));
        let mut reader = self.staging.reader()?;
        let read = reader.rewind().and_then(|()| reader.read_to_end(&mut bytes));
        read.map_err(|source| ShelfError::Io { operation: "read the upload", source })?;
        let report = inspect(&bytes)?;
        Ok((self, report))
    }
}

/// Looks a component over, without a host: what `insula check` shows.
///
/// # Errors
///
/// What an upload of it would be refused for before it is compiled.
pub fn inspect(component: &[u8]) -> Result<Report, DeployError> {
    let mut report = scan(component)?;
    report.digest = Digest::of(component).to_string();
    Ok(report)
}

impl Inner {
    pub(crate) async fn begin_upload(&self, permit: &Permit<'_, Deploy>) -> Result<Upload, DeployError> {
        let entry = self.tenants.entry(permit).await?;
        Ok(Upload { staging: entry.store.shelf().stage(entry.limits().component_bytes.get())? })
    }

    pub(crate) async fn deploy(
        &self,
        permit: &Permit<'_, Deploy>,
        name: &AgentName,
        upload: Upload,
        activate: bool,
    ) -> Result<Deployed, DeployError> {
        let entry = self.tenants.entry(permit).await?;
        let _uploading = entry.uploading.lock().await;
        self.sweep(permit, &entry).await;
        let digest = upload.staging.digest_so_far();
        if let Some(failure) = entry.failures.of(&digest, Instant::now()) {
            return Err(failure);
        }
        let change = entry.sweeping.begin();
        let place = self.compilers.scan_place().await?;
        // The place goes along: a scan goes on when its uploader has gone away, and is in memory as long.
        let scan = blocking(move || {
            let scanned = upload.scan();
            drop(place);
            scanned
        });
        let (upload, mut report) = scan.await?;
        let known = self.keep(&entry, digest, upload, &mut report).await;
        if let Err((error, _)) = &known {
            entry.failures.remember(digest, error, Instant::now());
        }
        let done = match known {
            Ok(was_known) => {
                self.enter(permit, &entry, name, digest, report, activate).await.map_err(|error| (error, was_known))
            }
            Err(failed) => Err(failed),
        };
        match done {
            Ok(deployed) => {
                change.finish();
                Ok(deployed)
            }
            // Whether it was entered is not known: the files stay until the shelf is swept.
            Err((error @ DeployError::Catalog(CatalogError::Failed { .. }), _)) => Err(error),
            Err((error, was_known)) => {
                if !was_known {
                    self.discard(&entry, &[digest]).await;
                }
                change.finish();
                Err(error)
            }
        }
    }

    /// Puts component and artefact on the shelf and links them. Says whether the shelf had them before, also in failing.
    async fn keep(
        &self,
        entry: &TenantEntry,
        digest: Digest,
        upload: Upload,
        report: &mut Report,
    ) -> Result<bool, (DeployError, bool)> {
        let (shelf, fingerprint) = (entry.store.shelf(), self.components.fingerprint().to_owned());
        let looked = blocking(move || {
            Ok((shelf.component(&digest)?.is_some(), shelf.artefact(&digest, &fingerprint)?.is_some()))
        });
        let (had_component, had_artefact) = looked.await.map_err(|error| (error, true))?;
        let outcome = async {
            if !had_artefact {
                self.compile(entry, digest, &upload, report).await?;
            }
            let shelf = entry.store.shelf();
            blocking(move || Ok(shelf.keep_component(upload.staging)?)).await?;
            let loaded = self.components.get(entry, digest).await.map_err(link_error)?;
            report.artefact_bytes = loaded.artefact_bytes;
            Ok(had_component)
        };
        outcome.await.map_err(|error| (error, had_component))
    }

    async fn compile(
        &self,
        entry: &TenantEntry,
        digest: Digest,
        upload: &Upload,
        report: &mut Report,
    ) -> Result<(), DeployError> {
        let (shelf, mut component) = (entry.store.shelf(), upload.staging.reader()?);
        let (component, staged, output) = blocking(move || {
            component.rewind().map_err(|source| ShelfError::Io { operation: "read the upload", source })?;
            let staged = shelf.new_artefact()?;
            let output = staged.file().try_clone();
            Ok((component, staged, output.map_err(|source| ShelfError::Io { operation: "open the artefact", source })?))
        })
        .await?;
        let took = self.compilers.compile(entry.id, component, output).await;
        self.counters.compilation(took.as_ref().map_or_else(DeployError::code, |_| "compiled"));
        let took = took?;
        report.compiled = true;
        report.compile_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let (shelf, fingerprint) = (entry.store.shelf(), self.components.fingerprint().to_owned());
        blocking(move || Ok(shelf.keep_artefact(staged, &digest, &fingerprint)?)).await
    }

    /// Enters the version in the catalog, and makes it what calls see.
    async fn enter(
        &self,
        permit: &Permit<'_, Deploy>,
        entry: &TenantEntry,
        name: &AgentName,
        digest: Digest,
        report: Report,
        activate: bool,
    ) -> Result<Deployed, DeployError> {
        let limits = entry.limits();
        let new = NewVersion {
            digest,
            component_bytes: report.component_bytes,
            report_json: serde_json::to_string(&report).map_err(|_| DeployError::Internal)?,
        };
        let (keep, agents) = (limits.versions.get(), limits.agents.get());
        let add = self.catalog.add_version(permit, name, new, activate, keep, agents);
        let added = self.tenants.change(permit, entry, name, add).await?;
        self.discard(entry, &added.pruned).await;
        Ok(Deployed { agent: added.agent, version: added.version, report })
    }

    /// Drops components that no version uses. What cannot be removed now is garbage, and nothing points to it.
    pub(crate) async fn discard(&self, entry: &TenantEntry, digests: &[Digest]) {
        for digest in digests.iter().copied() {
            self.components.forget(entry.id, digest);
            let shelf = entry.store.shelf();
            if let Err(error) = blocking(move || Ok(shelf.remove(&digest)?)).await {
                tracing::warn!(%error, tenant = %entry.id, %digest, "an unused component could not be removed");
            }
        }
    }
}

pub(crate) fn link_error(error: LoadComponentError) -> DeployError {
    match error {
        LoadComponentError::Link(reason) => DeployError::WrongHandler { reason: format!("{reason:#}") },
        LoadComponentError::Shelf(error) => error.into(),
        LoadComponentError::Compile(error) => error,
        // Just compiled for this engine: what it refuses is a component larger than a slot of its pool.
        LoadComponentError::Load(LoadError::Refused(reason)) => {
            DeployError::CompileFailed { reason: format!("{reason:#}") }
        }
        other => {
            tracing::error!(error = &other as &dyn std::error::Error, "an upload could not be loaded");
            DeployError::Internal
        }
    }
}

/// Files off the threads that others need.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DeployError> + Send + 'static,
) -> Result<T, DeployError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|failed| {
        tracing::error!(%failed, "a deployment step failed");
        Err(DeployError::Internal)
    })
}
