//! See `entrada_fuzz::redirect_uri`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| entrada_fuzz::redirect_uri(data));
