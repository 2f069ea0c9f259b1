//! The engine under one tenant's storage: a redb file with two tables of plain bytes.
//!
//! `entries` maps encoded keys to records; `meta` holds the tenant's stamp (T7), the format and the counters. Both are
//! `&[u8]` to `&[u8]`, so that the engine's own ideas of types never decide what our bytes mean.

use std::fs::File;

use insula_tenancy::TenantId;
use redb::{
    Database, Durability, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition,
    WriteTransaction,
};

use super::failure::Failure;

pub(crate) type Bytes = &'static [u8];

pub(crate) const ENTRIES: TableDefinition<Bytes, Bytes> = TableDefinition::new("entries");
const META: TableDefinition<Bytes, Bytes> = TableDefinition::new("meta");
const STAMP: &[u8] = b"tenant";
const FORMAT: &[u8] = b"format";
const FORMAT_VERSION: &[u8] = &[1];
const COUNTERS: &[u8] = b"counters";
/// Memory for pages of one open file, in bytes. The operating system's page cache does the rest.
const CACHE_BYTES: usize = 256 << 10;

/// What the file counts: kept in the same transaction as what it counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// The last version given out.
    pub(crate) version: u64,
    /// Buckets, keys, values and overhead, in bytes.
    pub(crate) bytes: u64,
    /// Keys.
    pub(crate) keys: u64,
}

impl Counters {
    fn encode(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        let numbers = [self.version, self.bytes, self.keys];
        for (place, number) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(numbers) {
            *place = number.to_be_bytes();
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        match (numbers, rest) {
            ([version, bytes, keys], []) => Ok(Self {
                version: u64::from_be_bytes(*version),
                bytes: u64::from_be_bytes(*bytes),
                keys: u64::from_be_bytes(*keys),
            }),
            _ => Err(Failure::Malformed("the record of counters")),
        }
    }
}

/// One open file. Dropping the last handle closes it.
#[derive(Debug)]
pub(crate) struct Engine {
    database: Database,
}

impl Engine {
    /// Makes the tables and the stamp in a file that is empty and not yet in its place.
    pub(crate) fn create(file: File, tenant: TenantId) -> Result<Self, Failure> {
        let engine = Self { database: open_database(file)? };
        let transaction = engine.begin_write()?;
        transaction.open_table(ENTRIES).map_err(Failure::engine("make the table of entries"))?;
        {
            let mut meta = transaction.open_table(META).map_err(Failure::engine("make the table of counters"))?;
            let counters = Counters::default().encode();
            let stamp = tenant.to_string();
            for (name, value) in [(STAMP, stamp.as_bytes()), (FORMAT, FORMAT_VERSION), (COUNTERS, &counters)] {
                meta.insert(name, value).map_err(Failure::engine("write the stamp"))?;
            }
        }
        transaction.commit().map_err(Failure::engine("commit the stamp"))?;
        Ok(engine)
    }

    /// Opens a file that is in its place, and checks that it is this tenant's.
    pub(crate) fn open(file: File, tenant: TenantId) -> Result<Self, Failure> {
        let length = file.metadata().map_err(Failure::file("look at the storage file"))?.len();
        if length == 0 {
            // The engine would take an empty file for a new one, and lost data for none.
            return Err(Failure::NoStamp);
        }
        let engine = Self { database: open_database(file)? };
        engine.check_stamp(tenant)?;
        Ok(engine)
    }

    fn check_stamp(&self, tenant: TenantId) -> Result<(), Failure> {
        let transaction = self.begin_read()?;
        let meta = match transaction.open_table(META) {
            Ok(meta) => meta,
            Err(redb::TableError::TableDoesNotExist(_)) => return Err(Failure::NoStamp),
            Err(error) => return Err(Failure::engine("open the table of counters")(error)),
        };
        let stamp = meta.get(STAMP).map_err(Failure::engine("read the stamp"))?.ok_or(Failure::NoStamp)?;
        if stamp.value() != tenant.to_string().as_bytes() {
            return Err(Failure::Stamp { found: String::from_utf8_lossy(stamp.value()).into_owned() });
        }
        let format = meta.get(FORMAT).map_err(Failure::engine("read the format"))?;
        if format.is_none_or(|format| format.value() != FORMAT_VERSION) {
            return Err(Failure::Format);
        }
        Ok(())
    }

    /// A view of the file as of now.
    pub(crate) fn begin_read(&self) -> Result<ReadTransaction, Failure> {
        self.database.begin_read().map_err(Failure::engine("begin to read"))
    }

    /// The one write transaction of the file, on disk when its commit returns.
    ///
    /// Quick repair means two synchronisations a commit and an instant recovery. It is on because what tenants write is
    /// hostile: the single-phase commit leans on a checksum that an adversary can forge.
    pub(crate) fn begin_write(&self) -> Result<WriteTransaction, Failure> {
        let mut transaction = self.database.begin_write().map_err(Failure::engine("begin to write"))?;
        transaction.set_durability(Durability::Immediate).map_err(Failure::engine("ask for durability"))?;
        transaction.set_quick_repair(true);
        Ok(transaction)
    }

    /// The table of entries, for reading.
    pub(crate) fn entries(transaction: &ReadTransaction) -> Result<ReadOnlyTable<Bytes, Bytes>, Failure> {
        transaction.open_table(ENTRIES).map_err(Failure::engine("open the table of entries"))
    }

    /// The counters as they stand.
    pub(crate) fn counters(&self) -> Result<Counters, Failure> {
        let transaction = self.begin_read()?;
        let meta = transaction.open_table(META).map_err(Failure::engine("open the table of counters"))?;
        read_counters(&meta)
    }
}

/// The counters, as a write transaction sees them.
pub(crate) fn counters_in(transaction: &WriteTransaction) -> Result<Counters, Failure> {
    let meta = transaction.open_table(META).map_err(Failure::engine("open the table of counters"))?;
    read_counters(&meta)
}

/// Writes the counters, in the transaction of what they count.
pub(crate) fn set_counters(transaction: &WriteTransaction, counters: Counters) -> Result<(), Failure> {
    let mut meta = transaction.open_table(META).map_err(Failure::engine("open the table of counters"))?;
    let bytes = counters.encode();
    meta.insert(COUNTERS, bytes.as_slice()).map_err(Failure::engine("write the counters"))?;
    Ok(())
}

fn read_counters(meta: &impl ReadableTable<Bytes, Bytes>) -> Result<Counters, Failure> {
    let bytes = meta.get(COUNTERS).map_err(Failure::engine("read the counters"))?;
    Counters::decode(bytes.ok_or(Failure::Malformed("the record of counters"))?.value())
}

#[cfg(not(test))]
fn open_database(file: File) -> Result<Database, Failure> {
    let backend = redb::backends::FileBackend::new(file)
        .map_err(Failure::engine::<redb::DatabaseError>("use the storage file"))?;
    builder().create_with_backend(backend).map_err(Failure::engine("open the storage file"))
}

/// In tests the disk can be told to fail.
#[cfg(test)]
fn open_database(file: File) -> Result<Database, Failure> {
    let backend = super::faults::FaultyBackend::new(file);
    builder().create_with_backend(backend).map_err(Failure::engine("open the storage file"))
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}
