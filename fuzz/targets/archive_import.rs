//! Archives: as they come, and with checksums that are right whatever is in them.
#![no_main]

use insula_fuzz::seeds;
use insula_store::fuzzing;

libfuzzer_sys::fuzz_target!(init: seeds::write(&[fuzzing::archive_seeds(), fuzzing::archive_frames_seeds()].concat()), |bytes: &[u8]| {
    fuzzing::archive(bytes);
    fuzzing::archive_frames(bytes);
});
