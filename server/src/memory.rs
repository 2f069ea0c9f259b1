//! The ledger of memory in bodies: what the server holds for whom, and who may hold more (B1, R3).
//!
//! A tenant may hold as much as stays free beside it. So one tenant alone gets half of the memory, two greedy ones a third
//! each, and a newcomer always finds as much free as the greediest holds: a flood of bodies sheds its own calls.
//! What is held is given back by drop (B3). Uploads on disk are counted in the same way, in a ledger of their own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use insula_tenancy::TenantId;

/// No more for this tenant until it gives some back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the host has no more room for this tenant's requests just now: let others end first")]
pub(crate) struct NoRoom;

/// Who holds how much. Clones are the same ledger.
#[derive(Clone)]
pub(crate) struct Ledger(Arc<Inner>);

struct Inner {
    capacity: u64,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    total: u64,
    held: HashMap<TenantId, u64>,
}

impl Ledger {
    pub(crate) fn new(capacity: u64) -> Self {
        Self(Arc::new(Inner { capacity, books: Mutex::default() }))
    }

    /// An account for one request, with nothing on it. An operator's requests (`None`) are small and not counted.
    pub(crate) fn open(&self, tenant: Option<TenantId>) -> Hold {
        Hold { ledger: self.clone(), tenant, bytes: 0 }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Memory that is held for one request. Given back when dropped.
pub(crate) struct Hold {
    ledger: Ledger,
    tenant: Option<TenantId>,
    bytes: u64,
}

impl Hold {
    /// Holds more, if the tenant may.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let Some(tenant) = self.tenant else { return Ok(()) };
        let bytes = bytes as u64;
        let mut books = self.ledger.books();
        let free = self.ledger.0.capacity.saturating_sub(books.total.saturating_add(bytes));
        let held = books.held.get(&tenant).copied().unwrap_or_default();
        if held.saturating_add(bytes) > free {
            return Err(NoRoom);
        }
        books.add(tenant, bytes);
        self.bytes += bytes;
        Ok(())
    }

    /// Holds exactly this much from now on, whether there is room or not: for an answer that is there already. The
    /// tenant's next requests wait until it is taken.
    pub(crate) fn become_exactly(&mut self, bytes: usize) {
        let Some(tenant) = self.tenant else { return };
        let mut books = self.ledger.books();
        books.remove(tenant, self.bytes);
        self.bytes = bytes as u64;
        books.add(tenant, self.bytes);
    }

    /// The bytes of an answer, held until the last of them was sent or dropped.
    pub(crate) fn keep(mut self, body: Vec<u8>) -> Bytes {
        self.become_exactly(body.len());
        Bytes::from_owner(Kept { body, _hold: self })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(tenant) = self.tenant
            && self.bytes > 0
        {
            self.ledger.books().remove(tenant, self.bytes);
        }
    }
}

impl Books {
    fn add(&mut self, tenant: TenantId, bytes: u64) {
        if bytes > 0 {
            self.total += bytes;
            *self.held.entry(tenant).or_default() += bytes;
        }
    }

    fn remove(&mut self, tenant: TenantId, bytes: u64) {
        self.total = self.total.saturating_sub(bytes);
        if let Some(held) = self.held.get_mut(&tenant) {
            *held = held.saturating_sub(bytes);
            if *held == 0 {
                self.held.remove(&tenant);
            }
        }
    }
}

struct Kept {
    body: Vec<u8>,
    _hold: Hold,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenant_gets_half_and_leaves_as_much_for_a_neighbour() {
        let ledger = Ledger::new(100);
        let mut ours = ledger.open(Some(TenantId::generate()));
        assert_eq!(ours.grow(51), Err(NoRoom));
        assert_eq!(ours.grow(50), Ok(()));
        assert_eq!(ours.grow(1), Err(NoRoom));
        let mut theirs = ledger.open(Some(TenantId::generate()));
        assert_eq!(theirs.grow(25), Ok(()));
        assert_eq!(theirs.grow(1), Err(NoRoom));
        drop(ours);
        assert_eq!(theirs.grow(12), Ok(()));
    }

    #[test]
    fn what_is_held_is_given_back_by_drop() {
        let ledger = Ledger::new(100);
        let tenant = TenantId::generate();
        let mut first = ledger.open(Some(tenant));
        let mut second = ledger.open(Some(tenant));
        first.grow(20).unwrap();
        second.grow(30).unwrap();
        drop((first, second));
        assert_eq!(ledger.books().total, 0);
        assert!(ledger.books().held.is_empty());
    }

    #[test]
    fn an_answer_counts_until_its_last_byte_is_dropped() {
        let ledger = Ledger::new(100);
        let tenant = TenantId::generate();
        let mut hold = ledger.open(Some(tenant));
        hold.grow(10).unwrap();
        let mut body = hold.keep(vec![7; 80]);
        assert_eq!(ledger.books().total, 80);
        assert_eq!(ledger.open(Some(tenant)).grow(1), Err(NoRoom));
        let rest = body.split_off(40);
        drop(body);
        assert_eq!(ledger.books().total, 80);
        drop(rest);
        assert_eq!(ledger.books().total, 0);
    }

    #[test]
    fn an_operator_is_not_counted() {
        let ledger = Ledger::new(1);
        assert_eq!(ledger.open(None).grow(1_000), Ok(()));
        assert_eq!(ledger.books().total, 0);
    }
}
