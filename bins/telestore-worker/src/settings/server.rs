use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};
use telestore_http::{ConnectionLimits, TrustedProxies};

use super::{CorsOrigins, values};

/// A small request waits behind the chunks that its thread is just reading, so there are more threads than CPUs mostly.
const MIN_HTTP_THREADS: usize = 8;

/// More than this actix-server refuses.
const MAX_HTTP_THREADS: usize = 512;

/// When there is a page for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AppPage {
    /// If there is no backend, which has a page of its own.
    Auto,
    On,
    Off,
}

/// Where and how the worker listens.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct ServerSettings {
    /// Port to listen on; 0 takes a free one
    #[arg(long, env = "PORT", default_value = "10000", value_parser = values::port)]
    pub(crate) port: u16,

    /// Address to listen on
    #[arg(long, env = "TELESTORE_HOST", default_value = "0.0.0.0")]
    pub(crate) host: String,

    /// Certificate chain (PEM) to serve HTTPS with, by HTTP/2 and HTTP/1.1 [default: none, HTTP]
    ///
    /// The worker takes up a renewed file without a restart.
    #[arg(long, env = "TELESTORE_TLS_CERT", value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// Private key (PEM) of that certificate [default: none]
    #[arg(long, env = "TELESTORE_TLS_KEY", value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Whether [HTTPS by the worker](#https-without-a-proxy) offers HTTP/2: `on` or `off`
    #[arg(long, env = "TELESTORE_HTTP2", value_name = "on|off", default_value = "on", value_parser = values::on_or_off, action = ArgAction::Set)]
    pub(crate) http2: bool,

    /// [Proxies](#behind-a-proxy) whose `X-Forwarded-For` counts: addresses, networks, `loopback`, `private`, comma-separated [default: none]
    #[arg(long, env = "TELESTORE_TRUSTED_PROXIES", value_name = "PROXY,…")]
    pub(crate) trusted_proxies: Option<TrustedProxies>,

    /// Origins whose pages may call, comma-separated, each as `https://app.example`; `*` for all
    #[arg(long, env = "TELESTORE_CORS_ORIGINS", value_name = "ORIGIN,…", default_value = "*")]
    pub(crate) cors_origins: CorsOrigins,

    /// Whether [a page for people](#the-page) is at `/app`: `on`, `off`, or `auto`, which is `on` without `BACKEND_URL`
    #[arg(long, env = "TELESTORE_APP", value_name = "auto|on|off", default_value = "auto", value_parser = values::one_of([("auto", AppPage::Auto), ("on", AppPage::On), ("off", AppPage::Off)]))]
    pub(crate) app: AppPage,

    /// Threads that serve HTTP, 512 at most [default: the number of CPUs, at least 8]
    ///
    /// More threads than CPUs keep polls from waiting behind chunks.
    #[arg(long, env = "TELESTORE_HTTP_THREADS", value_name = "N", value_parser = values::count(1..=MAX_HTTP_THREADS))]
    pub(crate) http_threads: Option<usize>,
}

impl ServerSettings {
    /// How many threads serve HTTP.
    pub(crate) fn threads(&self) -> usize {
        let usual = || std::thread::available_parallelism().map_or(0, usize::from).max(MIN_HTTP_THREADS);
        self.http_threads.unwrap_or_else(usual)
    }

    /// The proxies whose word about a client's address counts.
    pub(crate) fn proxies(&self) -> TrustedProxies {
        self.trusted_proxies.clone().unwrap_or_default()
    }
}

/// What slow clients and strangers may take of the server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connections")]
pub(crate) struct ConnectionSettings {
    /// How long the head of a connection's first request may take to come; then 408
    ///
    /// The connection's TLS handshake may take as long, but 3 s at most.
    #[arg(long, env = "TELESTORE_HEADER_TIMEOUT", value_name = "TIME", default_value = "10s", value_parser = values::some_time)]
    pub(crate) header_timeout: Duration,

    /// How long the worker waits for the next bytes of a body; then 408
    ///
    /// Time in which bytes wait for the worker's disk does not count. The worker reads a refused body away for as long, up
    /// to 64 MiB, so that the client gets its answer.
    #[arg(long, env = "TELESTORE_BODY_TIMEOUT", value_name = "TIME", default_value = "30s", value_parser = values::some_time)]
    pub(crate) body_timeout: Duration,

    /// The least that a body must bring in a second, averaged over `TELESTORE_BODY_TIMEOUT`; below: 408; 0 for any
    #[arg(long, env = "TELESTORE_BODY_MIN_RATE", value_name = "BYTES", default_value = "1 KiB", value_parser = values::size)]
    pub(crate) body_min_rate: u64,

    /// How long a connection may do nothing; then it is closed
    ///
    /// A connection does nothing when no request runs on it, or when it does not take its answer. Keep this time above the
    /// idle time of a proxy in front.
    #[arg(long, env = "TELESTORE_IDLE_TIMEOUT", value_name = "TIME", default_value = "75s", value_parser = values::some_time)]
    pub(crate) idle_timeout: Duration,

    /// Connections at a time; requests on more get 503, or are cut off
    ///
    /// Each takes two open files. The worker asks the system for as many, and takes fewer connections if it gets fewer.
    #[arg(long, env = "TELESTORE_MAX_CONNECTIONS", value_name = "N", default_value = "10000", value_parser = values::count(1..=usize::MAX))]
    pub(crate) max_connections: usize,

    /// Connections at a time from one address that is [limited](#limits) (IPv6: one /64); requests on more get 429; 0 for any number
    ///
    /// Connections of trusted proxies do not count: they are everybody's. See also [strangers](#strangers).
    #[arg(long, env = "TELESTORE_ADDRESS_CONNECTIONS", value_name = "N", default_value = "1000", value_parser = values::count(0..=usize::MAX))]
    pub(crate) address_connections: usize,

    /// Listeners of live progress at a time, by events, WebSockets and polls that wait; more get 503
    ///
    /// Listeners without a valid token have a half of the places. One [limited](#limits) address has as many as connections.
    #[arg(long, env = "TELESTORE_MAX_LISTENERS", value_name = "N", default_value = "10000", value_parser = values::count(0..=usize::MAX))]
    pub(crate) max_listeners: usize,

    /// [Bytes of files whose senders are not known yet](#strangers), since their token comes behind the file; a quarter of the free space at most
    #[arg(long, env = "TELESTORE_UNKNOWN_SENDER_BYTES", value_name = "BYTES", default_value = "1 GiB", value_parser = values::size)]
    pub(crate) unknown_sender_bytes: u64,
}

impl ConnectionSettings {
    /// What the server keeps to.
    pub(crate) fn limits(&self) -> ConnectionLimits {
        let mut limits = ConnectionLimits::default();
        limits.header_timeout = self.header_timeout;
        limits.body_timeout = self.body_timeout;
        limits.body_min_rate = self.body_min_rate;
        limits.idle_timeout = self.idle_timeout;
        limits.max_connections = self.max_connections;
        limits.address_connections = self.address_connections;
        limits.max_listeners = self.max_listeners;
        limits
    }
}
