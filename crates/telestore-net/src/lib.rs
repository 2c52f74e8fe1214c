#![doc = include_str!("../README.md")]

mod allowed;

pub use allowed::{AllowedAddresses, is_public};
