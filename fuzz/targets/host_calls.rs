//! Host functions with any arguments.
#![no_main]

use std::path::Path;
use std::sync::OnceLock;

use insula_fuzz::{World, host_calls, seeds};
use libfuzzer_sys::fuzz_target;
use parking_lot::Mutex;

/// Where this folder is, plans are shown before they are carried out; `cargo xtask fuzz --input` makes it.
const SHOW: &str = "show";

/// Made once: a catalog and three tenants take longer than a plan.
static WORLD: OnceLock<(Mutex<World>, bool)> = OnceLock::new();

fn world() -> (Mutex<World>, bool) {
    (Mutex::new(World::start().expect("the world starts")), Path::new(SHOW).is_dir())
}

#[expect(clippy::print_stderr, reason = "asked for, by whoever reproduces a finding")]
fn show(bytes: &[u8]) {
    eprintln!("{}", host_calls::show(bytes));
}

fuzz_target!(init: seeds::write(&seeds::plans()), |bytes: &[u8]| {
    let (world, shown) = WORLD.get_or_init(world);
    if *shown {
        show(bytes);
    }
    let done = host_calls::run(&world.lock(), bytes);
    assert!(done.is_ok(), "the world around the plan failed: {done:?}");
});
