//! Sends files over MTProto: session strings, one connection per account, parts, one message.

mod account;
mod allowed;
mod answers;
mod attempt;
mod caller;
mod cipher;
mod config;
mod connection;
mod envelope;
mod flight;
#[cfg(feature = "fuzzing")]
mod fuzzing;
mod home;
mod ige;
mod inbound;
mod key_exchange;
mod lines;
mod lost;
mod moving;
mod packet;
#[cfg(feature = "testsuite")]
mod packing;
mod parts;
mod patience;
mod pool;
mod resolve;
mod resume;
mod rights;
mod rpc;
mod search;
mod seen;
mod send;
mod session;
mod unasked;
mod updates;
mod uploader;
mod window;
mod wire;

pub use allowed::AllowedAddresses;
pub use config::MtprotoConfig;
#[cfg(feature = "fuzzing")]
pub use fuzzing::{answer, packet, session_string};
pub use key_exchange::{BadServerKey, ServerKey};
#[cfg(feature = "testsuite")]
pub use packing::Packing;
pub use uploader::MtprotoUploader;
