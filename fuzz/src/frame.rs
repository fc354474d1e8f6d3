//! A frame of any link, or what travels in sealed memory, by its first byte: refused, or the one encoding of a value.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| privsep::fuzzing::frame(data));
