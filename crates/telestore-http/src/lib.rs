#![doc = include_str!("../README.md")]

mod calls;
mod forms;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod layers;
mod routes;
mod server;
mod service;
mod shared;
#[cfg(test)]
mod testing;

pub use calls::metrics_page::MetricsPage;
pub use calls::openapi::openapi;
pub use layers::access::{AccessLines, AccessLog, access};
pub use layers::compress::compress;
pub use layers::cors::cors;
pub use layers::headers::headers;
pub use layers::limits::limits;
pub use layers::measure::measure;
pub use layers::paths::{Paths, PathsService, paths};
pub use layers::request_id::{RequestId, request_id};
pub use layers::trust_proxies::trust_proxies;
pub use layers::tus::as_tus;
pub use layers::watch::{Watch, WatchService, Watched, turn_away_crowds};
pub use routes::{endpoints, no_such_endpoint, routes};
pub use server::expect::Expectations;
pub use server::http::{PlainOptions, serve_http};
pub use server::https::{HttpsOptions, listeners, serve_https};
pub use service::{HttpService, ServiceSettings};
pub use shared::budget::SpoolBudget;
pub use shared::client::{ClientAddress, HasHead, client_address, is_secure};
pub use shared::connections::{ConnectionLimits, Connections};
pub use shared::endpoints::Endpoint;
pub use shared::error::status_of;
pub use shared::limiter::{LimitedAddresses, Limiter, RequestLimits};
pub use shared::measures::describe_metrics;
pub use shared::options::HttpOptions;
pub use shared::proxy::{TrustedProxies, UNKNOWN_CLIENT};
