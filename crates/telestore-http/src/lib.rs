#![doc = include_str!("../README.md")]

mod access;
mod answer;
mod blank_line;
mod budget;
mod chunked;
mod client;
mod compress;
mod connections;
mod delimiter;
mod digest;
mod direct;
mod error;
mod form;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod headers;
mod health;
mod http2;
mod https;
mod json;
mod limits;
mod live;
mod measure;
mod metrics_page;
mod number;
mod old_http;
mod openapi;
mod parts;
mod paths;
mod patience;
mod progress;
mod proxy;
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
mod told;
mod upgrade;
mod watch;

pub use access::{AccessLines, AccessLog, access};
pub use budget::SpoolBudget;
pub use client::{ClientAddress, HasHead, client_address, is_secure};
pub use compress::compress;
pub use connections::{ConnectionLimits, Connections};
pub use error::status_of;
pub use headers::headers;
pub use https::{HttpsOptions, listeners, serve_https};
pub use limits::{LimitedAddresses, Limiter, RequestLimits, limits};
pub use measure::{describe_metrics, measure};
pub use metrics_page::MetricsPage;
pub use openapi::openapi;
pub use paths::{Paths, PathsService, paths};
pub use proxy::{TrustedProxies, UNKNOWN_CLIENT, trust_proxies};
pub use request_id::{RequestId, request_id};
pub use routes::{Endpoint, HttpOptions, cors, endpoints, no_such_endpoint, routes};
pub use watch::{Watch, WatchService, Watched, turn_away_crowds};
