//! See `entrada_fuzz::configuration`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| entrada_fuzz::configuration(data));
