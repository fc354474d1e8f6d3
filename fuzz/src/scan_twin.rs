//! Each vector scan equals its plain twin.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| proto_http::fuzzing::scan_twin(data));
