//! What a server puts into an encrypted packet.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| telestore_mtproto::fuzzing::packet(input));
