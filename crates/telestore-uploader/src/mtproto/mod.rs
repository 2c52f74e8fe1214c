//! Sends files over MTProto: parts, and one message.

mod attempt;
mod bots;
mod error;
mod find;
mod limits;
mod message;
mod parts;
mod resume;
mod send;
mod uploader;
mod window;
mod windows;

pub use uploader::MtprotoUploader;
