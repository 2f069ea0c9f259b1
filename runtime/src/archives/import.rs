//! Making a tenant of an archive.
//!
//! The archive is read to its end before anything is made. What fails afterwards, such as a quota or a component that is
//! not offered what it imports here, erases the tenant again. Until its last step the tenant is `importing`: one that a
//! killed host left half-made is known by that, nobody has its key, and an erasure removes it.

use std::fmt;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use insula_store::{
    ArchiveError, ArchiveHeader, ArchivePart, ArchiveProblem, ArchiveReader, ArchiveTotals, ArchivedAgent, Digest,
    EntryBatch, NewVersion, ShelfError, Staging, TenantName, TenantRecord, TenantStore,
};
use insula_tenancy::{Deploy, OperatorScope, Permit, TenantId, TenantScope};
use tokio::sync::OwnedSemaphorePermit;

use super::blocking;
use crate::control::{Control, ControlError};
use crate::deploy::{inspect, link_error};
use crate::deploy_error::DeployError;
use crate::report::Report;
use crate::runtime::Inner;
use crate::tenants::TenantEntry;

/// The most bytes of an archive that is taken in.
pub const ARCHIVE_BYTES: u64 = 16 << 30;

/// How long an import waits for the one before it.
const PATIENCE: Duration = Duration::from_secs(30);

/// An archive on its way in, on disk. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct ArchiveUpload {
    staging: Staging,
    _turn: OwnedSemaphorePermit,
}

impl ArchiveUpload {
    /// Adds bytes. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// [`ControlError::ArchiveTooLarge`] beyond [`ARCHIVE_BYTES`]; `DiskFull`.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ControlError> {
        self.staging.write(bytes).map_err(|error| match error {
            ShelfError::TooLarge { limit } => ControlError::ArchiveTooLarge { limit },
            other => DeployError::from(other).into(),
        })
    }

    /// The archive, to be read from its beginning.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened once more.
    pub fn read(self) -> Result<impl Read + Seek + Send + use<>, ControlError> {
        let file = self.staging.reader().map_err(DeployError::from)?;
        Ok(Staged { file, _upload: self })
    }
}

/// The file of an upload, and the upload itself, so that the file stays for as long as it is read.
struct Staged {
    file: std::fs::File,
    _upload: ArchiveUpload,
}

impl Read for Staged {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Seek for Staged {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// A tenant that was made of an archive.
pub struct Imported {
    /// The tenant. Its id is new.
    pub tenant: TenantRecord,
    /// Its first key, which may do everything: show it once, and write it nowhere.
    pub key: String,
    /// The tenant that the archive was made of, here or on another host.
    pub from: TenantId,
    /// What the archive held, and the tenant now has.
    pub totals: ArchiveTotals,
}

impl fmt::Debug for Imported {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Imported({} from {})", self.tenant.id, self.from)
    }
}

impl Control {
    /// Begins to take an archive in. There is one on its way at a time; this waits half a minute for its turn.
    ///
    /// # Errors
    ///
    /// [`ControlError::ImportsBusy`], `DiskFull`.
    pub async fn begin_import(&self, _by: &OperatorScope) -> Result<ArchiveUpload, ControlError> {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.0.importing).acquire_owned()).await;
        let turn = turn.ok().and_then(Result::ok).ok_or(ControlError::ImportsBusy)?;
        let inner = Arc::clone(&self.0);
        let staging = blocking(move || Ok(inner.tenants.stage_archive(ARCHIVE_BYTES).map_err(DeployError::from)?));
        Ok(ArchiveUpload { staging: staging.await?, _turn: turn })
    }

    /// Makes a tenant of this name from an archive: its limits, storage, components, agents with their versions and
    /// configuration, and what is active. It goes on to its end also when whoever asked for it goes away.
    ///
    /// # Errors
    ///
    /// [`ControlError::Archive`] with the place of what is wrong, a name that is taken, a quota, a component that is
    /// refused. Nothing is left of the tenant then.
    pub async fn import<R: Read + Seek + Send + 'static>(
        &self,
        by: OperatorScope,
        name: TenantName,
        source: R,
    ) -> Result<Imported, ControlError> {
        let import = import(Arc::clone(&self.0), by, name, source);
        tokio::spawn(import).await.unwrap_or_else(|failed| {
            tracing::error!(%failed, "an import failed");
            Err(ControlError::Interrupted)
        })
    }
}

async fn import<R: Read + Seek + Send + 'static>(
    inner: Arc<Inner>,
    by: OperatorScope,
    name: TenantName,
    source: R,
) -> Result<Imported, ControlError> {
    let (source, header, totals) = blocking(move || check(source)).await?;
    let (tenant, key) = inner.catalog.begin_import(&by, &name, &header.limits, header.tenant).await?;
    let key = key.reveal();
    let filled = async {
        let scope = inner.log_in(tenant.id, &key).await?;
        inner.fill(&scope, source).await?;
        Ok(inner.catalog.finish_import(&by, tenant.id).await?)
    };
    match filled.await {
        Ok(tenant) => {
            inner.tenants.changed(tenant.id);
            Ok(Imported { tenant, key, from: header.tenant, totals })
        }
        Err(error) => {
            inner.undo(&by, tenant.id).await;
            Err(error)
        }
    }
}

/// The archive from its beginning.
fn open<R: Read + Seek>(mut source: R) -> Result<ArchiveReader<BufReader<R>>, ControlError> {
    let unread = |error| ArchiveError { frame: 0, offset: 0, problem: ArchiveProblem::Io(error) };
    source.rewind().map_err(unread)?;
    Ok(ArchiveReader::start(BufReader::new(source))?)
}

/// Reads to the end, and keeps nothing.
fn check<R: Read + Seek>(mut source: R) -> Result<(R, ArchiveHeader, ArchiveTotals), ControlError> {
    let mut reader = open(&mut source)?;
    let header = reader.header().clone();
    let totals = loop {
        if let ArchivePart::End(totals) = reader.next_part()? {
            break totals;
        }
    };
    Ok((source, header, totals))
}

/// Puts components on the shelf, and records in storage.
fn put_back<R: Read + Seek>(mut source: R, store: &TenantStore, component_bytes: u64) -> Result<R, ControlError> {
    let (storage, shelf) = (store.storage(), store.shelf());
    let mut reader = open(&mut source)?;
    let counters = reader.header().counters;
    if counters.version > 0 {
        storage.restore(&EntryBatch::default(), &counters)?;
    }
    let mut staging = None;
    loop {
        match reader.next_part()? {
            ArchivePart::Agent(_) => {}
            ArchivePart::Component { .. } => staging = Some(shelf.stage(component_bytes).map_err(DeployError::from)?),
            ArchivePart::Piece { bytes, last } => {
                let mut component = staging.take().ok_or(DeployError::Internal)?;
                component.write(&bytes).map_err(DeployError::from)?;
                if last {
                    shelf.keep_component(component).map_err(DeployError::from)?;
                } else {
                    staging = Some(component);
                }
            }
            ArchivePart::Entries(batch) => storage.restore(&batch, &counters)?,
            ArchivePart::End(_) => break,
        }
    }
    Ok(source)
}

impl Inner {
    /// Logs in with the first key of the tenant that is being made.
    async fn log_in(&self, tenant: TenantId, key: &str) -> Result<TenantScope, ControlError> {
        let credential = key.parse().map_err(|_| ControlError::Interrupted)?;
        self.authenticator.tenant(&credential).await.map_err(|denied| {
            tracing::error!(%denied, %tenant, "a tenant's first key does not open it");
            ControlError::Interrupted
        })
    }

    async fn fill<R: Read + Seek + Send + 'static>(&self, scope: &TenantScope, source: R) -> Result<(), ControlError> {
        let permit = scope.permit::<Deploy>().map_err(|_| ControlError::Interrupted)?;
        let entry = self.tenants.entry(&permit).await?;
        let _uploading = entry.uploading.lock().await;
        let (store, component_bytes) = (entry.store.clone(), entry.limits().component_bytes.get());
        let source = blocking(move || put_back(source, &store, component_bytes)).await?;
        let mut reader = blocking(move || open(source)).await?;
        loop {
            let next = blocking(move || {
                let part = reader.next_part()?;
                Ok((reader, part))
            });
            let (back, part) = next.await?;
            reader = back;
            // Agents come first.
            let ArchivePart::Agent(agent) = part else { return Ok(()) };
            self.put_agent_back(&permit, &entry, *agent).await?;
        }
    }

    async fn put_agent_back(
        &self,
        permit: &Permit<'_, Deploy>,
        entry: &TenantEntry,
        agent: ArchivedAgent,
    ) -> Result<(), ControlError> {
        let limits = entry.limits();
        // The archive has as many as were kept: none of them is pruned for coming after the others.
        let keep = limits.versions.get().max(agent.versions.len() as u64);
        let mut active = None;
        for version in &agent.versions {
            let mut report = self.scanned(entry, version.digest).await?;
            let is_active = agent.active == Some(version.number);
            if is_active {
                // Compiled and linked now: what answers calls is known to work. The others are when they are activated.
                let loaded = self.components.get(entry, version.digest).await.map_err(link_error)?;
                report.artefact_bytes = loaded.artefact_bytes;
            }
            let new = NewVersion {
                digest: version.digest,
                component_bytes: version.component_bytes,
                report_json: serde_json::to_string(&report).map_err(|_| DeployError::Internal)?,
            };
            let added = self.catalog.add_version(permit, &agent.name, new, false, keep, limits.agents.get()).await?;
            active = if is_active { Some(added.version.id) } else { active };
        }
        self.catalog.set_configuration(permit, &agent.name, &agent.configuration).await?;
        if !agent.limits.is_empty() {
            self.catalog.set_agent_limits(permit, &agent.name, &agent.limits).await?;
        }
        if let Some(version) = active {
            let activate = self.catalog.activate(permit, &agent.name, version);
            self.tenants.change(permit, entry, &agent.name, activate).await?;
        }
        Ok(())
    }

    /// What an upload of a component on the shelf would be found to be.
    async fn scanned(&self, entry: &TenantEntry, digest: Digest) -> Result<Report, ControlError> {
        let shelf = entry.store.shelf();
        blocking(move || {
            let mut file = shelf.component(&digest).map_err(DeployError::from)?.ok_or(DeployError::Internal)?;
            let mut bytes = Vec::new();
            let read = file.read_to_end(&mut bytes);
            read.map_err(|source| DeployError::from(ShelfError::Io { operation: "read a component", source }))?;
            Ok(inspect(&bytes)?)
        })
        .await
    }

    /// Takes away all of a tenant that was not finished, its tombstone too: nobody ever had its key. What cannot be taken
    /// away stays for the operator, who is told.
    async fn undo(&self, by: &OperatorScope, tenant: TenantId) {
        let undone = async {
            self.erase(by, tenant).await?;
            self.catalog.delete_tenant(by, tenant).await?;
            Ok::<_, ControlError>(())
        };
        if let Err(error) = undone.await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, %tenant, "a tenant whose import failed could not be removed: erase it");
        }
    }
}
