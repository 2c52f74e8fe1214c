#![doc = include_str!("../README.md")]

mod calls;
mod client;
mod delivery;
mod download;
mod download_options;
mod error;
mod index;
mod meter;
mod options;
mod patience;
mod progress;
mod receiving;
mod sending;
mod source;
mod target;
mod task;
mod tus;
mod upload;
mod upload_url;

pub use client::{Client, ClientBuilder};
pub use delivery::{Cancelled, Delivered, Message, Status};
pub use download::Download;
pub use download_options::{DownloadOptions, Downloaded};
pub use error::{Error, ErrorKind, Result};
pub use index::{File, FileQuery, Link};
pub use options::UploadOptions;
pub use progress::{DownloadPhase, DownloadProgress, Phase, Progress};
pub use source::Source;
pub use target::Target;
pub use telestore_types::{Secret, SendAs};
pub use upload::Upload;
pub use upload_url::UploadUrl;
