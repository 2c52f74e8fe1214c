use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::Duration;

use crate::calls::metrics_page::MetricsPage;
use crate::layers::access::AccessLog;
use crate::shared::budget::SpoolBudget;
use crate::shared::connections::ConnectionLimits;
use crate::shared::limiter::RequestLimits;
use crate::shared::options::HttpOptions;
use crate::shared::proxy::TrustedProxies;

/// What an [`HttpService`](crate::HttpService) needs beside the engine. Each value is given once, and goes to all the
/// layers that need it.
///
/// ```
/// use std::time::Duration;
///
/// use telestore_http::{AccessLog, ServiceSettings};
///
/// let settings = ServiceSettings::default()
///     .with_origins(["https://your-app.example"])
///     .with_trusted_proxies("loopback,private".parse()?)
///     .with_access_log(AccessLog::All)
///     .with_shutdown_timeout(Duration::from_secs(10));
/// # let _ = settings;
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone)]
pub struct ServiceSettings {
    pub(super) options: HttpOptions,
    pub(super) request_limits: RequestLimits,
    pub(super) connections: ConnectionLimits,
    pub(super) trusted_proxies: TrustedProxies,
    pub(super) access_log: AccessLog,
    pub(super) metrics: Option<MetricsPage>,
    pub(super) threads: usize,
    pub(super) http2: bool,
    pub(super) shutdown_timeout: Duration,
}

impl Default for ServiceSettings {
    /// The limits' own defaults; pages of all origins may call, no proxy is trusted, refused requests are logged, and there
    /// are no metrics. A thread for each core, HTTP/2 over TLS, and 30 seconds for a stop.
    fn default() -> Self {
        Self {
            options: HttpOptions::default(),
            request_limits: RequestLimits::default(),
            connections: ConnectionLimits::default(),
            trusted_proxies: TrustedProxies::default(),
            access_log: AccessLog::default(),
            metrics: None,
            threads: available_parallelism().map_or(1, NonZero::get),
            http2: true,
            shutdown_timeout: Duration::from_secs(30),
        }
    }
}

impl ServiceSettings {
    /// How often calls may come. The addresses that these limits are for are those of all limits of addresses.
    #[must_use]
    pub fn with_request_limits(mut self, limits: RequestLimits) -> Self {
        self.request_limits = limits;
        self
    }

    /// How long clients may take, and how many may come. `addresses` and `proxies` of it are replaced by those of the
    /// request limits and by the trusted proxies.
    #[must_use]
    pub fn with_connection_limits(mut self, limits: ConnectionLimits) -> Self {
        self.connections = limits;
        self
    }

    /// The proxies whose word about a client's address counts.
    #[must_use]
    pub fn with_trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.trusted_proxies = proxies;
        self
    }

    /// The origins whose pages may call and open WebSockets, such as `https://your-app.example`; all if there are none, or
    /// if one is `*`.
    #[must_use]
    pub fn with_origins(mut self, origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.options.origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// The requests that leave a line with the client's address.
    #[must_use]
    pub fn with_access_log(mut self, log: AccessLog) -> Self {
        self.access_log = log;
        self
    }

    /// What may be spooled for callers of whom nothing is known yet.
    #[must_use]
    pub fn with_spool_budget(mut self, budget: SpoolBudget) -> Self {
        self.options.spool_budget = budget;
        self
    }

    /// How often a listener hears something when nothing changes.
    #[must_use]
    pub fn with_heartbeat(mut self, every: Duration) -> Self {
        self.options.heartbeat = every;
        self
    }

    /// Whether there is a page for people at `/app`; there is none otherwise.
    #[must_use]
    pub fn with_app(mut self, shown: bool) -> Self {
        self.options.app = shown;
        self
    }

    /// What `GET /metrics` shows; without this, the page is not there.
    #[must_use]
    pub fn with_metrics(mut self, page: MetricsPage) -> Self {
        self.metrics = Some(page);
        self
    }

    /// Threads that serve; at least one.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Whether HTTP/2 is offered over TLS, beside HTTP/1.1.
    #[must_use]
    pub fn with_http2(mut self, offered: bool) -> Self {
        self.http2 = offered;
        self
    }

    /// How long a stop waits for requests.
    #[must_use]
    pub fn with_shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }
}
