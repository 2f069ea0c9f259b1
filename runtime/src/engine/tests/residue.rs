//! Looks for a canary in the memory of this process, as nothing inside of it can: through the kernel.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// Copies that make a place: a stack has one in each of its frames, where an accident has a few.
const MANY: usize = 100;
/// Mappings above this are no stacks.
const LARGE: u64 = 64 << 20;

/// A mapping.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    start: u64,
    end: u64,
}

/// Every mapping in which the canary of this seed stands many times.
pub(super) fn places(seed: u64) -> Vec<Place> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut buffer = vec![0; 64 << 10];
    let written = maps.lines().filter_map(place);
    written.filter(|place| count(*place, seed, &mut buffer) >= MANY).collect()
}

/// Whether the canary stands many times in one of these places.
pub(super) fn is_in(places: &[Place], seed: u64) -> bool {
    let mut buffer = vec![0; 64 << 10];
    places.iter().any(|place| count(*place, seed, &mut buffer) >= MANY)
}

/// A line of the list of mappings, where it is one that can be written.
fn place(line: &str) -> Option<Place> {
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
    (words.next()?.starts_with("rw") && end - start <= LARGE).then_some(Place { start, end })
}

fn count(place: Place, seed: u64, buffer: &mut [u8]) -> usize {
    let memory = File::open("/proc/self/mem").unwrap();
    let own = buffer.as_ptr().addr() as u64;
    let own = own..own + buffer.len() as u64;
    let (mut at, mut found) = (place.start, 0);
    while at < place.end {
        let length = usize::try_from(place.end - at).unwrap().min(buffer.len());
        // What went away in the meantime is nobody's stack any more.
        let Ok(read) = memory.read_at(&mut buffer[..length], at) else { break };
        if read == 0 {
            break;
        }
        let words = buffer[..read].chunks_exact(8).enumerate();
        found += words
            .filter(|(index, word)| {
                let address = at + 8 * *index as u64;
                !own.contains(&address) && is_canary(u64::from_le_bytes((*word).try_into().unwrap()), seed)
            })
            .count();
        at += read as u64;
    }
    found
}

/// The guest's sum backwards, so that the canary itself stands nowhere on this side.
fn is_canary(word: u64, seed: u64) -> bool {
    (word ^ 0x5bd1_e995_a54f_f53a).rotate_right(13) == seed
}
