//! Attacks through what the host copies out of the guest: arguments, results and errors.

use insula_sdk::prelude::*;
use insula_sdk::storage::{Address, Write};
use serde_json::json;

use crate::Arguments;

const HUGE: usize = 64 << 20;

const MANY: u64 = 1_000_000;

/// A body of `bytes`.
pub fn huge_result(arguments: &Arguments) -> Result<Response, Error> {
    Ok(Response::bytes("application/octet-stream", vec![b'x'; arguments.bytes.unwrap_or(HUGE)]))
}

/// An error whose message has `bytes`.
pub fn huge_error(arguments: &Arguments) -> Result<Response, Error> {
    Err(Error::new("huge", "x".repeat(arguments.bytes.unwrap_or(HUGE))))
}

/// Metadata of `count` small entries: each costs the host far more than the guest.
pub fn huge_metadata(arguments: &Arguments) -> Result<Response, Error> {
    let mut response = Response::text("");
    for _ in 0..arguments.count.unwrap_or(MANY) {
        response = response.with_metadata("a", "b");
    }
    Ok(response)
}

/// A value of `bytes` for storage.
pub fn huge_argument(arguments: &Arguments) -> Result<Response, Error> {
    let value = vec![b'x'; arguments.bytes.unwrap_or(HUGE)];
    let answer = match storage::put("hostile", "huge", &value) {
        Ok(version) => json!({ "version": version }),
        Err(error) => json!({ "error": error.code, "message": error.message }),
    };
    Response::json(&answer)
}

/// A list of `count` addresses of two bytes: each costs the host far more than the guest.
pub fn huge_list(arguments: &Arguments) -> Result<Response, Error> {
    let keys: Vec<Address> = (0..arguments.count.unwrap_or(MANY)).map(|_| Address::new("b", "k")).collect();
    let answer = match storage::get_many(&keys) {
        Ok(entries) => json!({ "entries": entries.len() }),
        Err(error) => json!({ "error": error.code, "message": error.message }),
    };
    Response::json(&answer)
}

/// A commit of `count` writes of `bytes` each.
pub fn huge_commit(arguments: &Arguments) -> Result<Response, Error> {
    let value = vec![b'x'; arguments.bytes.unwrap_or(64 << 10)];
    let writes: Vec<Write> = (0..arguments.count.unwrap_or(256))
        .map(|number| Write::put(Address::new("huge-commit", number.to_string()), value.clone()))
        .collect();
    let answer = match storage::commit(&[], &writes) {
        Ok(versions) => json!({ "writes": versions.len() }),
        Err(error) => json!({ "error": error.code, "message": error.message }),
    };
    Response::json(&answer)
}

/// A content type and metadata that would add headers of their own to the answer.
pub fn garbage_output(arguments: &Arguments) -> Result<Response, Error> {
    let asked = |part: &str| arguments.part.as_deref().is_none_or(|only| only == part);
    let mut response = Response::text("garbage");
    if asked("content-type") {
        response.content_type = "text/html\r\nInsula-Tenant: ten_forged\r\n\r\n<h1>forged</h1>".to_owned();
    }
    if asked("name") {
        response = response.with_metadata("x: \r\nSet-Cookie", "forged=1");
    }
    if asked("value") {
        response = response.with_metadata("x", "y\r\nInsula-Tenant: ten_forged");
    }
    Ok(response)
}
