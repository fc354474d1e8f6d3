//! A path of a target: normalised under the root, as a slow and simple normaliser does it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| proto_http::fuzzing::path(data));
