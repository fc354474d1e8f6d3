//! What a Gearman server says: read in full, or refused.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logging::fuzzing::gearman(data));
