//! Encoded keys of storage.
#![no_main]

use insula_fuzz::seeds;
use insula_store::fuzzing;

libfuzzer_sys::fuzz_target!(init: seeds::write(&fuzzing::key_seeds()), |bytes: &[u8]| fuzzing::key_codec(bytes));
