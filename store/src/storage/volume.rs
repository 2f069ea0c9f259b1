//! One tenant's tables with their meaning: the stamp (T7), the format, the counters, and the view that readers share.
//!
//! The view is made once a transaction and not once a read: a read of an open volume opens no table.

use std::fmt;
use std::sync::Arc;

use insula_tenancy::TenantId;
use parking_lot::RwLock;

use super::counters::Counters;
use super::engine::{Engine, Read, Redb, Table, Verdict, Write};
use super::failure::Failure;

const STAMP: &[u8] = b"tenant";
const FORMAT: &[u8] = b"format";
/// 2: keys end their bucket's name with a zero byte, and may have a life.
const FORMAT_VERSION: &[u8] = &[2];

/// One open volume. Dropping the last handle closes it.
pub(crate) struct Volume<E: Engine = Redb> {
    engine: E,
    view: RwLock<Arc<View<E>>>,
}

/// The tables as the last commit left them. Good while its volume is held too: a volume that is dropped is closed.
pub(crate) struct View<E: Engine = Redb> {
    pub(crate) tables: E::Snapshot,
    pub(crate) counters: Counters,
}

impl<E: Engine> View<E> {
    fn of(engine: &E) -> Result<Arc<Self>, Failure> {
        let tables = engine.snapshot()?;
        let counters = Counters::read(&tables)?;
        Ok(Arc::new(Self { tables, counters }))
    }
}

impl<E: Engine> Volume<E> {
    /// Stamps an engine that is empty and not yet in its place. `fill` may put what is there from the beginning.
    pub(crate) fn create(
        engine: E,
        tenant: TenantId,
        fill: impl FnOnce(&mut E::Tables<'_>) -> Result<Counters, Failure>,
    ) -> Result<Self, Failure> {
        engine.transact(|tables| {
            let stamp = tenant.to_string();
            tables.put(Table::Meta, STAMP, stamp.as_bytes())?;
            tables.put(Table::Meta, FORMAT, FORMAT_VERSION)?;
            fill(tables)?.write(tables)?;
            Ok(((), Verdict::Commit))
        })?;
        Self::over(engine)
    }

    /// Opens an engine that is in its place, and checks that it is this tenant's.
    pub(crate) fn open(engine: E, tenant: TenantId) -> Result<Self, Failure> {
        check_stamp(&engine.snapshot()?, tenant)?;
        Self::over(engine)
    }

    fn over(engine: E) -> Result<Self, Failure> {
        let view = RwLock::new(View::of(&engine)?);
        Ok(Self { engine, view })
    }

    /// What the last commit left. It stays as it is for as long as it is held, and so do its pages in the file: nobody
    /// should hold one for long.
    pub(crate) fn view(&self) -> Arc<View<E>> {
        Arc::clone(&self.view.read())
    }

    /// Does some work in a transaction. The work changes the counters in place, and they are written with it. Whatever
    /// fails leaves the tables as they were.
    pub(crate) fn transact<T>(
        &self,
        work: impl FnOnce(&mut E::Tables<'_>, &mut Counters) -> Result<(T, Verdict), Failure>,
    ) -> Result<T, Failure> {
        let (value, verdict) = self.engine.transact(|tables| {
            let mut counters = Counters::read(tables)?;
            let done = work(tables, &mut counters)?;
            if done.1 == Verdict::Commit {
                counters.write(tables)?;
            }
            Ok(done)
        })?;
        if verdict == Verdict::Commit {
            let view = View::of(&self.engine)?;
            // The old view is let go of after the lock.
            let old = std::mem::replace(&mut *self.view.write(), view);
            drop(old);
        }
        Ok(value)
    }
}

fn check_stamp(tables: &impl Read, tenant: TenantId) -> Result<(), Failure> {
    let stamp = tables.get(Table::Meta, STAMP, <[u8]>::to_vec)?.ok_or(Failure::NoStamp)?;
    if stamp != tenant.to_string().as_bytes() {
        return Err(Failure::Stamp { found: String::from_utf8_lossy(&stamp).into_owned() });
    }
    let known = tables.get(Table::Meta, FORMAT, |format| format == FORMAT_VERSION)?;
    if known == Some(true) { Ok(()) } else { Err(Failure::Format) }
}

impl<E: Engine> fmt::Debug for Volume<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Volume({:?})", self.view.read().counters)
    }
}
