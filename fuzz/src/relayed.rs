//! A request head that goes on to an upstream: what leaves is one head that says the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| proto_http::fuzzing::relayed(data));
