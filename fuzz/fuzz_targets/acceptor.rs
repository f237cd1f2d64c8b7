#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| msgr_sim::fuzz::acceptor(input));
