//! Whatever lies where lines wait, it can be delivered, and every line is accounted for.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logging::fuzzing::queue(data));
