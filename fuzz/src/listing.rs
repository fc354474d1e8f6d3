//! Names in a listing: whatever they are, they stay names.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| site::fuzzing::listing(data));
