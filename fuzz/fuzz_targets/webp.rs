#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| veilray_robustness::targets::fuzz("webp", bytes));
