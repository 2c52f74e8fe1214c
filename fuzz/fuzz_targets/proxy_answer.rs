//! What a proxy answers before it carries anything.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| telestore_mtproto::fuzzing::proxy_answer(input));
