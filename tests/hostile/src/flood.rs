//! Attacks by number: log lines, output, host calls, and what storage and cache can hold.

use std::io::Write;

use insula_sdk::cache::Life;
use insula_sdk::prelude::*;
use insula_sdk::storage::Selection;
use serde_json::{Value, json};
use wasip2::cli::stdout;

use crate::Arguments;

const LINES: u64 = 100_000;

const LINE_BYTES: usize = 100;

/// The size of a value that few hosts would refuse.
const VALUE_BYTES: usize = 64 << 10;

fn line(arguments: &Arguments) -> String {
    "x".repeat(arguments.bytes.unwrap_or(LINE_BYTES))
}

/// Writes `count` lines to the log.
pub fn log_flood(arguments: &Arguments) -> Result<Response, Error> {
    let (line, count) = (line(arguments), arguments.count.unwrap_or(LINES));
    for _ in 0..count {
        log::write(log::Level::Info, &line);
    }
    Response::json(&json!({ "lines": count }))
}

/// Writes `count` lines to standard output or error, until it is refused.
pub fn stream_flood(stream: &mut dyn Write, arguments: &Arguments) -> Result<Response, Error> {
    let line = line(arguments);
    for number in 0..arguments.count.unwrap_or(LINES) {
        if let Err(error) = writeln!(stream, "{line}") {
            return Response::json(&json!({ "lines": number, "error": error.to_string() }));
        }
    }
    Response::json(&json!({ "lines": arguments.count.unwrap_or(LINES), "error": null }))
}

/// Writes nothing to standard output, again and again: writes that no count of bytes would stop. Through WASI itself,
/// since std does not pass empty writes on.
pub fn stdout_empty_writes(arguments: &Arguments) -> Result<Response, Error> {
    let stream = stdout::get_stdout();
    for number in 0..arguments.count.unwrap_or(u64::MAX) {
        let wrote = stream
            .check_write()
            .and_then(|_| stream.write(&[]))
            .and_then(|()| stream.blocking_write_and_flush(&[]))
            .and_then(|()| stream.blocking_flush());
        if let Err(error) = wrote {
            return Response::json(&json!({ "writes": number, "error": format!("{error:?}") }));
        }
    }
    Response::json(&json!({ "writes": arguments.count, "error": null }))
}

/// Calls the cheapest host function for ever.
pub fn host_call_flood() -> ! {
    loop {
        cache::stats();
    }
}

/// Moves large values into and out of the host for ever.
pub fn host_bytes_flood(arguments: &Arguments) -> Result<Response, Error> {
    let value = vec![b'x'; arguments.bytes.unwrap_or(VALUE_BYTES)];
    storage::put("hostile", "large", &value)?;
    loop {
        cache::put("hostile", "large", &value, Life::for_ms(60_000))?;
        storage::get("hostile", "large")?;
    }
}

/// Reads everything that there is in storage, again and again.
pub fn list_flood(arguments: &Arguments) -> Result<Response, Error> {
    let value = vec![b'x'; arguments.bytes.unwrap_or(VALUE_BYTES)];
    for number in 0..8 {
        storage::put("list-flood", &number.to_string(), &value)?;
    }
    loop {
        storage::list("list-flood", &Selection::all().with_values().limit(1_000))?;
    }
}

/// Commits without end: each costs a disk more than a processor.
pub fn commit_flood() -> Result<Response, Error> {
    loop {
        storage::increment("commit-flood", "number", 1)?;
    }
}

/// Puts a value of `bytes` into the cache, and tells how that went.
pub fn cache_huge(arguments: &Arguments) -> Result<Response, Error> {
    let value = vec![b'x'; arguments.bytes.unwrap_or(1 << 20)];
    let error = cache::put("hostile", "huge", &value, Life::for_ms(60_000)).err();
    Response::json(&json!({ "error": error.map(|error| error.code) }))
}

/// Puts values of `bytes` into storage, until it is refused or there are `count`.
pub fn storage_flood(arguments: &Arguments) -> Result<Response, Error> {
    let value = vec![b'x'; arguments.bytes.unwrap_or(VALUE_BYTES)];
    fill_storage("storage-flood", &value, arguments.count.unwrap_or(u64::MAX))
}

/// Puts `count` tiny values into storage, until it is refused.
pub fn many_keys(arguments: &Arguments) -> Result<Response, Error> {
    fill_storage("many-keys", b"", arguments.count.unwrap_or(u64::MAX))
}

fn fill_storage(bucket: &str, value: &[u8], count: u64) -> Result<Response, Error> {
    let mut refused = Value::Null;
    let mut puts = 0;
    while puts < count {
        if let Err(error) = storage::put(bucket, &puts.to_string(), value) {
            refused = json!({ "code": error.code, "message": error.message });
            break;
        }
        puts += 1;
    }
    Response::json(&json!({ "puts": puts, "bytes": puts.saturating_mul(value.len() as u64), "error": refused }))
}

/// Puts `count` values of `bytes` into the cache: 64 MiB in all where nothing else is asked.
pub fn cache_flood(arguments: &Arguments) -> Result<Response, Error> {
    let value = vec![b'x'; arguments.bytes.unwrap_or(VALUE_BYTES)];
    let count = arguments.count.unwrap_or(1_024);
    for number in 0..count {
        cache::put("hostile", &number.to_string(), &value, Life::for_ms(3_600_000))?;
    }
    let after = cache::stats();
    Response::json(&json!({
        "puts": count,
        "entries": after.entries,
        "bytes": after.bytes,
        "limit-bytes": after.limit_bytes,
        "evicted": after.evicted,
    }))
}
