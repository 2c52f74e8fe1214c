#![doc = include_str!("../README.md")]

mod error;
mod fetcher;
#[cfg(feature = "http")]
mod http;

pub use error::{Error, ErrorKind, Result};
pub use fetcher::{Ask, Fetched, Fetcher, Told};
#[cfg(feature = "http")]
pub use http::{FetchConfig, HttpFetcher, LookUp, Names};
#[cfg(feature = "http")]
pub use telestore_net::AllowedAddresses;
