//! A request head: the same result however it is cut, and nothing dirty in what is accepted.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| proto_http::fuzzing::head(data));
