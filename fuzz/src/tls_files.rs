//! Certificates, chains and keys: whatever they are, nothing panics.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tls::fuzzing::files(data));
