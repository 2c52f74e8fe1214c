//! Sends files over MTProto: session strings, one connection per account, parts, one message.

mod account;
mod attempt;
mod config;
mod connection;
mod home;
mod key_exchange;
mod moving;
mod parts;
mod resolve;
mod resume;
mod rpc;
mod send;
mod session;
mod updates;
mod uploader;
mod window;
mod wire;

pub use config::MtprotoConfig;
pub use key_exchange::{BadServerKey, ServerKey};
pub use uploader::MtprotoUploader;
