//! See `entrada_fuzz::records`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| entrada_fuzz::records(data));
