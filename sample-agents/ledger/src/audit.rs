//! The audit: everything is read again, and must add up.
//!
//! It holds while transfers go on. It begins with a write of its own: versions grow from commit to commit, so that what
//! was there before has a smaller version and all else a larger one. What has a larger one is left out of the totals, and
//! so they are of one instant. Entries are never changed, so that an account and its entries can be compared at any time:
//! up to the number of entries that the account has, whatever came after.

use std::collections::BTreeMap;

use insula_sdk::prelude::*;
use insula_sdk::storage::{self as store, Selection, Version, scan};
use serde::Serialize;

use crate::book::{Account, Entry};
use crate::journal::{ACCOUNTS, AUDITS, ENTRIES, Outcome, Settled, TRANSFERS, entry_key, read_account};

/// How many faults are told. More than that is as bad as that.
const FAULTS_TOLD: usize = 20;

/// After so many things it is looked whether the call may go on.
const LOOK_EVERY: u64 = 256;

/// What an audit found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// Whether everything adds up.
    pub ok: bool,
    pub accounts: u64,
    pub transfers: u64,
    pub entries: u64,
    /// Of each currency: what accounts were opened with, and what they have. They must be the same.
    pub totals: BTreeMap<String, Totals>,
    /// What does not add up; the first few.
    pub faults: Vec<String>,
    /// The version that the numbers are of; none where one account was looked at.
    pub version: Option<Version>,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    pub opened: i128,
    pub held: i128,
}

/// One half of a transfer: the account, and what it got.
type Half = (String, i64);

/// An audit that goes on.
struct Audit<'a> {
    report: Report,
    /// The halves of each transfer.
    halves: BTreeMap<String, Vec<Half>>,
    /// Whether the call's budget lets it go on.
    may_go_on: &'a dyn Fn() -> bool,
    seen: u64,
}

/// Audits every account and every transfer.
///
/// # Errors
///
/// `unprocessable` where the call's limits end before the books do; those of storage.
pub fn everything(may_go_on: &dyn Fn() -> bool) -> Result<Report, Error> {
    let began = store::put(AUDITS, "last", b"")?;
    let mut audit = Audit::new(Some(began), may_go_on);
    for entry in scan(ACCOUNTS, Selection::all().with_values()) {
        let entry = entry?;
        audit.account(&entry.key, &entry.json()?)?;
    }
    audit.transfers()?;
    Ok(audit.finish())
}

/// Audits one account: its entries, and that each is half of a transfer which says the same.
///
/// # Errors
///
/// `not-found`; and as with [`everything`].
pub fn one(name: &str, may_go_on: &dyn Fn() -> bool) -> Result<Report, Error> {
    let account = read_account(name)?;
    let mut audit = Audit::new(None, may_go_on);
    audit.account(name, &account)?;
    let halves = std::mem::take(&mut audit.halves);
    for (id, halves) in &halves {
        let settled = store::get(TRANSFERS, id)?.map(|entry| entry.json::<Settled>()).transpose()?;
        audit.count()?;
        audit.report.transfers += 1;
        let expected = settled.as_ref().map(expected_halves).unwrap_or_default();
        let ours: Vec<_> = expected.into_iter().filter(|(account, _)| account == name).collect();
        if ours.is_empty() || ours != *halves {
            audit.fault(format!("transfer {id}: {name} has {halves:?}, and the transfer says {ours:?}"));
        }
    }
    Ok(audit.finish())
}

/// What a transfer must have done.
fn expected_halves(settled: &Settled) -> Vec<Half> {
    match &settled.outcome {
        Outcome::Refused(_) => Vec::new(),
        Outcome::Made(_) => {
            let mut halves = vec![
                (settled.terms.from.clone(), -settled.terms.amount),
                (settled.terms.to.clone(), settled.terms.amount),
            ];
            halves.sort();
            halves
        }
    }
}

impl<'a> Audit<'a> {
    fn new(version: Option<Version>, may_go_on: &'a dyn Fn() -> bool) -> Self {
        let report = Report {
            ok: true,
            accounts: 0,
            transfers: 0,
            entries: 0,
            totals: BTreeMap::new(),
            faults: Vec::new(),
            version,
        };
        Self { report, halves: BTreeMap::new(), may_go_on, seen: 0 }
    }

    /// Adds up an account, and takes what of it counts for the totals.
    fn account(&mut self, name: &str, account: &Account) -> Result<(), Error> {
        let (mut number, mut sum) = (0, 0_i64);
        let mut counted = 0;
        for entry in scan(ENTRIES, Selection::prefix(format!("{name}/")).with_values()) {
            let kept = entry?;
            let entry: Entry = kept.json()?;
            self.count()?;
            if self.counts(kept.version) {
                counted += 1;
                self.take(name, &account.currency, &entry);
            }
            number += 1;
            if number > account.entries {
                continue;
            }
            sum = sum.saturating_add(entry.amount);
            if kept.key != entry_key(name, number) {
                self.fault(format!("{name}: entry {number} is missing, {} is in its place", kept.key));
            }
            if sum != entry.balance || sum < account.overdraft.saturating_neg() {
                self.fault(format!("{name}: entry {number} says {}, the sum up to it is {sum}", entry.balance));
            }
            if number == account.entries && sum != account.balance {
                self.fault(format!("{name}: the balance is {}, the sum of entries {sum}", account.balance));
            }
        }
        if number < account.entries || (account.entries == 0 && account.balance != 0) {
            self.fault(format!("{name}: {} entries are counted, {number} are there", account.entries));
        }
        self.report.accounts += 1;
        self.report.entries += counted;
        Ok(())
    }

    /// Whether what has this version was there when the audit began.
    fn counts(&self, version: Version) -> bool {
        self.report.version.is_none_or(|began| version < began)
    }

    /// Counts an entry for the totals, and as half of its transfer.
    fn take(&mut self, name: &str, currency: &str, entry: &Entry) {
        let totals = self.report.totals.entry(currency.to_owned()).or_default();
        totals.held += i128::from(entry.amount);
        match &entry.transfer {
            Some(id) => self.halves.entry(id.clone()).or_default().push((name.to_owned(), entry.amount)),
            None => totals.opened += i128::from(entry.amount),
        }
    }

    /// Compares every transfer with its halves.
    fn transfers(&mut self) -> Result<(), Error> {
        let mut halves = std::mem::take(&mut self.halves);
        for entry in scan(TRANSFERS, Selection::all().with_values()) {
            let entry = entry?;
            self.count()?;
            if !self.counts(entry.version) {
                continue;
            }
            let expected = expected_halves(&entry.json()?);
            self.report.transfers += u64::from(!expected.is_empty());
            let mut found = halves.remove(&entry.key).unwrap_or_default();
            found.sort();
            if found != expected {
                self.fault(format!("transfer {}: it should have {expected:?}, and has {found:?}", entry.key));
            }
        }
        for (id, halves) in halves {
            self.fault(format!("transfer {id}: nothing is known of it, and there is {halves:?}"));
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), Error> {
        self.seen += 1;
        if !self.seen.is_multiple_of(LOOK_EVERY) || (self.may_go_on)() {
            return Ok(());
        }
        let message = "the books are larger than this call's limits allow to read: audit one account at a time, or ask \
            for larger limits";
        Err(Error::unprocessable(message))
    }

    fn fault(&mut self, fault: String) {
        self.report.ok = false;
        if self.report.faults.len() < FAULTS_TOLD {
            self.report.faults.push(fault);
        }
    }

    fn finish(mut self) -> Report {
        let wrong: Vec<_> = self
            .report
            .totals
            .iter()
            .filter(|(_, totals)| self.report.version.is_some() && totals.opened != totals.held)
            .map(|(currency, totals)| format!("{currency}: {} were opened, {} are held", totals.opened, totals.held))
            .collect();
        wrong.into_iter().for_each(|fault| self.fault(fault));
        self.report
    }
}
