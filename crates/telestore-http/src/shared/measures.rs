//! What is measured of requests.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, OnceLock, PoisonError, RwLock};
use std::time::Instant;

use actix_web::http::StatusCode;
use metrics::{Counter, Gauge, Histogram, Unit};
use telestore::Error as Refusal;

use crate::shared::error::ApiError;

const REQUESTS: &str = "telestore_http_requests_total";
const DURATION: &str = "telestore_http_request_duration_seconds";
const IN_FLIGHT: &str = "telestore_http_requests_in_flight";

const LISTENERS: &str = "telestore_listeners";

const REFUSED: &str = "telestore_refused_requests_total";

/// The limit that a full disk is.
const DISK: &str = "disk space";

/// The route of what belongs to none; paths are the client's words and never a label.
const NO_ROUTE: &str = "none";

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Tells the installed recorder what this crate measures. To be called after a recorder is installed and before the
/// first request: what is measured goes to the recorder of that time.
pub fn describe_metrics() {
    metrics::describe_counter!(REQUESTS, Unit::Count, "Requests answered, by route and class of status");
    metrics::describe_histogram!(
        DURATION,
        Unit::Seconds,
        "From the head of a request to that of its answer, by route"
    );
    metrics::describe_gauge!(IN_FLIGHT, Unit::Count, "Requests without an answer yet");
    metrics::describe_gauge!(LISTENERS, Unit::Count, "Who is told of an upload live, by way");
    metrics::describe_counter!(REFUSED, Unit::Count, "Requests that were refused, by limit");
    metrics::counter!(REFUSED, "limit" => DISK).increment(0);
    LazyLock::force(&MEASURES);
}

struct Measures {
    routes: RwLock<HashMap<String, Arc<Route>>>,
    in_flight: Gauge,
    by_events: Gauge,
    by_socket: Gauge,
    by_poll: Gauge,
}

static MEASURES: LazyLock<Measures> = LazyLock::new(|| Measures {
    routes: RwLock::default(),
    in_flight: metrics::gauge!(IN_FLIGHT),
    by_events: metrics::gauge!(LISTENERS, "via" => "sse"),
    by_socket: metrics::gauge!(LISTENERS, "via" => "websocket"),
    by_poll: metrics::gauge!(LISTENERS, "via" => "poll"),
});

/// What is measured of one route.
pub(crate) struct Route {
    name: String,
    requests: [OnceLock<Counter>; CLASSES.len()],
    duration: Histogram,
}

impl Route {
    /// That of a pattern. There are as many as the service has routes.
    pub(crate) fn of(pattern: Option<String>) -> Arc<Self> {
        let name = pattern.unwrap_or_else(|| NO_ROUTE.to_owned());
        let known = MEASURES.routes.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        known.unwrap_or_else(|| {
            let mut routes = MEASURES.routes.write().unwrap_or_else(PoisonError::into_inner);
            let new = || {
                let duration = metrics::histogram!(DURATION, "route" => name.clone());
                Arc::new(Self { name: name.clone(), requests: Default::default(), duration })
            };
            Arc::clone(routes.entry(name.clone()).or_insert_with(new))
        })
    }

    pub(crate) fn answered(&self, status: StatusCode, began: Instant) {
        self.duration.record(began.elapsed());
        let class = usize::from(status.as_u16() / 100).saturating_sub(1).min(CLASSES.len() - 1);
        let counter =
            || metrics::counter!(REQUESTS, "route" => self.name.clone(), "status" => CLASSES[class]);
        self.requests[class].get_or_init(counter).increment(1);
    }
}

/// Counts a request that is refused for a limit.
pub(crate) fn refused(error: &ApiError) {
    let limit = match error.kind() {
        ApiError::Engine(Refusal::TooManyRequests { what, .. }) => *what,
        ApiError::Engine(Refusal::QuotaFull { .. }) => "stored bytes",
        ApiError::Engine(Refusal::NoSpace) => DISK,
        ApiError::TooSlow => "speed of a body",
        ApiError::ManyListeners => "listeners",
        _ => return,
    };
    metrics::counter!(REFUSED, "limit" => limit).increment(1);
}

/// Counts something for as long as this lives.
#[derive(Debug)]
pub(crate) struct Ongoing(&'static Gauge);

impl Ongoing {
    fn begin(gauge: &'static Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }

    /// A request is being answered.
    pub(crate) fn in_flight() -> Self {
        Self::begin(&MEASURES.in_flight)
    }

    /// Somebody listens by Server-Sent Events.
    pub(crate) fn by_events() -> Self {
        Self::begin(&MEASURES.by_events)
    }

    /// Somebody listens by WebSocket.
    pub(crate) fn by_socket() -> Self {
        Self::begin(&MEASURES.by_socket)
    }

    /// Somebody waits in a poll.
    pub(crate) fn by_poll() -> Self {
        Self::begin(&MEASURES.by_poll)
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
