//! What a stranger may say: answers that are made to harm whoever reads them.

mod http;

pub use http::HostileHttp;
