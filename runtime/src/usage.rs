//! Usage: what calls used, summed in memory and written to the catalog in batches.
//!
//! A crash loses what came since the last batch, one flush interval at most; a clean stop loses nothing.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use insula_store::{Catalog, CatalogError, Maintenance, UsageRow};
use insula_tenancy::{AgentId, TenantId, VersionId};
use parking_lot::Mutex;

use crate::Bill;

/// Counts the calls of one version of one agent.
#[derive(Debug)]
pub(crate) struct Meter {
    tenant: TenantId,
    agent: AgentId,
    version: VersionId,
    pending: Mutex<Option<UsageRow>>,
    book: Arc<UsageBook>,
}

/// All meters with something to write.
#[derive(Debug, Default)]
pub(crate) struct UsageBook {
    dirty: Mutex<Vec<Arc<Meter>>>,
    /// Held while a batch is on its way, so that a reader of usage sees each call once.
    writing: tokio::sync::Mutex<()>,
}

impl Meter {
    pub(crate) fn new(tenant: TenantId, agent: AgentId, version: VersionId, book: &Arc<UsageBook>) -> Arc<Self> {
        Arc::new(Self { tenant, agent, version, pending: Mutex::new(None), book: Arc::clone(book) })
    }

    /// Adds one call.
    pub(crate) fn add(self: &Arc<Self>, bill: &Bill, failed: bool) {
        let mut pending = self.pending.lock();
        let fresh = pending.is_none();
        let row = pending.get_or_insert_with(|| self.row());
        row.calls += 1;
        row.failures += u64::from(failed);
        row.fuel = row.fuel.saturating_add(bill.fuel);
        row.cpu_us = row.cpu_us.saturating_add(bill.cpu_us);
        row.wall_us = row.wall_us.saturating_add(bill.wall_us);
        row.host_calls = row.host_calls.saturating_add(bill.host_calls);
        row.host_bytes = row.host_bytes.saturating_add(bill.host_bytes);
        row.peak_memory = row.peak_memory.max(bill.peak_memory);
        drop(pending);
        if fresh {
            self.book.dirty.lock().push(Arc::clone(self));
        }
    }

    fn row(&self) -> UsageRow {
        UsageRow {
            tenant: self.tenant,
            agent: self.agent,
            version: self.version,
            day: today(),
            calls: 0,
            failures: 0,
            fuel: 0,
            cpu_us: 0,
            wall_us: 0,
            host_calls: 0,
            host_bytes: 0,
            peak_memory: 0,
        }
    }

    /// Puts a row back whose batch failed.
    fn give_back(self: &Arc<Self>, row: UsageRow) {
        let mut pending = self.pending.lock();
        let fresh = pending.is_none();
        match pending.as_mut() {
            None => *pending = Some(row),
            Some(newer) => {
                newer.calls += row.calls;
                newer.failures += row.failures;
                newer.fuel = newer.fuel.saturating_add(row.fuel);
                newer.cpu_us = newer.cpu_us.saturating_add(row.cpu_us);
                newer.wall_us = newer.wall_us.saturating_add(row.wall_us);
                newer.host_calls = newer.host_calls.saturating_add(row.host_calls);
                newer.host_bytes = newer.host_bytes.saturating_add(row.host_bytes);
                newer.peak_memory = newer.peak_memory.max(row.peak_memory);
            }
        }
        drop(pending);
        if fresh {
            self.book.dirty.lock().push(Arc::clone(self));
        }
    }
}

impl UsageBook {
    /// Writes what is pending.
    ///
    /// # Errors
    ///
    /// When the catalog refuses; nothing is lost then, and the next batch has it.
    ///
    /// In a task of its own: were the caller to go away in the middle, the batch would be lost with it.
    pub(crate) async fn flush(self: &Arc<Self>, catalog: &Arc<Catalog>, by: &Maintenance) -> Result<(), CatalogError> {
        let (book, catalog, by) = (Arc::clone(self), Arc::clone(catalog), by.clone());
        let flush = tokio::spawn(async move { book.write(&catalog, &by).await });
        flush.await.unwrap_or_else(|failed| {
            tracing::error!(%failed, "usage was not written");
            Ok(())
        })
    }

    /// Forgets what is pending of a tenant; answers how many rows that was. No batch has any of it when this returns.
    pub(crate) async fn forget(&self, tenant: TenantId) -> u64 {
        let _writing = self.writing.lock().await;
        let mut forgotten = 0;
        self.dirty.lock().retain(|meter| {
            let keep = meter.tenant != tenant;
            if !keep {
                forgotten += u64::from(meter.pending.lock().take().is_some());
            }
            keep
        });
        forgotten
    }

    async fn write(&self, catalog: &Catalog, by: &Maintenance) -> Result<(), CatalogError> {
        let _writing = self.writing.lock().await;
        let dirty = std::mem::take(&mut *self.dirty.lock());
        let batch: Vec<(Arc<Meter>, UsageRow)> = dirty
            .into_iter()
            .filter_map(|meter| {
                let row = meter.pending.lock().take()?;
                Some((meter, row))
            })
            .collect();
        if batch.is_empty() {
            return Ok(());
        }
        let rows: Vec<UsageRow> = batch.iter().map(|(_, row)| *row).collect();
        let written = catalog.add_usage(by, &rows).await;
        if written.is_err() {
            for (meter, row) in batch {
                meter.give_back(row);
            }
        }
        written
    }
}

/// The day in UTC as a number: 20261123.
fn today() -> u32 {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    civil_day(seconds / 86_400)
}

/// Days since 1970 to a calendar day (Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`).
fn civil_day(days: u64) -> u32 {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    u32::try_from(year * 10_000 + month * 100 + day).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tenant_is_forgotten_with_what_is_pending_and_its_neighbour_is_not() {
        let book = Arc::new(UsageBook::default());
        let (ours, theirs) = (TenantId::generate(), TenantId::generate());
        let meter = |tenant| Meter::new(tenant, AgentId::generate(), VersionId::generate(), &book);
        let (first, second, neighbour) = (meter(ours), meter(ours), meter(theirs));
        for meter in [&first, &second, &neighbour, &first] {
            meter.add(&Bill::default(), false);
        }
        assert_eq!(book.forget(ours).await, 2);
        assert!(first.pending.lock().is_none() && neighbour.pending.lock().is_some());
        assert_eq!((book.forget(ours).await, book.dirty.lock().len()), (0, 1));
    }

    #[test]
    fn days_have_their_calendar_names() {
        assert_eq!(civil_day(0), 19_700_101);
        assert_eq!(civil_day(59), 19_700_301);
        assert_eq!(civil_day(11_016), 20_000_229);
        assert_eq!(civil_day(20_780), 20_261_123);
    }
}
