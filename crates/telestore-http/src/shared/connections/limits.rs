use std::time::Duration;

use crate::{LimitedAddresses, TrustedProxies};

/// How long clients may take, and how many may come. To be changed from the default:
///
/// ```
/// let mut limits = telestore_http::ConnectionLimits::default();
/// limits.max_connections = 500;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionLimits {
    /// For the head of a connection's first request; for
    /// [`client_request_timeout`](actix_web::HttpServer::client_request_timeout).
    pub header_timeout: Duration,
    /// The longest wait for the next bytes of a body. A body that is refused is read away for as long in all.
    pub body_timeout: Duration,
    /// The least rate of a body in bytes a second, averaged over `body_timeout`; 0 for any.
    pub body_min_rate: u64,
    /// How long a connection may be without a whole request; for [`keep_alive`](actix_web::HttpServer::keep_alive), too.
    pub idle_timeout: Duration,
    /// The most connections at a time. Those on which no valid token was shown have at most seven eighths of them: when
    /// more come, some that have done nothing for the longest time are closed, or that have had one request run for
    /// long.
    pub max_connections: usize,
    /// The most connections at a time from one address (an IPv6 network of 64 bits); 0 for any number.
    pub address_connections: usize,
    /// Which addresses are counted for it.
    pub addresses: LimitedAddresses,
    /// Whose connections are those of many clients: neither `address_connections` nor `connection_requests` holds.
    pub proxies: TrustedProxies,
    /// The most requests at a time on one connection, which HTTP/2 allows: the server tells its clients no limit.
    /// Browsers and libraries have 100 at most before they are told.
    pub connection_requests: usize,
    /// The most listeners of live progress at a time, polls that wait among them. Those without a valid token have at
    /// most a half of the places, and from one address at most `address_connections`.
    pub max_listeners: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            body_min_rate: 1024,
            idle_timeout: Duration::from_secs(75),
            max_connections: 10_000,
            address_connections: 1000,
            addresses: LimitedAddresses::default(),
            proxies: TrustedProxies::default(),
            connection_requests: 128,
            max_listeners: 10_000,
        }
    }
}
