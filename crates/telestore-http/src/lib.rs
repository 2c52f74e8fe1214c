#![doc = include_str!("../README.md")]

mod answer;
mod blank_line;
mod chunked;
mod client;
mod delimiter;
mod digest;
mod direct;
mod error;
mod form;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod json;
mod live;
mod openapi;
mod parts;
mod progress;
mod request_id;
mod routes;
mod socket;
mod sse;
mod tap;
#[cfg(test)]
mod testing;
mod token;

pub use client::{ClientAddress, HasHead, client_address};
pub use error::status_of;
pub use openapi::openapi;
pub use request_id::{RequestId, request_id};
pub use routes::{Endpoint, HttpOptions, cors, endpoints, no_such_endpoint, routes};
