#![doc = include_str!("../README.md")]

mod calls;
mod client;
mod delivery;
mod error;
mod meter;
mod options;
mod patience;
mod progress;
mod sending;
mod source;
mod tus;
mod upload;
mod upload_url;

pub use client::{Client, ClientBuilder};
pub use delivery::{Cancelled, Delivered, Message, Status};
pub use error::{Error, ErrorKind, Result};
pub use options::UploadOptions;
pub use progress::{Phase, Progress};
pub use source::Source;
pub use telestore_types::{Secret, SendAs};
pub use upload::Upload;
pub use upload_url::UploadUrl;
