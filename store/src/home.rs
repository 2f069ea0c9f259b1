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
