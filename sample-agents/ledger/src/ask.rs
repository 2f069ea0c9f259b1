//! What can be asked, what is accepted, and what a wrong request is told. Touches no host function.

use insula_sdk::Error;
use serde::{Deserialize, Serialize};

use crate::book::LIMIT;

/// The longest name of an account, in bytes.
const NAME_LIMIT: usize = 64;

/// The longest id of a transfer, in bytes.
const ID_LIMIT: usize = 255;

/// The longest memo, in bytes.
const MEMO_LIMIT: usize = 256;

/// The most entries of one page of a statement.
const PAGE_LIMIT: u32 = 200;

/// One request. An object with one of these as its only field.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    Open(Open),
    Transfer(Transfer),
    Balance(Named),
    Statement(Statement),
    Audit(Audit),
}

/// An account to be opened. Amounts are in the smallest unit of its currency.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    pub account: String,
    /// What it begins with.
    #[serde(default)]
    pub opening: i64,
    /// How far below 0 it may go.
    #[serde(default)]
    pub overdraft: i64,
    pub currency: Option<String>,
}

/// A transfer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Transfer {
    pub from: String,
    pub to: String,
    pub amount: i64,
    /// Must be that of both accounts, where it is stated.
    pub currency: Option<String>,
    pub memo: Option<String>,
    /// In place of the request's `Idempotency-Key`.
    pub transfer_id: Option<String>,
}

/// What a transfer says apart from its id: the same id with something else is another transfer, and refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub from: String,
    pub to: String,
    pub amount: i64,
    pub currency: Option<String>,
    pub memo: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    pub account: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    pub account: String,
    /// The `next` of the page before: the number of its last entry.
    pub after: Option<u64>,
    #[serde(default = "fifty")]
    pub limit: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// This account only.
    pub account: Option<String>,
}

fn fifty() -> u32 {
    50
}

impl Ask {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// `bad-request`, with what was wrong and what it should be.
    pub fn read(body: &[u8]) -> Result<Self, Error> {
        let ask: Self = serde_json::from_slice(body).map_err(|error| {
            let asks = "`open`, `transfer`, `balance`, `statement` or `audit`";
            Error::bad_request(format!("{error}; send a JSON object with {asks} as its only field"))
        })?;
        ask.check()?;
        Ok(ask)
    }

    fn check(&self) -> Result<(), Error> {
        match self {
            Self::Open(open) => open.check(),
            Self::Transfer(transfer) => transfer.check(),
            Self::Balance(named) => check_account("account", &named.account),
            Self::Statement(statement) => {
                check_account("account", &statement.account)?;
                check_range("limit", i64::from(statement.limit), 1, i64::from(PAGE_LIMIT))
            }
            Self::Audit(audit) => audit.account.as_ref().map_or(Ok(()), |account| check_account("account", account)),
        }
    }
}

impl Open {
    fn check(&self) -> Result<(), Error> {
        check_account("account", &self.account)?;
        check_range("opening", self.opening, 0, LIMIT)?;
        check_range("overdraft", self.overdraft, 0, LIMIT)?;
        check_currency(self.currency.as_deref())
    }
}

impl Transfer {
    fn check(&self) -> Result<(), Error> {
        check_account("from", &self.from)?;
        check_account("to", &self.to)?;
        if self.from == self.to {
            return Err(Error::bad_request(format!("`from` and `to` are both {:?}", self.from)));
        }
        check_range("amount", self.amount, 1, LIMIT)?;
        check_currency(self.currency.as_deref())?;
        if let Some(memo) = self.memo.as_ref().filter(|memo| memo.len() > MEMO_LIMIT) {
            return Err(Error::bad_request(format!("`memo` has {} bytes; {MEMO_LIMIT} are allowed", memo.len())));
        }
        Ok(())
    }

    /// Its id, and the rest: the id from the body, or the request's `Idempotency-Key`.
    ///
    /// # Errors
    ///
    /// `bad-request` where there is none, or two that differ, or one that cannot be kept.
    pub fn named(self, idempotency_key: Option<String>) -> Result<(String, Terms), Error> {
        let Self { from, to, amount, currency, memo, transfer_id } = self;
        let id = match (transfer_id, idempotency_key) {
            (Some(id), Some(key)) if id != key => {
                let message = "`transfer-id` and the `Idempotency-Key` are not the same: send one of them";
                return Err(Error::bad_request(message));
            }
            (Some(id), _) | (None, Some(id)) => id,
            (None, None) => {
                let message = "a transfer needs an `Idempotency-Key`, or a `transfer-id` in its body: without one it \
                    cannot be told from the same transfer sent again";
                return Err(Error::bad_request(message));
            }
        };
        if id.is_empty() || id.len() > ID_LIMIT || id.chars().any(char::is_control) {
            let message = format!("the id of a transfer has 1 to {ID_LIMIT} bytes, and no control characters");
            return Err(Error::bad_request(message));
        }
        Ok((id, Terms { from, to, amount, currency, memo }))
    }
}

fn check_account(field: &str, name: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    if name.is_empty() || name.len() > NAME_LIMIT || !name.bytes().all(plain) {
        let rule = format!("use 1 to {NAME_LIMIT} of A-Z, a-z, 0-9 and `._:-`");
        return Err(Error::bad_request(format!("`{field}` is no name of an account: {rule}")));
    }
    Ok(())
}

fn check_range(field: &str, number: i64, least: i64, most: i64) -> Result<(), Error> {
    if (least..=most).contains(&number) {
        return Ok(());
    }
    Err(Error::bad_request(format!("`{field}` is {number}; {least} to {most} are allowed")))
}

fn check_currency(currency: Option<&str>) -> Result<(), Error> {
    match currency {
        Some(code) if code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_uppercase()) => {
            Err(Error::bad_request(format!("`currency` is {code:?}; use three capital letters, such as \"EUR\"")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), String> {
        Ask::read(text.as_bytes()).map(drop).map_err(|error| error.message)
    }

    #[test]
    fn every_request_of_the_readme_is_accepted() {
        for text in [
            r#"{"open": {"account": "a"}}"#,
            r#"{"open": {"account": "a:b.c_d-1", "opening": 100, "overdraft": 50, "currency": "CHF"}}"#,
            r#"{"transfer": {"from": "a", "to": "b", "amount": 1}}"#,
            r#"{"transfer": {"from": "a", "to": "b", "amount": 1, "currency": "EUR", "memo": "x", "transfer-id": "t"}}"#,
            r#"{"balance": {"account": "a"}}"#,
            r#"{"statement": {"account": "a"}}"#,
            r#"{"statement": {"account": "a", "after": 7, "limit": 200}}"#,
            r#"{"audit": {}}"#,
            r#"{"audit": {"account": "a"}}"#,
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_wrong_request_is_told_the_field() {
        for (text, says) in [
            ("{}", "only field"),
            (r#"{"pay": {}}"#, "unknown variant"),
            (r#"{"open": {"account": "a/b"}}"#, "`account`"),
            (r#"{"open": {"account": ""}}"#, "`account`"),
            (r#"{"open": {"account": "a", "opening": -1}}"#, "`opening`"),
            (r#"{"open": {"account": "a", "overdraft": 9000000000000001}}"#, "`overdraft`"),
            (r#"{"open": {"account": "a", "currency": "eur"}}"#, "`currency`"),
            (r#"{"transfer": {"from": "a", "to": "a", "amount": 1}}"#, "both"),
            (r#"{"transfer": {"from": "a", "to": "b", "amount": 0}}"#, "`amount`"),
            (r#"{"transfer": {"from": "a", "to": "b", "amount": 1.5}}"#, "floating point"),
            (r#"{"transfer": {"from": "a", "to": "b", "amount": 9223372036854775808}}"#, "i64"),
            (r#"{"transfer": {"from": "a", "to": "b", "amount": 1, "fee": 1}}"#, "unknown field"),
            (r#"{"statement": {"account": "a", "limit": 0}}"#, "`limit`"),
            (r#"{"statement": {"account": "a", "after": -1}}"#, "u64"),
        ] {
            let told = check(text).unwrap_err();
            assert!(told.contains(says), "{told:?} for {text}");
        }
    }

    #[test]
    fn a_transfer_has_exactly_one_id() {
        let name = |id: Option<&str>, key: Option<&str>| {
            let id = id.map(|id| format!(r#", "transfer-id": {}"#, serde_json::json!(id))).unwrap_or_default();
            let text = format!(r#"{{"from": "a", "to": "b", "amount": 1{id}}}"#);
            let transfer: Transfer = serde_json::from_str(&text).unwrap();
            transfer.named(key.map(str::to_owned)).map(|(id, _)| id).map_err(|error| error.code)
        };
        assert_eq!(name(Some("t"), None).unwrap(), "t");
        assert_eq!(name(None, Some("k")).unwrap(), "k");
        assert_eq!(name(Some("t"), Some("t")).unwrap(), "t");
        let long = "x".repeat(256);
        for (id, key) in
            [(None, None), (Some("t"), Some("k")), (Some(""), None), (Some("a\nb"), None), (None, Some(&long))]
        {
            assert_eq!(name(id, key.map(|key: &str| key)).unwrap_err(), "bad-request", "{id:?} {key:?}");
        }
    }
}
