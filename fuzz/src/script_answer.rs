//! What a script writes before its content: the same however it is cut, and what a client gets of it is one clean
//! response.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| proto_http::fuzzing::script_answer(data));
