//! Usage: what calls used, summed in memory and written to the catalog in batches.
//!
//! A crash loses what came since the last batch, one flush interval at most; a clean stop loses nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use insula_host_api::HostCalls;
use insula_store::{Catalog, CatalogError, Maintenance, UsageAmounts, UsageRow};
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
    /// Rows of the batch that is on its way.
    in_batch: AtomicUsize,
    /// Held while a batch is on its way, so that a reader of usage sees each call once.
    writing: tokio::sync::Mutex<()>,
}

impl Meter {
    pub(crate) fn new(tenant: TenantId, agent: AgentId, version: VersionId, book: &Arc<UsageBook>) -> Arc<Self> {
        Arc::new(Self { tenant, agent, version, pending: Mutex::new(None), book: Arc::clone(book) })
    }

    /// Adds one call.
    pub(crate) fn add(self: &Arc<Self>, bill: &Bill, host_calls: HostCalls, failed: bool) {
        self.add_amounts(today(), &bill.amounts(host_calls, failed));
    }

    /// The day of what is pending stays that of its first call.
    fn add_amounts(self: &Arc<Self>, day: u32, amounts: &UsageAmounts) {
        let mut pending = self.pending.lock();
        let fresh = pending.is_none();
        let (tenant, agent, version) = (self.tenant, self.agent, self.version);
        let row =
            pending.get_or_insert_with(|| UsageRow { tenant, agent, version, day, amounts: UsageAmounts::default() });
        row.amounts.add(amounts);
        drop(pending);
        if fresh {
            self.book.dirty.lock().push(Arc::clone(self));
        }
    }
}

impl UsageBook {
    /// Rows that a crash would lose now.
    pub(crate) fn unwritten(&self) -> usize {
        let dirty = self.dirty.lock();
        dirty.len() + self.in_batch.load(Ordering::SeqCst)
    }

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
        let dirty = {
            let mut dirty = self.dirty.lock();
            self.in_batch.store(dirty.len(), Ordering::SeqCst);
            std::mem::take(&mut *dirty)
        };
        let batch: Vec<(Arc<Meter>, UsageRow)> = dirty
            .into_iter()
            .filter_map(|meter| {
                let row = meter.pending.lock().take()?;
                Some((meter, row))
            })
            .collect();
        if batch.is_empty() {
            self.in_batch.store(0, Ordering::SeqCst);
            return Ok(());
        }
        let rows: Vec<UsageRow> = batch.iter().map(|(_, row)| *row).collect();
        let written = catalog.add_usage(by, &rows).await;
        if written.is_err() {
            for (meter, row) in batch {
                meter.add_amounts(row.day, &row.amounts);
            }
        }
        self.in_batch.store(0, Ordering::SeqCst);
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
    use std::num::{NonZeroU64, NonZeroUsize};

    use insula_host_api::HostCall;
    use insula_store::{DataDir, StoreSettings, Stores};
    use insula_tenancy::{Authenticator, KeyLookup, OperatorScope};

    use super::*;

    #[tokio::test]
    async fn a_tenant_is_forgotten_with_what_is_pending_and_its_neighbour_is_not() {
        let book = Arc::new(UsageBook::default());
        let (ours, theirs) = (TenantId::generate(), TenantId::generate());
        let meter = |tenant| Meter::new(tenant, AgentId::generate(), VersionId::generate(), &book);
        let (first, second, neighbour) = (meter(ours), meter(ours), meter(theirs));
        for meter in [&first, &second, &neighbour, &first] {
            meter.add(&Bill::default(), HostCalls::default(), false);
        }
        assert_eq!(book.forget(ours).await, 2);
        assert!(first.pending.lock().is_none() && neighbour.pending.lock().is_some());
        assert_eq!((book.forget(ours).await, book.dirty.lock().len()), (0, 1));
    }

    /// A catalog with its operator, and handles of two hosts: it takes batches of the first, and refuses the second's.
    async fn catalog(folder: &std::path::Path) -> (Arc<Catalog>, OperatorScope, [Maintenance; 2]) {
        let open = |name: &str| DataDir::open(&folder.join(name)).unwrap();
        let (ours, theirs) = (open("ours"), open("theirs"));
        let catalog = Catalog::open(&ours).await.unwrap();
        let authenticator = || Authenticator::new(Arc::clone(&catalog) as Arc<dyn KeyLookup>);
        let (bound, other) = (authenticator(), authenticator());
        catalog.bind(bound.realm());
        let key = catalog.ensure_operator_key().await.unwrap().unwrap();
        let operator = bound.operator(&key.reveal().parse().unwrap()).await.unwrap();
        let settings = StoreSettings { open_files: NonZeroUsize::MIN, cache_ceiling_bytes: NonZeroU64::MIN };
        let accepted = Stores::open(ours, bound.realm(), settings).maintenance();
        let refused = Stores::open(theirs, other.realm(), settings).maintenance();
        (catalog, operator, [accepted, refused])
    }

    #[tokio::test]
    async fn a_batch_that_the_catalog_refuses_is_written_once_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let (catalog, operator, [accepted, refused]) = catalog(folder.path()).await;
        let book = Arc::new(UsageBook::default());
        let meter = || Meter::new(TenantId::generate(), AgentId::generate(), VersionId::generate(), &book);
        let (busy, quiet) = (meter(), meter());
        let mut calls = HostCalls::default();
        calls.add(HostCall::StorageGet, 3);
        let bill = Bill { fuel: 10, peak_memory: 5, ..Bill::default() };
        for meter in [&busy, &quiet] {
            meter.add(&bill, calls, false);
        }
        assert!(book.flush(&catalog, &refused).await.is_err());
        // What comes between the refusal and the next batch joins what came before.
        busy.add(&Bill { peak_memory: 9, ..bill }, calls, true);
        for _ in 0..2 {
            book.flush(&catalog, &accepted).await.unwrap();
        }
        for (meter, calls, peak) in [(&busy, 2, 9), (&quiet, 1, 5)] {
            let usage = catalog.usage_of(&operator, meter.tenant).await.unwrap();
            let total = usage.total;
            assert_eq!((total.calls, total.failures, total.fuel), (calls, calls - 1, 10 * calls));
            assert_eq!((total.peak_memory, total.host_calls_by_kind.of(HostCall::StorageGet)), (peak, 3 * calls));
            assert_eq!(usage.rows.len(), 1);
        }
    }

    #[test]
    fn days_have_their_calendar_names() {
        assert_eq!(civil_day(0), 19_700_101);
        assert_eq!(civil_day(59), 19_700_301);
        assert_eq!(civil_day(11_016), 20_000_229);
        assert_eq!(civil_day(20_780), 20_261_123);
    }
}
