//! Attacks on memory and handles.

use std::hint::black_box;
use std::time::Duration;

use core::arch::wasm32::memory_grow;
use insula_sdk::prelude::*;
use serde_json::json;
use wasip2::clocks::monotonic_clock;

use crate::Arguments;

/// A page of linear memory, in bytes.
const PAGE: usize = 64 << 10;

/// How far apart bytes are touched: a page of the host's processor.
const STEP: usize = 4 << 10;

/// What `memory_grow` answers when it is refused.
const REFUSED: usize = usize::MAX;

/// Grows and touches memory until refused, then goes on through the allocator until that aborts.
pub fn grow_memory() -> ! {
    for pages in [16, 1] {
        while grow_and_touch(pages) {}
    }
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        kept.push(black_box(vec![1; PAGE]));
    }
}

fn grow_and_touch(pages: usize) -> bool {
    let first = memory_grow::<0>(pages);
    if first == REFUSED {
        return false;
    }
    for address in (first * PAGE..(first + pages) * PAGE).step_by(STEP) {
        // SAFETY: the range was just added to this memory, and no allocation is in it: the allocator uses only what it
        // grew itself.
        unsafe { std::ptr::with_exposed_provenance_mut::<u8>(address).write_volatile(1) };
    }
    true
}

/// Fills half of the memory that it may have, again and again, with the instruction that fills memory.
pub fn fill_memory(arguments: &Arguments) -> ! {
    let mut bytes = vec![0_u8; arguments.bytes.unwrap_or(64 << 20)];
    loop {
        for fill in 0..=u8::MAX {
            black_box(&mut bytes).fill(fill);
        }
    }
}

/// Grows memory until refused, and takes no for an answer.
pub fn grow_memory_politely() -> Result<Response, Error> {
    // Held back for the answer: no memory is left to grow afterwards.
    let reserve = black_box(vec![0_u8; PAGE]);
    let mut pages = 0_u64;
    while memory_grow::<0>(1) != REFUSED {
        pages += 1;
    }
    drop(reserve);
    Response::json(&json!({ "pages": pages }))
}

/// Takes timers from the host and never gives them back.
pub fn handle_flood(arguments: &Arguments) -> Result<Response, Error> {
    let an_hour = u64::try_from(Duration::from_secs(3_600).as_nanos()).unwrap_or(u64::MAX);
    let count = arguments.count.unwrap_or(u64::MAX);
    for _ in 0..count {
        std::mem::forget(monotonic_clock::subscribe_duration(an_hour));
    }
    Response::json(&json!({ "handles": count }))
}
