#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| pugmark_fuzz::signature(input));
