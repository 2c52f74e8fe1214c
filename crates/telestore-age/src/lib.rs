#![doc = include_str!("../README.md")]

#[doc(hidden)]
pub mod audit;
mod bech32;
mod chunks;
mod encrypted;
mod error;
mod header;
mod identity;
mod keys;
mod payload;
mod recipient;
mod sealing;
mod stanza;
mod x25519;

pub use encrypted::Encrypted;
pub use error::{Error, Result};
pub use header::{Header, MAX_HEADER, Parsed};
pub use identity::{Identity, identities};
pub use payload::{CHUNK, Payload, SEALED_CHUNK};
pub use recipient::{Recipient, recipients};
pub use sealing::Sealing;
