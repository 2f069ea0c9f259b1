//! Where the books lie in storage, and how they are changed: one commit for each account that is opened and for each
//! transfer that is settled, with all that was read as its preconditions.
//!
//! | Bucket | Key | Value |
//! |---|---|---|
//! | `ledger-accounts` | account | [`Account`] |
//! | `ledger-entries` | account, `/`, number of the entry | [`Entry`]; never written twice |
//! | `ledger-transfers` | id of the transfer | [`Settled`]; there from the commit on that settled it |
//! | `ledger-audits` | `last` | nothing: its version tells an audit what was there when it began |

use insula_sdk::prelude::*;
use insula_sdk::storage::{Address, Attempt, Commit, Selection, Write, get_these, update};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::ask::{Open, Statement, Terms};
use crate::book::{Account, Entry, Refusal, post};

pub const ACCOUNTS: &str = "ledger-accounts";
pub const ENTRIES: &str = "ledger-entries";
pub const TRANSFERS: &str = "ledger-transfers";
pub const AUDITS: &str = "ledger-audits";

/// How often a commit that met another one is tried. On an account that everyone uses it is not always enough; then the
/// caller is told to come back.
const ATTEMPTS: u32 = 16;

/// How long it is kept that a transfer was refused, in milliseconds: a day.
pub const REFUSED_MS: u64 = 24 * 3_600 * 1_000;

/// What is kept of a transfer, so that the same one again has the same answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    pub terms: Terms,
    pub outcome: Outcome,
}

/// How a transfer was settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was made; this is the answer, byte for byte.
    Made(String),
    /// It was not, and will not be under this id.
    Refused(Refusal),
}

/// The answer to a transfer that was made.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Receipt<'a> {
    transfer: &'a str,
    from: &'a str,
    to: &'a str,
    amount: i64,
    currency: &'a str,
    /// The balances after it.
    from_balance: i64,
    to_balance: i64,
    at: u64,
}

pub fn account_at(account: &str) -> Address {
    Address::new(ACCOUNTS, account)
}

pub fn transfer_at(id: &str) -> Address {
    Address::new(TRANSFERS, id)
}

/// The key of an entry: names of accounts have no `/`, and sixteen digits keep the order.
pub fn entry_key(account: &str, number: u64) -> String {
    format!("{account}/{number:016}")
}

fn entry_at(account: &str, number: u64) -> Address {
    Address::new(ENTRIES, entry_key(account, number))
}

/// The number of an entry, from its key.
pub fn entry_number(key: &str) -> Option<u64> {
    key.rsplit_once('/')?.1.parse().ok()
}

/// Opens an account. The same again is the same answer.
///
/// # Errors
///
/// `conflict` where there is an account of this name that was opened differently.
pub fn open(open: &Open, default_currency: &str, at: u64) -> Result<Value, Error> {
    let currency = open.currency.as_deref().unwrap_or(default_currency);
    let name = &open.account;
    let answer = json!({
        "account": name, "balance": open.opening, "overdraft": open.overdraft, "currency": currency,
    });
    update(ATTEMPTS, || {
        if let Some(found) = storage::get(ACCOUNTS, name)? {
            if found.json::<Account>()?.was_opened_as(open, currency) {
                return Ok(Attempt::Done(answer.clone()));
            }
            return Err(Error::conflict(format!("there is an account {name} already, and it was opened differently")));
        }
        let (account, entry) = Account::open(open, currency, at);
        let mut commit = Commit::new().unchanged(account_at(name), None);
        if let Some(entry) = entry {
            commit = commit.put_json(entry_at(name, account.entries), &entry)?;
        }
        Ok(commit.put_json(account_at(name), &account)?.then(answer.clone()))
    })
}

/// Makes a transfer, or answers as it did when this id came first.
///
/// # Errors
///
/// `not-found` for an account, `unprocessable` for a currency, and what the balances do not allow: `insufficient-funds`,
/// `balance-limit`. `conflict` where the id was that of another transfer, and, with `retry-after-ms`, where too many
/// others changed the same accounts.
pub fn transfer(id: &str, terms: &Terms, at: u64) -> Result<String, Error> {
    let outcome = update(ATTEMPTS, || {
        let places = [transfer_at(id), account_at(&terms.from), account_at(&terms.to)];
        let [settled, from, to] = get_these(places)?;
        if let Some(settled) = settled {
            return Ok(Attempt::Done(settled_before(id, terms, settled.json()?)?));
        }
        let from = from.ok_or_else(|| absent(&terms.from))?;
        let to = to.ok_or_else(|| absent(&terms.to))?;
        let unsettled = Commit::new()
            .unchanged(transfer_at(id), None)
            .unchanged(account_at(&terms.from), Some(&from))
            .unchanged(account_at(&terms.to), Some(&to));
        let accounts = [from.json()?, to.json()?];
        settle(unsettled, id, terms, &accounts, at)
    })?;
    match outcome {
        Outcome::Made(receipt) => Ok(receipt),
        Outcome::Refused(Refusal { code, message }) => Err(Error::new(code, message)),
    }
}

/// What an id came to when it came first.
fn settled_before(id: &str, terms: &Terms, settled: Settled) -> Result<Outcome, Error> {
    if settled.terms != *terms {
        return Err(Error::conflict(format!("{id:?} is the id of another transfer: from, to, amount or memo differ")));
    }
    Ok(settled.outcome)
}

/// Completes the commit that settles a transfer, one way or the other.
fn settle(
    unsettled: Commit,
    id: &str,
    terms: &Terms,
    accounts: &[Account; 2],
    at: u64,
) -> Result<Attempt<Outcome>, Error> {
    let [from, to] = accounts;
    check_currencies(terms, from, to)?;
    let keep = |outcome: &Outcome| {
        Write::put_json(transfer_at(id), &Settled { terms: terms.clone(), outcome: outcome.clone() })
    };
    let posting = match post(id, terms, from, to, at) {
        Ok(posting) => posting,
        Err(refusal) => {
            // An answer like any other: it must not become a yes when the same is sent again.
            let outcome = Outcome::Refused(refusal);
            let refused = keep(&outcome)?.with_life(Some(REFUSED_MS));
            return Ok(unsettled.write(refused).then(outcome));
        }
    };
    let receipt = Receipt {
        transfer: id,
        from: &terms.from,
        to: &terms.to,
        amount: terms.amount,
        currency: &from.currency,
        from_balance: posting.from.balance,
        to_balance: posting.to.balance,
        at,
    };
    let receipt = serde_json::to_string(&receipt)
        .map_err(|error| Error::new("internal", format!("a receipt has no JSON form: {error}")))?;
    let outcome = Outcome::Made(receipt);
    let commit = unsettled
        .write(keep(&outcome)?)
        .put_json(entry_at(&terms.from, posting.from.entries), &posting.debit)?
        .put_json(entry_at(&terms.to, posting.to.entries), &posting.credit)?
        .put_json(account_at(&terms.from), &posting.from)?
        .put_json(account_at(&terms.to), &posting.to)?;
    Ok(commit.then(outcome))
}

fn check_currencies(terms: &Terms, from: &Account, to: &Account) -> Result<(), Error> {
    let stated = terms.currency.as_ref().unwrap_or(&from.currency);
    if *stated == from.currency && *stated == to.currency {
        return Ok(());
    }
    let Terms { from: payer, to: payee, .. } = terms;
    let message = format!(
        "{payer} is in {}, {payee} is in {}, and the transfer in {stated}: all three must be the same",
        from.currency, to.currency
    );
    Err(Error::unprocessable(message))
}

/// What an account has.
///
/// # Errors
///
/// `not-found`.
pub fn balance(name: &str) -> Result<Value, Error> {
    let account = read_account(name)?;
    Ok(json!({
        "account": name, "balance": account.balance, "overdraft": account.overdraft,
        "available": account.available(), "currency": account.currency, "entries": account.entries,
    }))
}

/// A page of an account's entries, the oldest first.
///
/// # Errors
///
/// `not-found`.
pub fn statement(asked: &Statement) -> Result<Value, Error> {
    let name = &asked.account;
    let account = read_account(name)?;
    let mut selection = Selection::prefix(format!("{name}/")).with_values().limit(asked.limit);
    selection.after = asked.after.map(|after| entry_key(name, after));
    let page = storage::list(ENTRIES, &selection)?;
    let line = |kept: &storage::Entry| {
        let number = entry_number(&kept.key).ok_or_else(|| kept.unreadable("an entry of an account"))?;
        let Entry { transfer, with, amount, balance, memo, at } = kept.json()?;
        Ok(json!({
            "entry": number, "transfer": transfer, "with": with, "amount": amount, "balance": balance, "memo": memo,
            "at": at,
        }))
    };
    let entries = page.entries.iter().map(line).collect::<Result<Vec<_>, Error>>()?;
    let next = page.next.as_deref().and_then(entry_number);
    Ok(json!({ "account": name, "currency": account.currency, "entries": entries, "next": next }))
}

/// An account as it stands.
///
/// # Errors
///
/// `not-found`.
pub fn read_account(name: &str) -> Result<Account, Error> {
    storage::get(ACCOUNTS, name)?.ok_or_else(|| absent(name))?.json()
}

fn absent(account: &str) -> Error {
    Error::not_found(format!("there is no account {account}: open it first"))
}
