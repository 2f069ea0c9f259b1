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
static WORLD: OnceLock<anyhow::Result<Mutex<World>>> = OnceLock::new();

#[expect(clippy::print_stderr, reason = "asked for, by whoever reproduces a finding")]
fn show(bytes: &[u8]) {
    eprintln!("{}", host_calls::show(bytes));
}

fuzz_target!(init: seeds::write(&seeds::plans()), |bytes: &[u8]| {
    if Path::new(SHOW).is_dir() {
        show(bytes);
    }
    let world = WORLD.get_or_init(|| World::start().map(Mutex::new));
    assert!(world.is_ok(), "the world does not start: {world:?}");
    let Ok(world) = world else { return };
    let done = host_calls::run(&world.lock(), bytes);
    assert!(done.is_ok(), "the world around the plan failed: {done:?}");
});
