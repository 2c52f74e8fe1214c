//! How connections are taken, by HTTP/1.1, HTTP/2 and TLS.

pub(crate) mod expect;
pub(crate) mod http;
pub(crate) mod http2;
pub(crate) mod https;
