//! The catalog: tenants, keys, agents, versions, configuration, usage and the audit log, in one SQLite database.
//!
//! Every function takes a scope, and asks whether it is of the realm that the catalog is bound to. A tenant's functions
//! read the tenant from the scope and nowhere else (T2), so a foreign name is not found (T6). Every act of an operator
//! writes its audit record in the same transaction. There is one connection for writing, so a transaction is never told
//! that another was faster.

mod agents;
mod audit;
mod config;
mod erasure;
mod error;
mod key_cache;
mod keys;
mod names;
mod records;
mod rows;
mod sql;
mod tenants;
#[cfg(test)]
mod tests;
mod tiers;
mod usage;
mod versions;

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cap_std::fs::Dir;
use insula_tenancy::{OperatorScope, RealmId, TenantId, TenantScope};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};

pub use erasure::CatalogRows;
pub use error::CatalogError;
pub use names::{AgentName, InvalidAgentName, InvalidTenantName, InvalidTierName, TenantName, TierName};
pub use records::{
    AddedVersion, AgentRecord, AuditRecord, KeyInfo, LimitsChange, NewVersion, TenantRecord, TenantState, TierRecord,
    Usage, UsageAmounts, UsageRow, VersionRecord,
};

use key_cache::KeyCache;

use crate::data_dir::{DataDir, descriptor_path};
use crate::files;

const FILE: &str = "catalog.sqlite";
const READERS: u32 = 4;
/// How long a statement waits for a lock, and a caller for a connection, before it gives up.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most rows of one page of an operator's listing.
const PAGE_LIMIT: u32 = 1_000;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The catalog of one host.
pub struct Catalog {
    inner: Arc<Inner>,
    realm: OnceLock<RealmId>,
}

/// What an act keeps when its caller is gone.
struct Inner {
    writer: SqlitePool,
    readers: SqlitePool,
    keys: KeyCache,
    /// The descriptor that the database's path goes through.
    _dir: Dir,
    /// No other host opens the directory while the catalog lives.
    _lock: Arc<File>,
}

impl Catalog {
    /// Opens the catalog of a data directory, makes it if it is absent, and brings its schema up to this release.
    ///
    /// # Errors
    ///
    /// [`CatalogError::NewerSchema`], [`CatalogError::Failed`].
    pub async fn open(dir: &DataDir) -> Result<Arc<Self>, CatalogError> {
        let directory = dir.directory().map_err(CatalogError::during("open its directory"))?;
        // Made here, so that it is the host's alone from its first moment. SQLite gives its journal the same mode.
        directory
            .open_with(FILE, files::read_write().create(true))
            .map_err(CatalogError::during("make its database"))?;
        let options = SqliteConnectOptions::new()
            .filename(descriptor_path(&directory).join(FILE))
            .foreign_keys(true)
            // What is removed is overwritten with zeroes: an erased tenant's bytes do not stay in free pages.
            .pragma("secure_delete", "ON")
            // What an erasure writes anew in between stays off every other disk.
            .pragma("temp_store", "MEMORY")
            .busy_timeout(PATIENCE)
            .synchronous(SqliteSynchronous::Full);
        let writing = options.clone().journal_mode(SqliteJournalMode::Wal);
        let writer = pool(1).connect_with(writing).await.map_err(CatalogError::during("open its database"))?;
        MIGRATIONS.run(&writer).await.map_err(|error| match error {
            MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => CatalogError::NewerSchema,
            error => CatalogError::during("bring its schema up to date")(error),
        })?;
        let readers = pool(READERS)
            .connect_with(options.pragma("query_only", "ON"))
            .await
            .map_err(CatalogError::during("open its database for reading"))?;
        let inner = Inner { writer, readers, keys: KeyCache::default(), _dir: directory, _lock: dir.lock() };
        Ok(Arc::new(Self { inner: Arc::new(inner), realm: OnceLock::new() }))
    }

    /// Binds the catalog to the realm of the one authenticator over it. The first call counts, and no scope is accepted
    /// before it.
    pub fn bind(&self, realm: RealmId) {
        if self.realm.get_or_init(|| realm) != &realm {
            tracing::error!("the catalog is bound to another authenticator already, and stays bound to it");
        }
    }

    /// Closes every connection, after those in use came back. Nothing can be asked of the catalog afterwards.
    pub async fn close(&self) {
        self.inner.readers.close().await;
        self.inner.writer.close().await;
    }

    fn check_realm(&self, realm: RealmId) -> Result<(), CatalogError> {
        if self.realm.get() == Some(&realm) { Ok(()) } else { Err(CatalogError::WrongRealm) }
    }

    /// The operator's key, for the audit record.
    fn operator(&self, by: &OperatorScope) -> Result<insula_tenancy::KeyId, CatalogError> {
        self.check_realm(by.realm())?;
        Ok(by.key())
    }

    /// The tenant whose scope it is: the only tenant that a tenant's function ever names.
    fn tenant_of(&self, scope: &TenantScope) -> Result<TenantId, CatalogError> {
        self.check_realm(scope.realm())?;
        Ok(scope.tenant())
    }
}

impl Inner {
    /// A transaction that writes.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, CatalogError> {
        self.writer.begin_with(sql::BEGIN).await.map_err(CatalogError::during("begin to write"))
    }

    /// A transaction that reads, all as of one instant.
    async fn snapshot(&self) -> Result<Transaction<'static, Sqlite>, CatalogError> {
        self.readers.begin().await.map_err(CatalogError::during("begin to read"))
    }
}

/// Makes a transaction's writes durable.
async fn commit(transaction: Transaction<'static, Sqlite>) -> Result<(), CatalogError> {
    transaction.commit().await.map_err(CatalogError::during("commit"))
}

/// Runs an act to its end also when its caller goes away half-way: what follows a commit, such as forgetting a revoked
/// key, is never left out.
async fn uninterrupted<T: Send + 'static>(
    act: impl Future<Output = Result<T, CatalogError>> + Send + 'static,
) -> Result<T, CatalogError> {
    tokio::spawn(act).await.map_err(CatalogError::during("finish an act"))?
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
}

impl fmt::Debug for Catalog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Catalog")
    }
}
