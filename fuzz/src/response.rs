//! A response head of an upstream: the same however it is cut, and what a client gets of it is one clean response.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| proto_http::fuzzing::response(data));
