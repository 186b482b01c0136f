//! See `entrada_fuzz::program`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| entrada_fuzz::program(data));
