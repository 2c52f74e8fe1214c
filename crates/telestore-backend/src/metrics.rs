//! What is measured of the backend.

use std::sync::LazyLock;

use metrics::{Counter, Unit, counter};
#[cfg(feature = "http")]
use metrics::{Histogram, histogram};

use crate::Error;

const CREDENTIALS: &str = "telestore_credentials_total";
#[cfg(feature = "http")]
const REQUEST: &str = "telestore_backend_request_duration_seconds";

/// Tells the installed recorder what this crate measures; to be called before the first token is looked at.
pub fn describe_metrics() {
    metrics::describe_counter!(CREDENTIALS, Unit::Count, "Questions whose a token is, by what answered");
    #[cfg(feature = "http")]
    metrics::describe_histogram!(REQUEST, Unit::Seconds, "How long the TeleStore backend takes, by call");
    LazyLock::force(&METRICS);
}

pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let result = |result| counter!(CREDENTIALS, "result" => result);
    Metrics {
        cached: result("cached"),
        fetched: result("fetched"),
        stale: result("stale"),
        rejected: result("rejected"),
        not_configured: result("not_configured"),
        unavailable: result("unavailable"),
        #[cfg(feature = "http")]
        credentials: histogram!(REQUEST, "call" => "credentials"),
        #[cfg(feature = "http")]
        webhook: histogram!(REQUEST, "call" => "webhook"),
    }
});

pub(crate) struct Metrics {
    /// Remembered.
    pub(crate) cached: Counter,
    /// Asked of the backend.
    pub(crate) fetched: Counter,
    /// An older answer, while the backend is down.
    pub(crate) stale: Counter,
    /// A token of nobody.
    pub(crate) rejected: Counter,
    pub(crate) not_configured: Counter,
    /// The backend is down and has never answered for the token.
    pub(crate) unavailable: Counter,
    #[cfg(feature = "http")]
    pub(crate) credentials: Histogram,
    #[cfg(feature = "http")]
    pub(crate) webhook: Histogram,
}

impl Metrics {
    /// The backend has said no.
    pub(crate) fn refused(&self, error: &Error) {
        let counter = if *error == Error::InvalidToken { &self.rejected } else { &self.not_configured };
        counter.increment(1);
    }
}
