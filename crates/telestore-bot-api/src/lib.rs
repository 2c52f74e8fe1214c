#![doc = include_str!("../README.md")]

mod client;
mod config;
mod error;
mod heard;
mod wait_in_text;

pub use client::BotApi;
pub use config::BotApiConfig;
pub use error::{Error, Result};
pub use heard::Heard;
