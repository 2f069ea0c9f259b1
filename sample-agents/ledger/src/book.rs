//! The books: accounts, entries, and what a transfer does to both. Pure; every sum is checked.
//!
//! Double entry: a transfer is one entry in each of two accounts, of the same amount with opposite signs. An account's
//! balance is the sum of its entries, so the total over all accounts is what they were opened with, whatever is transferred.

use serde::{Deserialize, Serialize};

use crate::ask::{Open, Terms};

/// The largest balance, overdraft and amount, in the smallest unit of a currency: every number is exact in JavaScript too.
pub const LIMIT: i64 = 9_000_000_000_000_000;

/// An account as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub currency: String,
    pub balance: i64,
    /// How far below 0 it may go.
    pub overdraft: i64,
    /// How many entries it has.
    pub entries: u64,
    /// What it was opened with.
    pub opening: i64,
}

/// One line of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Whose half it is; none for what the account was opened with.
    pub transfer: Option<String>,
    /// The other account.
    pub with: Option<String>,
    /// What came in, or below 0 what went out.
    pub amount: i64,
    /// The balance after it.
    pub balance: i64,
    pub memo: Option<String>,
    /// When it was made, in milliseconds since 1970.
    pub at: u64,
}

/// Why the balances do not allow a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub code: String,
    pub message: String,
}

/// What a transfer does.
#[derive(Debug, PartialEq, Eq)]
pub struct Posting {
    pub from: Account,
    pub to: Account,
    pub debit: Entry,
    pub credit: Entry,
}

impl Account {
    /// A new account, and its first entry if it is opened with something.
    pub fn open(open: &Open, currency: &str, at: u64) -> (Self, Option<Entry>) {
        let Open { opening, overdraft, .. } = *open;
        let entries = u64::from(opening != 0);
        let account = Self { currency: currency.to_owned(), balance: opening, overdraft, entries, opening };
        let entry = Entry { transfer: None, with: None, amount: opening, balance: opening, memo: None, at };
        (account, (opening != 0).then_some(entry))
    }

    /// Whether it was opened in the same way.
    pub fn was_opened_as(&self, open: &Open, currency: &str) -> bool {
        (self.opening, self.overdraft, self.currency.as_str()) == (open.opening, open.overdraft, currency)
    }

    /// What may be taken out of it.
    pub fn available(&self) -> i64 {
        self.balance.saturating_add(self.overdraft).max(0)
    }

    /// After one more entry; `None` where the balance would leave its range.
    fn after(&self, amount: i64) -> Option<Self> {
        let balance = self.balance.checked_add(amount).filter(|balance| (-LIMIT..=LIMIT).contains(balance))?;
        Some(Self { balance, entries: self.entries.checked_add(1)?, ..self.clone() })
    }
}

/// What a transfer does to its two accounts.
///
/// # Errors
///
/// `insufficient-funds`, or `balance-limit` where an account would leave the range of balances.
pub fn post(id: &str, terms: &Terms, from: &Account, to: &Account, at: u64) -> Result<Posting, Refusal> {
    if from.available() < terms.amount {
        return Err(insufficient(terms, from));
    }
    let full = |account: &str| Refusal {
        code: "balance-limit".to_owned(),
        message: format!("the balance of {account} would leave the range of {LIMIT} either way"),
    };
    let from = from.after(-terms.amount).ok_or_else(|| full(&terms.from))?;
    let to = to.after(terms.amount).ok_or_else(|| full(&terms.to))?;
    let entry = |with: &str, amount, balance| Entry {
        transfer: Some(id.to_owned()),
        with: Some(with.to_owned()),
        amount,
        balance,
        memo: terms.memo.clone(),
        at,
    };
    let debit = entry(&terms.to, -terms.amount, from.balance);
    let credit = entry(&terms.from, terms.amount, to.balance);
    Ok(Posting { from, to, debit, credit })
}

fn insufficient(terms: &Terms, from: &Account) -> Refusal {
    let Terms { from: name, amount, .. } = terms;
    let (available, currency) = (from.available(), &from.currency);
    let missing = amount - available;
    let message = format!(
        "{name} has {} {currency} and an overdraft of {}: {available} are available, {amount} were asked for, {missing} \
         are missing",
        from.balance, from.overdraft
    );
    Refusal { code: "insufficient-funds".to_owned(), message }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn account(balance: i64, overdraft: i64) -> Account {
        Account { currency: "EUR".to_owned(), balance, overdraft, entries: 3, opening: 0 }
    }

    fn terms(amount: i64) -> Terms {
        Terms { from: "a".to_owned(), to: "b".to_owned(), amount, currency: None, memo: Some("m".to_owned()) }
    }

    #[test]
    fn a_transfer_is_two_entries_that_add_up_to_nothing() {
        let posting = post("t", &terms(70), &account(100, 0), &account(-5, 10), 9).unwrap();
        assert_eq!((posting.from.balance, posting.from.entries), (30, 4));
        assert_eq!((posting.to.balance, posting.to.entries), (65, 4));
        assert_eq!((posting.debit.amount, posting.debit.balance, posting.debit.with.as_deref()), (-70, 30, Some("b")));
        assert_eq!(
            (posting.credit.amount, posting.credit.balance, posting.credit.with.as_deref()),
            (70, 65, Some("a"))
        );
    }

    #[test]
    fn an_account_goes_down_to_its_overdraft_and_not_below() {
        assert!(post("t", &terms(150), &account(100, 50), &account(0, 0), 0).is_ok());
        let refusal = post("t", &terms(151), &account(100, 50), &account(0, 0), 0).unwrap_err();
        assert_eq!(refusal.code, "insufficient-funds");
        assert!(refusal.message.contains("150 are available, 151 were asked for, 1 are missing"), "{refusal:?}");
    }

    #[test]
    fn a_balance_stays_in_its_range() {
        let refusal = post("t", &terms(1), &account(1, 0), &account(LIMIT, 0), 0).unwrap_err();
        assert_eq!(refusal.code, "balance-limit");
        assert!(post("t", &terms(LIMIT), &account(0, LIMIT), &account(0, 0), 0).is_ok());
        let refusal = post("t", &terms(LIMIT), &account(-1, LIMIT), &account(0, 0), 0).unwrap_err();
        assert_eq!(refusal.code, "insufficient-funds");
    }

    proptest! {
        #[test]
        fn no_numbers_make_or_lose_anything(
            amount in 1..=LIMIT, from in -LIMIT..=LIMIT, to in -LIMIT..=LIMIT, overdraft in 0..=LIMIT,
        ) {
            let before = i128::from(from) + i128::from(to);
            if let Ok(posting) = post("t", &terms(amount), &account(from, overdraft), &account(to, 0), 0) {
                prop_assert_eq!(i128::from(posting.from.balance) + i128::from(posting.to.balance), before);
                prop_assert_eq!(posting.debit.amount + posting.credit.amount, 0);
                prop_assert!(posting.from.balance >= -overdraft && posting.to.balance <= LIMIT);
            }
        }
    }
}
