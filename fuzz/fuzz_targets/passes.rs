//! See `entrada_fuzz::passes`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| entrada_fuzz::passes(data));
