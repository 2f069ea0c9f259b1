//! How many components may be loaded at once in this process: each takes a file descriptor and four mappings, of both of which
//! a process has so many. A process takes all the descriptors that it may have.

use std::num::NonZeroUsize;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The most, however much the machine gives.
const MOST: u64 = 12_000;
/// The least, however little it gives: it would have to give less than to any other program.
const LEAST: u64 = 64;
/// What stays for connections on both listeners, storage files, compile workers and the rest.
const DESCRIPTORS_KEPT: u64 = 4_096;
/// What stays for the pool: the stacks, memories and tables of 512 calls.
const MAPPINGS_KEPT: u64 = 24_000;
const MAPPINGS_EACH: u64 = 4;
/// Of little, this part is for components.
const PART: u64 = 4;
/// What the kernel gives unless told otherwise.
const STANDARD_MAPPINGS: u64 = 65_530;

/// Takes the descriptors that this process may have, and answers how many components it then has room for.
pub(crate) fn for_components() -> NonZeroUsize {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).is_ok();
    let descriptors = if raised { limit.maximum } else { limit.current };
    let mappings = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok();
    let mappings = mappings.and_then(|text| text.trim().parse().ok()).unwrap_or(STANDARD_MAPPINGS);
    of(descriptors.unwrap_or(u64::MAX), mappings)
}

fn of(descriptors: u64, mappings: u64) -> NonZeroUsize {
    let beside = |all: u64, kept: u64| all.saturating_sub(kept).max(all / PART);
    let room = beside(descriptors, DESCRIPTORS_KEPT).min(beside(mappings, MAPPINGS_KEPT) / MAPPINGS_EACH);
    usize::try_from(room.clamp(LEAST, MOST)).ok().and_then(NonZeroUsize::new).unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_machine_has_room_for_ten_thousand_and_a_small_one_keeps_most_for_the_rest() {
        let room = |descriptors, mappings| of(descriptors, mappings).get();
        assert_eq!(room(1_048_576, STANDARD_MAPPINGS), 10_382);
        assert_eq!(room(20_000, u64::MAX), 12_000);
        assert_eq!(room(8_192, STANDARD_MAPPINGS), 4_096);
        assert_eq!(room(1_024, STANDARD_MAPPINGS), 256);
        assert_eq!((room(100, 100), room(u64::MAX, u64::MAX)), (64, 12_000));
    }
}
