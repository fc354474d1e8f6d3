//! A Range field, behind 8 octets that make the length: few ranges, inside, apart.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| proto_http::fuzzing::range(data));
