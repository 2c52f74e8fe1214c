//! The head of a part: names in every way that clients write them.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| telestore_http::fuzzing::part_head(input));
