#![doc = include_str!("../README.md")]

#[cfg(feature = "bot-api")]
mod bot_api;
mod content;
#[cfg(feature = "zstd")]
mod decompressed;
#[cfg(feature = "age")]
mod decrypted;
mod error;
#[cfg(feature = "mtproto")]
mod mtproto;
mod reader;

#[cfg(feature = "bot-api")]
pub use bot_api::BotApiReader;
pub use content::Content;
pub use error::{Error, ErrorKind, Result};
#[cfg(feature = "mtproto")]
pub use mtproto::MtprotoReader;
#[cfg(feature = "mock")]
pub use reader::MockTelegramReader;
pub use reader::{ByteStream, MessageBytes, TelegramReader};
/// What a [`BotApiReader`] is made of.
#[cfg(feature = "bot-api")]
pub use telestore_bot_api::BotApiConfig;
