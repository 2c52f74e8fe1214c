//! Header values that are parsed here: boundaries, digests, the addresses that proxies name, encodings.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    telestore_http::fuzzing::content_type(input);
    telestore_http::fuzzing::client_headers(input);
    telestore_http::fuzzing::proxy_headers(input);
});
