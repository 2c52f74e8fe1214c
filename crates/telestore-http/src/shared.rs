//! What all rooms of this crate stand on.

pub(crate) mod answer;
pub(crate) mod budget;
pub(crate) mod client;
pub(crate) mod connections;
pub(crate) mod encodings;
pub(crate) mod endpoints;
pub(crate) mod error;
pub(crate) mod fault;
pub(crate) mod idempotency;
pub(crate) mod limiter;
pub(crate) mod measures;
pub(crate) mod messages;
pub(crate) mod named;
pub(crate) mod number;
pub(crate) mod options;
pub(crate) mod patience;
pub(crate) mod proxy;
pub(crate) mod rates;
pub(crate) mod slashes;
pub(crate) mod times;
pub(crate) mod token;
pub(crate) mod told;
pub(crate) mod tus;
pub(crate) mod words;
