#![doc = include_str!("../README.md")]

mod content;
#[cfg(feature = "age")]
mod decrypted;
mod error;
#[cfg(feature = "mtproto")]
mod mtproto;
mod reader;

pub use content::Content;
pub use error::{Error, ErrorKind, Result};
#[cfg(feature = "mtproto")]
pub use mtproto::MtprotoReader;
#[cfg(feature = "mock")]
pub use reader::MockTelegramReader;
pub use reader::{ByteStream, MessageBytes, TelegramReader};
