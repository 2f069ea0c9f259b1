//! Writing a tenant's archive.
//!
//! Storage is as of one instant. Agents are read beside it, and the tenant's uploads and deletions wait until its
//! components are written, so that what a version names is there. Memory holds one agent or one batch at a time.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use insula_store::{
    AgentName, ArchiveHeader, ArchiveTotals, ArchiveWriter, ArchivedAgent, ArchivedVersion, Digest, StorageSnapshot,
    TenantRecord,
};
use insula_tenancy::{Export, OperatorAct, OperatorScope, Permit, TenantId, TenantScope};

use super::blocking;
use crate::control::{Control, ControlError};
use crate::deploy_error::DeployError;
use crate::runtime::Inner;
use crate::tenants::TenantEntry;

impl Control {
    /// Writes a tenant's archive to `sink`, which may block, and gives the sink back. The archive is whole only when this
    /// answers.
    ///
    /// # Errors
    ///
    /// `NotFound`; [`ControlError::Unrecorded`]; [`ControlError::Archive`] when the sink refuses.
    pub async fn export<W: Write + Send + 'static>(
        &self,
        by: &OperatorScope,
        tenant: TenantId,
        sink: W,
    ) -> Result<(W, ArchiveTotals), ControlError> {
        let scope = self.0.authenticator.act_as(by, tenant, OperatorAct::Export).await?;
        let permit = scope.permit::<Export>().map_err(|_| ControlError::Unrecorded)?;
        self.0.export(&permit, sink).await
    }
}

fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(0))
}

impl Inner {
    async fn export<W: Write + Send + 'static>(
        &self,
        permit: &Permit<'_, Export>,
        sink: W,
    ) -> Result<(W, ArchiveTotals), ControlError> {
        let entry = self.tenants.entry(permit).await?;
        let record = self.catalog.own_tenant(permit).await?;
        let uploading = entry.uploading.lock().await;
        let (snapshot, mut writer) = begin(&entry, record, sink).await?;
        let mut components = BTreeMap::new();
        for agent in self.catalog.agents(permit).await? {
            let agent = self.archived(permit, agent.name).await?;
            components.extend(agent.versions.iter().map(|version| (version.digest, version.component_bytes)));
            writer = blocking(move || {
                writer.agent(&agent)?;
                Ok(writer)
            })
            .await?;
        }
        for (digest, length) in components {
            writer = component(&entry, writer, digest, length).await?;
        }
        drop(uploading);
        blocking(move || {
            snapshot.export_entries(&mut |batch| writer.entries(&batch))?;
            Ok(writer.finish()?)
        })
        .await
    }

    async fn archived(&self, scope: &TenantScope, name: AgentName) -> Result<ArchivedAgent, ControlError> {
        let configuration = self.catalog.configuration(scope, &name).await?;
        let limits = self.catalog.agent(scope, &name).await?.limits;
        let mut versions = self.catalog.versions(scope, &name).await?;
        versions.reverse();
        let active = versions.iter().find(|version| version.active).map(|version| version.number);
        let versions = versions.into_iter().map(|version| ArchivedVersion {
            number: version.number,
            digest: version.digest,
            component_bytes: version.component_bytes,
        });
        Ok(ArchivedAgent { name, configuration, limits, active, versions: versions.collect() })
    }
}

/// Takes the instant, and writes the header.
async fn begin<W: Write + Send + 'static>(
    entry: &TenantEntry,
    record: TenantRecord,
    sink: W,
) -> Result<(StorageSnapshot, ArchiveWriter<W>), ControlError> {
    let storage = entry.store.storage();
    blocking(move || {
        let snapshot = storage.snapshot()?;
        let header = ArchiveHeader::new(record.id, record.name, record.limits, snapshot.counters(), now_us());
        let writer = ArchiveWriter::start(sink, &header)?;
        Ok((snapshot, writer))
    })
    .await
}

async fn component<W: Write + Send + 'static>(
    entry: &TenantEntry,
    mut writer: ArchiveWriter<W>,
    digest: Digest,
    length: u64,
) -> Result<ArchiveWriter<W>, ControlError> {
    let (shelf, tenant) = (entry.store.shelf(), entry.id);
    blocking(move || {
        let Some(mut file) = shelf.component(&digest).map_err(DeployError::from)? else {
            tracing::error!(%tenant, %digest, "a component that a version names is gone from the shelf");
            return Err(DeployError::Internal.into());
        };
        writer.component(&digest, length, &mut file)?;
        Ok(writer)
    })
    .await
}
