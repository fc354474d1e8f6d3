//! For whom proxies say that they speak: read whatever the fields hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| proto_http::fuzzing::forwarded(data));
