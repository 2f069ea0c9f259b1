//! What the targets begin from: made by code, so that nothing binary is in the tree.

use std::path::Path;

/// Where a target puts its seeds, beneath the folder that it is started in; `cargo xtask fuzz` makes it.
const FOLDER: &str = "seeds";
/// How many plans there are to begin from, and how long they are, in bytes.
const PLANS: u64 = 24;
const PLAN_BYTES: usize = 600;

/// Writes seeds where they were asked for: to the folder `seeds`, if there is one.
pub fn write(seeds: &[Vec<u8>]) {
    let folder = Path::new(FOLDER);
    if !folder.is_dir() {
        return;
    }
    for (number, seed) in seeds.iter().enumerate() {
        let written = std::fs::write(folder.join(format!("seed-{number}")), seed);
        assert!(written.is_ok(), "a seed was not written: {written:?}");
    }
}

/// Plans of the host-call target: the same in every run.
#[must_use]
pub fn plans() -> Vec<Vec<u8>> {
    (1..=PLANS).map(|seed| bytes(seed, PLAN_BYTES)).collect()
}

/// So many bytes that look like chance, the same for the same seed (splitmix64).
#[must_use]
pub fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let words = std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    });
    words.flat_map(u64::to_le_bytes).take(length).collect()
}
