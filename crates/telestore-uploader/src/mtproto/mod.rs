//! Sends files over MTProto: parts, and one message.

mod allowed;
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
mod video;
mod window;
mod windows;

pub use uploader::MtprotoUploader;
