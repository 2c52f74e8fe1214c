//! Sends files with the Bot API's `sendDocument`.

mod answer;
mod body;
mod copy;
mod message;
mod preflight;
mod rights;
mod state;
mod transfer;
mod uploader;
mod who;

pub use uploader::BotApiUploader;
