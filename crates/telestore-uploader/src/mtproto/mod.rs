//! Sends files over MTProto: parts, and one message.

mod allowed;
mod attempt;
mod bots;
mod copy;
mod error;
mod find;
mod limits;
mod logins;
mod message;
mod parts;
mod recall;
mod resume;
mod send;
mod unnamed;
mod uploader;
mod video;
mod window;
mod windows;
mod withdraw;

pub use uploader::MtprotoUploader;
