//! Attacks through lives: times that overflow a clock, and keys that come and go by the thousand.

use insula_sdk::cache::Life;
use insula_sdk::prelude::*;
use insula_sdk::storage::{Address, Write, commit};
use serde_json::{Value, json};

use crate::Arguments;

const PLACE: &str = "lives";

/// Asks for lives of 0, of one more than the longest, and of all that a number holds, wherever a life can be stated. Tells
/// the code of each answer.
pub fn lives() -> Result<Response, Error> {
    let mut told = Vec::new();
    for (ttl_ms, longest) in [(0, false), (315_360_000_001, false), (u64::MAX, false), (2_592_000_001, true)] {
        if !longest {
            told.extend(in_storage(ttl_ms));
        }
        told.extend(in_cache(ttl_ms));
    }
    Response::json(&told)
}

fn in_storage(ttl_ms: u64) -> [Value; 5] {
    let at = Address::new(PLACE, "k");
    let one = |write: Write| code(commit(&[], &[write]));
    [
        json!(["storage.put", ttl_ms, code(storage::put_for(PLACE, "k", b"v", ttl_ms))]),
        json!(["storage.increment", ttl_ms, code(storage::increment_for(PLACE, "n", 1, ttl_ms))]),
        json!(["commit of a put", ttl_ms, one(Write::put_for(at.clone(), "v", ttl_ms))]),
        json!(["commit of an increment", ttl_ms, one(Write::increment_for(at.clone(), 1, ttl_ms))]),
        json!(["commit of a new life", ttl_ms, one(Write::expire(at, ttl_ms))]),
    ]
}

fn in_cache(ttl_ms: u64) -> [Value; 3] {
    let put = |life: Life| code(cache::put(PLACE, "k", b"v", life));
    // A stale time of 0 is in order.
    let stale_ms = if ttl_ms == 0 { u64::MAX } else { ttl_ms };
    [
        json!(["cache.put", ttl_ms, put(Life::for_ms(ttl_ms))]),
        json!(["cache.put stale", stale_ms, put(Life::for_ms(1).stale_for(stale_ms))]),
        json!(["cache.fill", ttl_ms, fill(Life::for_ms(ttl_ms))]),
    ]
}

fn fill(life: Life) -> String {
    match cache::get_or_fill(PLACE, "fill", 0) {
        Ok(cache::Lookup::Fill(lease)) => code(lease.fill(b"v", life)),
        Ok(_) => "there is a value".to_owned(),
        Err(error) => error.code,
    }
}

/// Puts `count` keys that each live for a millisecond, into storage and into the cache, until it is refused.
pub fn short_lives(arguments: &Arguments) -> Result<Response, Error> {
    let count = arguments.count.unwrap_or(1_000);
    let mut refused = Value::Null;
    let mut puts = 0;
    while puts < count {
        let key = puts.to_string();
        let put = storage::put_for(PLACE, &key, b"v", 1).map(drop);
        if let Err(error) = put.and_then(|()| cache::put(PLACE, &key, b"v", Life::for_ms(1))) {
            refused = json!({ "code": error.code, "message": error.message });
            break;
        }
        puts += 1;
    }
    Response::json(&json!({ "puts": puts, "error": refused, "cache": cache::stats().entries }))
}

fn code<T>(result: Result<T, Error>) -> String {
    result.map_or_else(|error| error.code, |_| "done".to_owned())
}
