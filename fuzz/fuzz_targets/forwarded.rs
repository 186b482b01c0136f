//! See `entrada_fuzz::forwarded`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| entrada_fuzz::forwarded(data));
