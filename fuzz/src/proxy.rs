//! What a proxy says before the first byte: the same however it is cut, and bounded.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| proto_http::fuzzing::proxy(data));
