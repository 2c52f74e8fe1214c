//! The handlers of the endpoints, and their description.

pub(crate) mod app;
pub(crate) mod call;
pub(crate) mod chunked;
pub(crate) mod content;
pub(crate) mod deletion;
pub(crate) mod direct;
pub(crate) mod files;
pub(crate) mod from_url;
pub(crate) mod health;
pub(crate) mod index;
pub(crate) mod links;
pub(crate) mod live;
pub(crate) mod metrics_page;
pub(crate) mod openapi;
pub(crate) mod progress;
pub(crate) mod put;
pub(crate) mod sharex;
pub(crate) mod socket;
pub(crate) mod sse;
pub(crate) mod tus;
