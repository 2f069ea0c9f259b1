//! An engine without a disk: the model that the conformance suite holds the real one to.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Engine, Read, Table, Verdict, Write};
use crate::storage::failure::Failure;
use crate::storage::key::KeyRange;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// Tables in memory.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    committed: Mutex<Arc<MemoryTables>>,
    writing: Mutex<()>,
}

/// The tables, as of one instant or as a transaction sees them.
#[derive(Debug, Default, Clone)]
pub(crate) struct MemoryTables([Map; 3]);

impl MemoryTables {
    fn map(&self, table: Table) -> &Map {
        &self.0[table as usize]
    }
}

impl Engine for Memory {
    type Snapshot = MemoryTables;
    type Tables<'a> = MemoryTables;

    fn snapshot(&self) -> Result<MemoryTables, Failure> {
        Ok(self.committed.lock().as_ref().clone())
    }

    fn transact<T>(
        &self,
        work: impl FnOnce(&mut MemoryTables) -> Result<(T, Verdict), Failure>,
    ) -> Result<(T, Verdict), Failure> {
        let _writing = self.writing.lock();
        let mut tables = self.snapshot()?;
        let done = work(&mut tables)?;
        if done.1 == Verdict::Commit {
            *self.committed.lock() = Arc::new(tables);
        }
        Ok(done)
    }
}

impl Read for MemoryTables {
    fn get<T>(&self, table: Table, key: &[u8], look: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, Failure> {
        Ok(self.map(table).get(key).map(|value| look(value)))
    }

    fn walk(
        &self,
        table: Table,
        range: &KeyRange,
        reverse: bool,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<(), Failure> {
        let mut found = self.map(table).range::<[u8], _>(range.bounds());
        while let Some((key, value)) = if reverse { found.next_back() } else { found.next() } {
            if visit(key, value)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl Write for MemoryTables {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        self.0[table as usize].insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), Failure> {
        self.0[table as usize].remove(key);
        Ok(())
    }
}
