//! A tenant's own directory, `tenants/<ten_..>/`: the one way from a tenant's state to its files.
//!
//! A home opens and makes what is beneath that directory and nothing else; it has no function that takes an id (T2).

use std::io;
use std::sync::Arc;

use cap_std::fs::Dir;
use insula_tenancy::TenantId;
use parking_lot::RwLock;

use crate::files;

/// One tenant's directory. It comes into being with the first file.
pub(crate) struct Home {
    /// The directory of all tenants. Private, and used with `name` only.
    tenants: Arc<Dir>,
    tenant: TenantId,
    name: String,
    /// Set when the tenant's directory was removed: from then on nothing makes it again.
    removed: RwLock<bool>,
}

impl Home {
    pub(crate) fn new(tenants: Arc<Dir>, tenant: TenantId) -> Self {
        Self { tenants, tenant, name: tenant.to_string(), removed: RwLock::new(false) }
    }

    /// Whose home it is.
    pub(crate) fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The directory, if it is there.
    pub(crate) fn open(&self) -> io::Result<Option<Dir>> {
        files::open_dir(&self.tenants, &self.name)
    }

    /// The directory, made if need be.
    pub(crate) fn make(&self) -> io::Result<Dir> {
        let removed = self.removed.read();
        if *removed {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the tenant's directory was removed"));
        }
        files::make_dir(&self.tenants, &self.name)
    }

    /// A directory in it, if it is there.
    pub(crate) fn open_section(&self, section: &str) -> io::Result<Option<Dir>> {
        match self.open()? {
            Some(home) => files::open_dir(&home, section),
            None => Ok(None),
        }
    }

    /// A directory in it, made if need be.
    pub(crate) fn make_section(&self, section: &str) -> io::Result<Dir> {
        files::make_dir(&self.make()?, section)
    }

    /// Files in it and in its directories, and their bytes.
    pub(crate) fn weigh(&self) -> io::Result<(u64, u64)> {
        let Some(home) = self.open()? else { return Ok((0, 0)) };
        let (mut files, mut bytes) = (0_u64, 0_u64);
        let mut waiting = vec![home];
        while let Some(dir) = waiting.pop() {
            for entry in dir.entries()? {
                let entry = entry?;
                let metadata = entry.metadata()?;
                if metadata.is_dir() {
                    waiting.push(entry.open_dir()?);
                } else {
                    (files, bytes) = (files + 1, bytes.saturating_add(metadata.len()));
                }
            }
        }
        Ok((files, bytes))
    }

    /// Whether it was removed for good.
    pub(crate) fn is_removed(&self) -> bool {
        *self.removed.read()
    }

    /// Removes the directory and all that is in it, for good.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let mut removed = self.removed.write();
        *removed = true;
        if self.open()?.is_some() {
            self.tenants.remove_dir_all(&self.name)?;
            files::sync_dir(&self.tenants)?;
        }
        Ok(())
    }
}
