//! Attacks through leases of the cache: held for ever, hoarded, waited for without end, forged.

use std::hint::black_box;
use std::thread;
use std::time::Duration;

use insula_sdk::cache::{Lease, Life, Lookup};
use insula_sdk::prelude::*;
use serde_json::{Value, json};
use wasip2::clocks::monotonic_clock;

use crate::{Arguments, burn, outside};

/// The namespace of all of them, and the bucket in which they say how far they are.
const PLACE: &str = "leases";

const LIFE: Life = Life::for_ms(60_000);

fn key(arguments: &Arguments) -> &str {
    arguments.key.as_deref().unwrap_or("key")
}

/// Takes the lease of `key`, fills `bytes` of memory, says so in storage, and does not make the value: it ends as `then` says
/// (`trap`, `exit`, `spin`, `sleep`), or waits until there is something at `gate` in storage.
pub fn hold_lease(arguments: &Arguments) -> Result<Response, Error> {
    let then = arguments.then.as_deref().unwrap_or("spin");
    if !["trap", "exit", "spin", "sleep", "gate"].contains(&then) {
        return Err(Error::bad_request(format!("`then` is {then:?}; use trap, exit, spin, sleep or gate")));
    }
    let lease = take(key(arguments))?;
    let filled = black_box(vec![1_u8; arguments.bytes.unwrap_or(0)]);
    storage::put(PLACE, key(arguments), b"held")?;
    match then {
        "trap" => burn::trap(),
        "exit" => burn::exit(),
        "spin" => burn::spin(),
        "sleep" => drop(outside::sleep(arguments.ms.unwrap_or(3_600_000))?),
        _ => {
            while storage::get(PLACE, "gate")?.is_none() {
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
    drop(black_box((lease, filled)));
    Response::json(&json!({ "held": key(arguments) }))
}

/// Takes leases of `count` keys, keeps them all, and tells how many it was given.
pub fn hoard_leases(arguments: &Arguments) -> Result<Response, Error> {
    let mut leases = Vec::new();
    let mut refused = Value::Null;
    for number in 0..arguments.count.unwrap_or(1_000) {
        match cache::get_or_fill(PLACE, &format!("hoard/{number}"), 0) {
            Ok(Lookup::Fill(lease)) => leases.push(lease),
            Ok(_) => {}
            Err(error) => {
                refused = error.code.into();
                break;
            }
        }
    }
    Response::json(&json!({ "leases": black_box(leases).len(), "error": refused }))
}

/// Waits for the value of `key` for `ms`, for ever where nothing is said, and tells what came of it.
pub fn wait_for_lease(arguments: &Arguments) -> Result<Response, Error> {
    Response::json(&told(cache::get_or_fill(PLACE, key(arguments), arguments.ms.unwrap_or(u64::MAX)))?)
}

/// Takes the lease of `key` and then waits for another key's, which makes a ring where someone does it the other way
/// round.
pub fn wait_in_a_ring(arguments: &Arguments) -> Result<Response, Error> {
    let lease = take(key(arguments))?;
    let other = arguments.message.as_deref().unwrap_or("other");
    let answer = told(cache::get_or_fill(PLACE, other, arguments.ms.unwrap_or(u64::MAX)))?;
    drop(black_box(lease));
    Response::json(&answer)
}

/// Fills or drops, as `then` says, a lease that is none: `part` is `index` (a number that the host never gave),
/// `dropped` (one that has ended) or `foreign` (another kind of handle).
pub fn forged_lease(arguments: &Arguments) -> Result<Response, Error> {
    let pollable = monotonic_clock::subscribe_duration(1);
    let handle = match arguments.part.as_deref().unwrap_or("index") {
        "dropped" => take("forged")?.handle(),
        "foreign" => pollable.handle(),
        _ => u32::try_from(arguments.count.unwrap_or(12_345)).unwrap_or(u32::MAX),
    };
    // SAFETY: it is not; that is the attack. The host must refuse it, and this guest's memory is not touched.
    let lease = unsafe { Lease::from_handle(handle) };
    let answer = match arguments.then.as_deref() {
        Some("drop") => {
            drop(lease);
            json!("dropped")
        }
        _ => json!(lease.fill(b"forged", LIFE).map_err(|error| error.code)),
    };
    Response::json(&json!({ "forged": answer }))
}

fn take(key: &str) -> Result<Lease, Error> {
    match cache::get_or_fill(PLACE, key, 0)? {
        Lookup::Fill(lease) => Ok(lease),
        Lookup::Hit(_) | Lookup::Stale(_) => Err(Error::conflict(format!("{key} has a value"))),
    }
}

/// What a look-up came to. A lease is filled at once.
fn told(found: Result<Lookup, Error>) -> Result<Value, Error> {
    Ok(match found {
        Ok(Lookup::Hit(value)) => json!({ "hit": String::from_utf8_lossy(&value) }),
        Ok(Lookup::Stale(stale)) => json!({ "stale": String::from_utf8_lossy(&stale.value) }),
        Ok(Lookup::Fill(lease)) => json!({ "filled": lease.fill(b"made", LIFE)? }),
        Err(error) => json!({ "error": error.code }),
    })
}
