//! A packet of log lines from a worker: whole lines for one sink, or refused.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| logging::fuzzing::packet(data));
