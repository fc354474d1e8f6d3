//! A request for a FastCGI application: records that read back to variables, none of them made up by the client.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| proto_http::fuzzing::environment(data));
