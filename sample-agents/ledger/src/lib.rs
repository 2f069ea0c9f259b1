//! A ledger: accounts, and transfers between them that are never lost and never made twice, whoever calls at the same
//! time, sends again, or pulls the plug.
//!
//! This file is the agent. `book` is what a transfer does, without a host function; `journal` keeps it in storage, and
//! `audit` proves it. All of it is tested with `cargo test`, storage included.

mod ask;
mod audit;
mod book;
mod journal;

#[cfg(test)]
mod tests;

use std::time::{SystemTime, UNIX_EPOCH};

use ask::Ask;
use insula_sdk::prelude::*;

/// The currency of accounts that are opened without one, where the configuration names none.
const CURRENCY: &str = "EUR";

struct Ledger;

impl Agent for Ledger {
    fn invoke(request: Request) -> Result<Response, Error> {
        match Ask::read(&request.body)? {
            Ask::Open(open) => {
                let currency = config::get("currency").unwrap_or_else(|| CURRENCY.to_owned());
                Response::json(&journal::open(&open, &currency, now())?)
            }
            Ask::Transfer(transfer) => {
                let (id, terms) = transfer.named(request.idempotency_key)?;
                let receipt = journal::transfer(&id, &terms, now())?;
                Ok(Response::bytes("application/json", receipt))
            }
            Ask::Balance(named) => Response::json(&journal::balance(&named.account)?),
            Ask::Statement(statement) => Response::json(&journal::statement(&statement)?),
            Ask::Audit(audit) => Response::json(&match audit.account {
                Some(account) => audit::one(&account, &may_go_on)?,
                None => audit::everything(&may_go_on)?,
            }),
        }
    }
}

insula_sdk::export!(Ledger);

/// Whether a tenth of everything is left of the call's budget.
fn may_go_on() -> bool {
    usage::report().iter().all(|allowance| allowance.used / 9 < allowance.limit / 10)
}

/// Milliseconds since 1970. A clock before that counts as 0.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
