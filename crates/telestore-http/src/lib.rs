#![doc = include_str!("../README.md")]

mod answer;
mod chunked;
mod direct;
mod error;
mod form;
mod health;
mod json;
mod progress;
mod routes;
mod token;

pub use error::status_of;
pub use routes::{Endpoint, HttpOptions, cors, endpoints, no_such_endpoint, routes};
