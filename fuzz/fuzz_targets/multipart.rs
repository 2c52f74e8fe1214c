//! A form, cut into reads: the reader with the tap sees what plain actix-multipart sees.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| telestore_http::fuzzing::form(input));
