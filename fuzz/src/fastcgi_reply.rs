//! What a FastCGI application sends: the same however it is cut, and never more than was sent.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| proto_http::fuzzing::fastcgi_reply(data));
