//! A rule and a request: whatever they are, no value of the request gets out of the part that the rule gives it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| site::fuzzing::rules(data));
