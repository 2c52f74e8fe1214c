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
mod limits;
mod live;
mod measure;
mod metrics_page;
mod openapi;
mod parts;
mod progress;
mod rates;
mod ready;
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
pub use limits::{LimitedAddresses, Limiter, RequestLimits, limits};
pub use measure::{describe_metrics, measure};
pub use metrics_page::MetricsPage;
pub use openapi::openapi;
pub use request_id::{RequestId, request_id};
pub use routes::{Endpoint, HttpOptions, cors, endpoints, no_such_endpoint, routes};
