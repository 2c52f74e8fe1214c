//! Sends files with the Bot API's `sendDocument`.

mod answer;
mod body;
mod config;
mod heard;
mod message;
mod preflight;
mod rights;
mod state;
mod transfer;
mod uploader;
mod wait_in_text;
mod who;

pub use config::BotApiConfig;
pub use uploader::BotApiUploader;
