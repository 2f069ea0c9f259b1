//! Attacks on the processor and the stack, and abrupt ends.

use std::hint::black_box;

use insula_sdk::prelude::*;
use serde_json::json;

use crate::{Arguments, outside};

/// Never returns.
pub fn spin() -> ! {
    loop {
        black_box(());
    }
}

/// Recurses without end, or `depth` deep.
pub fn recurse(arguments: &Arguments) -> Result<Response, Error> {
    let bottom = black_box(arguments.depth.unwrap_or(u64::MAX));
    Response::json(&json!({ "result": deeper(0, bottom) }))
}

/// The work after the call is neither associative nor commutative, so that no optimiser makes a loop of it; and it
/// keeps nothing on the guest's own stack, so that the host's is the one to overflow.
#[inline(never)]
fn deeper(depth: u64, bottom: u64) -> u64 {
    if depth >= bottom {
        return depth;
    }
    deeper(depth + 1, bottom).rotate_left(7) ^ depth
}

/// Recurses without end, and calls the host at every depth on the way: what the host needs of the stack must be there down
/// to the very bottom.
pub fn recurse_calling() -> Result<Response, Error> {
    Response::json(&json!({ "result": deeper_calling(0, black_box(u64::MAX)) }))
}

#[inline(never)]
fn deeper_calling(depth: u64, bottom: u64) -> u64 {
    if depth >= bottom {
        return depth;
    }
    match depth % 4 {
        0 => drop(black_box(storage::get("hostile", "absent"))),
        1 => drop(black_box(cache::get_or_fill("hostile", "absent", 0))),
        2 => log::write(log::Level::Info, "deeper"),
        _ => drop(black_box(storage::put("hostile", "depth", b"deeper"))),
    }
    deeper_calling(depth + 1, bottom).rotate_left(7) ^ depth
}

/// Burns fuel: a bill of known size, and the same one for the same `iterations`.
pub fn fuel_burner(arguments: &Arguments) -> Result<Response, Error> {
    let iterations = arguments.iterations.unwrap_or(1_000_000);
    let mut number: u64 = 0x9e37_79b9_7f4a_7c15;
    for _ in 0..black_box(iterations) {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
    }
    Response::json(&json!({ "iterations": iterations, "number": number }))
}

/// Panics, which writes to standard error and then traps.
pub fn panic() -> ! {
    panic!("a panic, as asked")
}

/// Traps without a word.
pub fn trap() -> ! {
    core::arch::wasm32::unreachable()
}

/// Leaves through the back door, and claims success.
pub fn exit() -> ! {
    std::process::exit(0)
}

/// Writes one of two values, then ends as `then` says. What was acknowledged must stay, and nothing else appear.
pub fn half_writes(arguments: &Arguments) -> Result<Response, Error> {
    let value = arguments.message.as_deref().unwrap_or("acknowledged").as_bytes();
    let then = arguments.then.as_deref().unwrap_or("trap");
    if !["trap", "spin", "sleep"].contains(&then) {
        return Err(Error::bad_request(format!("`then` is {then:?}; use trap, spin or sleep")));
    }
    storage::put("half-writes", "a", value)?;
    match then {
        "trap" => trap(),
        "spin" => spin(),
        _ => outside::sleep(arguments.ms.unwrap_or(3_600_000))?,
    };
    storage::put("half-writes", "b", value)?;
    Ok(Response::text("both written"))
}
