//! What a server answers to the calls that the worker makes.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| telestore_mtproto::fuzzing::answer(input));
