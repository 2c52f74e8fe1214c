//! What a user pastes as a session string.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| telestore_mtproto::fuzzing::session_string(text));
