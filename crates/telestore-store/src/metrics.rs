//! What the stores measure.

#[cfg(feature = "sqlite")]
use std::sync::LazyLock;

#[cfg(feature = "sqlite")]
use metrics::Histogram;
use metrics::Unit;

const COMMIT: &str = "telestore_chunk_commit_duration_seconds";

/// Tells the installed recorder what this crate measures; to be called before a store is opened.
pub fn describe_metrics() {
    metrics::describe_histogram!(
        COMMIT,
        Unit::Seconds,
        "How long the database takes to record a group of chunks"
    );
}

/// How long a group of chunks takes.
#[cfg(feature = "sqlite")]
pub(crate) static COMMIT_DURATION: LazyLock<Histogram> = LazyLock::new(|| metrics::histogram!(COMMIT));
