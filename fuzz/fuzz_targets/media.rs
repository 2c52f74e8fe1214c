//! A file that somebody calls a video or music.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| telestore_uploader::fuzzing::media(input));
