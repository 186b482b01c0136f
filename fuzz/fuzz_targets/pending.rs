//! See `entrada_fuzz::pending`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| entrada_fuzz::pending(data));
