//! A content in its framing: the same octets however it is cut, and within the limits.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| proto_http::fuzzing::chunked(data));
