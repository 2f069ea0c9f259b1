//! The engine in use: redb, one file a tenant.

use std::fmt;
use std::fs::File;
use std::ops::ControlFlow;

use redb::{
    Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition,
    WriteTransaction,
};

use super::{Engine, Read, Table, Verdict, Write};
use crate::storage::failure::Failure;
use crate::storage::key::KeyRange;

type Bytes = &'static [u8];

/// Memory for pages of one open file, in bytes. The operating system's page cache does the rest.
const CACHE_BYTES: usize = 256 << 10;

/// One open file. Dropping it closes the file.
pub(crate) struct Redb {
    database: Database,
}

/// The tables as of one instant. While it lives the file keeps their pages.
pub(crate) struct Snapshot {
    entries: ReadOnlyTable<Bytes, Bytes>,
    expiry: ReadOnlyTable<Bytes, Bytes>,
    meta: ReadOnlyTable<Bytes, Bytes>,
}

/// The tables of a transaction.
pub(crate) struct Tables<'a> {
    entries: redb::Table<'a, Bytes, Bytes>,
    expiry: redb::Table<'a, Bytes, Bytes>,
    meta: redb::Table<'a, Bytes, Bytes>,
}

fn definition(table: Table) -> TableDefinition<'static, Bytes, Bytes> {
    TableDefinition::new(table.name())
}

impl Redb {
    /// Makes the tables in an empty file, or opens a file that has them. Recovers it first where the last process that
    /// had it open was killed.
    pub(crate) fn open(file: File) -> Result<Self, Failure> {
        Self::over(backend(file)?)
    }

    /// The same over any backend.
    pub(crate) fn over(backend: impl StorageBackend) -> Result<Self, Failure> {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        let database = builder.create_with_backend(backend).map_err(Failure::engine("open the storage file"))?;
        Ok(Self { database })
    }

    /// Quick repair means two synchronisations a commit and an instant recovery. It is on because what tenants write is
    /// hostile: the single-phase commit leans on a checksum that an adversary can forge.
    fn begin(&self) -> Result<WriteTransaction, Failure> {
        let mut transaction = self.database.begin_write().map_err(Failure::engine("begin to write"))?;
        transaction.set_durability(Durability::Immediate).map_err(Failure::engine("ask for durability"))?;
        transaction.set_quick_repair(true);
        Ok(transaction)
    }
}

#[cfg(not(test))]
fn backend(file: File) -> Result<impl StorageBackend, Failure> {
    redb::backends::FileBackend::new(file).map_err(Failure::engine::<redb::DatabaseError>("use the storage file"))
}

/// In tests the disk can be told to fail.
#[cfg(test)]
fn backend(file: File) -> Result<impl StorageBackend, Failure> {
    Ok(crate::storage::faults::FaultyBackend::new(file))
}

impl Engine for Redb {
    type Snapshot = Snapshot;
    type Tables<'a> = Tables<'a>;

    fn snapshot(&self) -> Result<Snapshot, Failure> {
        let transaction = self.database.begin_read().map_err(Failure::engine("begin to read"))?;
        let open = |table, absent| match transaction.open_table(definition(table)) {
            Ok(table) => Ok(table),
            Err(redb::TableError::TableDoesNotExist(_)) => Err(absent),
            Err(error) => Err(Failure::engine("open a table")(error)),
        };
        // What has a table of stamps and not the others is of another format, and whole for all that is known.
        let meta = open(Table::Meta, Failure::NoStamp)?;
        let (entries, expiry) = (open(Table::Entries, Failure::Format)?, open(Table::Expiry, Failure::Format)?);
        Ok(Snapshot { entries, expiry, meta })
    }

    fn transact<T>(
        &self,
        work: impl FnOnce(&mut Tables<'_>) -> Result<(T, Verdict), Failure>,
    ) -> Result<(T, Verdict), Failure> {
        let transaction = self.begin()?;
        let done = {
            let open = |table| transaction.open_table(definition(table)).map_err(Failure::engine("open a table"));
            let mut tables =
                Tables { entries: open(Table::Entries)?, expiry: open(Table::Expiry)?, meta: open(Table::Meta)? };
            work(&mut tables)?
        };
        match done.1 {
            Verdict::Commit => transaction.commit().map_err(Failure::engine("commit"))?,
            Verdict::Abandon => transaction.abort().map_err(Failure::engine("abandon a transaction"))?,
        }
        Ok(done)
    }
}

fn get_in<T>(
    table: &impl ReadableTable<Bytes, Bytes>,
    key: &[u8],
    look: impl FnOnce(&[u8]) -> T,
) -> Result<Option<T>, Failure> {
    let found = table.get(key).map_err(Failure::engine("read a value"))?;
    Ok(found.map(|bytes| look(bytes.value())))
}

fn walk_in(
    table: &impl ReadableTable<Bytes, Bytes>,
    range: &KeyRange,
    reverse: bool,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, Failure>,
) -> Result<(), Failure> {
    let mut found = table.range::<&[u8]>(range.bounds()).map_err(Failure::engine("walk over keys"))?;
    while let Some(next) = if reverse { found.next_back() } else { found.next() } {
        let (key, value) = next.map_err(Failure::engine("walk over keys"))?;
        if visit(key.value(), value.value())?.is_break() {
            break;
        }
    }
    Ok(())
}

impl Read for Snapshot {
    fn get<T>(&self, table: Table, key: &[u8], look: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, Failure> {
        match table {
            Table::Entries => get_in(&self.entries, key, look),
            Table::Expiry => get_in(&self.expiry, key, look),
            Table::Meta => get_in(&self.meta, key, look),
        }
    }

    fn walk(
        &self,
        table: Table,
        range: &KeyRange,
        reverse: bool,
        visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<(), Failure> {
        match table {
            Table::Entries => walk_in(&self.entries, range, reverse, visit),
            Table::Expiry => walk_in(&self.expiry, range, reverse, visit),
            Table::Meta => walk_in(&self.meta, range, reverse, visit),
        }
    }
}

impl<'a> Tables<'a> {
    fn table(&self, table: Table) -> &redb::Table<'a, Bytes, Bytes> {
        match table {
            Table::Entries => &self.entries,
            Table::Expiry => &self.expiry,
            Table::Meta => &self.meta,
        }
    }

    fn table_mut(&mut self, table: Table) -> &mut redb::Table<'a, Bytes, Bytes> {
        match table {
            Table::Entries => &mut self.entries,
            Table::Expiry => &mut self.expiry,
            Table::Meta => &mut self.meta,
        }
    }
}

impl Read for Tables<'_> {
    fn get<T>(&self, table: Table, key: &[u8], look: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, Failure> {
        get_in(self.table(table), key, look)
    }

    fn walk(
        &self,
        table: Table,
        range: &KeyRange,
        reverse: bool,
        visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<(), Failure> {
        walk_in(self.table(table), range, reverse, visit)
    }
}

impl Write for Tables<'_> {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        self.table_mut(table).insert(key, value).map(drop).map_err(Failure::engine("write a value"))
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), Failure> {
        self.table_mut(table).remove(key).map(drop).map_err(Failure::engine("remove a value"))
    }
}

impl fmt::Debug for Redb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Redb")
    }
}
