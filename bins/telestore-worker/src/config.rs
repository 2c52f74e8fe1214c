mod file;
mod origin;
mod suggest;
mod tokens;
mod warnings;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use telestore::EngineConfig;
use telestore::store::Durability;
use telestore::types::{Secret, TelegramCredentials, pasted};
use telestore::uploader::{AllowedAddresses, ServerKey};
use telestore_http::{AccessLog, ConnectionLimits, RequestLimits, TrustedProxies};

pub(crate) use self::origin::{Origin, Origins};
pub(crate) use self::tokens::Token;
pub(crate) use self::warnings::{environment, warnings};
use crate::cli::{Settings, Span, is_on, word};
use crate::tls::{self, TlsFiles};
use crate::{addresses, limits, origins, stand_alone};

/// What the worker runs with: checked, with every default in its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    /// What the settings were called where they were written.
    pub(crate) origins: Origins,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) data_dir: PathBuf,
    pub(crate) access: Access,
    pub(crate) bot_api_url: Option<String>,
    pub(crate) bot_api_max_bytes: u64,
    pub(crate) bot_api_answer_timeout: Duration,
    pub(crate) mtproto_dc: Option<SocketAddr>,
    pub(crate) mtproto_addresses: AllowedAddresses,
    pub(crate) mtproto_server_key: Option<ServerKey>,
    pub(crate) mtproto_connections: usize,
    pub(crate) http_threads: usize,
    pub(crate) connections: ConnectionLimits,
    pub(crate) http2: bool,
    pub(crate) unknown_sender_bytes: u64,
    pub(crate) cors_origins: Vec<String>,
    pub(crate) secret_key: Option<Secret>,
    pub(crate) webhook_secret: Option<Secret>,
    pub(crate) metrics_token: Option<Secret>,
    pub(crate) access_log: AccessLog,
    pub(crate) durability: Durability,
    pub(crate) disk_bytes: Option<u64>,
    pub(crate) shutdown_grace: Duration,
    pub(crate) request_limits: RequestLimits,
    pub(crate) engine: EngineConfig,
}

/// Whom the worker serves.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Access {
    /// The users of a TeleStore backend.
    Backend {
        /// Its base URL.
        url: String,
    },
    /// The holders of fixed tokens, with one set of credentials.
    StandAlone {
        /// What files are sent with.
        credentials: Box<TelegramCredentials>,
        /// Who may send.
        tokens: Vec<Token>,
    },
}

/// Why the settings do not work. The texts say what to set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read {path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("{message}")]
    Parse { message: String },
    #[error(
        "nobody to serve: set BACKEND_URL to the TeleStore backend, or, for stand-alone use, TELESTORE_CHANNEL_ID with \
         TELESTORE_BOT_TOKEN or TELESTORE_TELEGRAM_SESSION, and TELESTORE_AUTH_TOKENS. To look around without Telegram: \
         telestore-worker sandbox --with-worker"
    )]
    Nobody,
    #[error("{name} is not set, which stand-alone use needs")]
    Missing { name: &'static str },
    #[error("{name}: {message}")]
    Bad { name: String, message: String },
}

const MIB: u64 = 1024 * 1024;

/// More than there are CPUs, mostly: with few, a small request waits behind the chunks that its thread is just reading.
const MIN_HTTP_THREADS: usize = 8;

/// More than this actix-server refuses.
const MAX_HTTP_THREADS: usize = 512;

/// No machine sends as many, and the worker multiplies it.
const MAX_CONCURRENT_UPLOADS: usize = 100_000;

/// The API document promises that results are kept for an hour.
const MIN_RESULT_TTL: Duration = Duration::from_secs(60 * 60);

const MIN_ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Puts the settings of flags and environment over those of the file over the defaults.
pub(crate) fn load(file: Option<&Path>, settings: Settings) -> Result<Config, ConfigError> {
    let settings = merge(file, settings)?;
    let origins = settings.origins.clone();
    resolve(settings).map_err(|error| error.named_by(&origins))
}

impl ConfigError {
    /// With the name of the setting that its writer knows.
    fn named_by(self, origins: &Origins) -> Self {
        match self {
            Self::Bad { name, message } => Self::Bad { name: origins.name(&name), message },
            other => other,
        }
    }
}

/// Puts the settings of flags and environment over those of the file.
pub(crate) fn merge(file: Option<&Path>, settings: Settings) -> Result<Settings, ConfigError> {
    let file = file.map(file::read).transpose()?.unwrap_or_default();
    Ok(settings.without_empty().or(file.without_empty()))
}

/// Where the worker's data is: all that work on it needs.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) dir: PathBuf,
    pub(crate) durability: Durability,
}

/// The same as [`load`] for those who only work on the data: nobody needs to be served.
pub(crate) fn load_data(file: Option<&Path>, settings: Settings) -> Result<Data, ConfigError> {
    let settings = merge(file, settings)?;
    let durability = durability(settings.durability.as_deref());
    let durability = durability.map_err(|error| error.named_by(&settings.origins))?;
    Ok(Data { durability, dir: data_dir(settings.data_dir) })
}

/// The host and the port that a worker with these settings listens on, and whether it speaks HTTPS there.
pub(crate) fn load_address(
    file: Option<&Path>,
    settings: Settings,
) -> Result<(String, u16, bool), ConfigError> {
    let settings = merge(file, settings)?;
    let (host, port) = listens_at(settings.host, settings.port);
    Ok((host, port, settings.tls_cert.is_some()))
}

fn listens_at(host: Option<String>, port: Option<u16>) -> (String, u16) {
    (host.unwrap_or_else(|| "0.0.0.0".to_owned()), port.unwrap_or(10_000))
}

fn data_dir(set: Option<PathBuf>) -> PathBuf {
    set.unwrap_or_else(|| PathBuf::from("telestore-data"))
}

fn resolve(settings: Settings) -> Result<Config, ConfigError> {
    let access = access(&settings)?;
    let measured_users = match &access {
        Access::Backend { .. } => BTreeSet::new(),
        Access::StandAlone { tokens, .. } => tokens::names(tokens),
    };
    let connections = connections(&settings)?;
    let bytes = |size: Option<ByteSize>, default: u64| size.map_or(default, |size| size.as_u64());
    let time = |span: Option<Span>, default: Duration| span.map_or(default, |Span(time)| time);
    let default = EngineConfig::default();
    let result_ttl = time(settings.result_ttl, default.result_ttl);
    if result_ttl < MIN_RESULT_TTL {
        return Err(bad("TELESTORE_RESULT_TTL", "must be at least 1h: clients poll for the result"));
    }
    let bot_api_answer_timeout = time(settings.bot_api_answer_timeout, Duration::from_secs(120));
    if bot_api_answer_timeout < MIN_ANSWER_TIMEOUT {
        let why = "must be at least 10s: a file whose answer is given up may be in the channel, and fails";
        return Err(bad("TELESTORE_BOT_API_ANSWER_TIMEOUT", why));
    }
    let request_limits = limits::requests(&settings)?;
    let (user, address) = limits::quotas(&settings, &default);
    let mtproto_addresses = addresses::allowed(&settings)?;
    let bot_api_url = settings.bot_api_url.map(|url| http_url("TELEGRAM_BOT_API_URL", &url)).transpose()?;
    let concurrent = settings.max_concurrent_uploads.unwrap_or(default.max_concurrent_uploads);
    let threads =
        std::thread::available_parallelism().map_or(MIN_HTTP_THREADS, |n| n.get().max(MIN_HTTP_THREADS));
    for (name, count, most) in [
        ("TELESTORE_MAX_CONCURRENT_UPLOADS", Some(concurrent), MAX_CONCURRENT_UPLOADS),
        ("TELESTORE_HTTP_THREADS", settings.http_threads, MAX_HTTP_THREADS),
        ("TELESTORE_MTPROTO_CONNECTIONS", settings.mtproto_connections, usize::MAX),
        ("TELESTORE_MAX_CONNECTIONS", settings.max_connections, usize::MAX),
    ] {
        match count {
            Some(0) => return Err(bad(name, "must be at least 1")),
            Some(count) if count > most => return Err(bad(name, format!("must be {most} at most"))),
            _ => {}
        }
    }
    for (name, time) in
        [("TELESTORE_SESSION_TTL", settings.session_ttl), ("TELESTORE_STALL_TIMEOUT", settings.stall_timeout)]
    {
        if time == Some(Span(Duration::ZERO)) {
            return Err(bad(name, "must be more than 0"));
        }
    }
    for (name, size) in [
        ("TELESTORE_MAX_FILE_BYTES", settings.max_file_bytes),
        ("TELESTORE_MAX_CHUNK_BYTES", settings.max_chunk_bytes),
    ] {
        if size.is_some_and(|size| size.as_u64() == 0) {
            return Err(bad(name, "must be at least 1"));
        }
    }
    let min_free_bytes = bytes(settings.min_free_bytes, default.min_free_bytes);
    let disk_bytes = settings.disk_bytes.map(|size| size.as_u64());
    if disk_bytes.is_some_and(|size| size <= min_free_bytes) {
        let least = ByteSize(min_free_bytes);
        let text = format!("must be more than TELESTORE_MIN_FREE_BYTES ({least}), which is kept free of it");
        return Err(bad("TELESTORE_DISK_BYTES", text));
    }
    let server_key = settings.mtproto_server_key.as_deref().map(str::parse::<ServerKey>).transpose();
    let (host, port) = listens_at(settings.host, settings.port);
    let trusted = settings.trusted_proxies.as_deref().unwrap_or_default().parse();
    Ok(Config {
        origins: settings.origins,
        host,
        port,
        tls: tls::files(settings.tls_cert, settings.tls_key)?,
        trusted_proxies: trusted.map_err(|error| bad("TELESTORE_TRUSTED_PROXIES", error))?,
        data_dir: data_dir(settings.data_dir),
        access,
        bot_api_url,
        bot_api_max_bytes: bytes(settings.bot_api_max_bytes, 50 * MIB),
        bot_api_answer_timeout,
        mtproto_dc: settings.mtproto_dc,
        mtproto_addresses,
        mtproto_server_key: server_key.map_err(|error| bad("TELESTORE_MTPROTO_SERVER_KEY", error))?,
        mtproto_connections: settings.mtproto_connections.unwrap_or(1),
        http_threads: settings.http_threads.unwrap_or(threads),
        connections,
        http2: on_or_off("TELESTORE_HTTP2", settings.http2.as_deref())?,
        unknown_sender_bytes: bytes(settings.unknown_sender_bytes, 1024 * MIB),
        cors_origins: origins::read(settings.cors_origins.as_deref().unwrap_or("*"))?,
        secret_key: settings.secret_key,
        webhook_secret: settings.webhook_secret,
        metrics_token: settings.metrics_token,
        access_log: limits::access_log(settings.access_log.as_deref())?,
        durability: durability(settings.durability.as_deref())?,
        disk_bytes,
        shutdown_grace: time(settings.shutdown_grace, Duration::from_secs(10)),
        request_limits,
        engine: EngineConfig {
            auth: limits::auth(settings.auth.as_deref())?,
            user,
            address,
            min_free_bytes,
            session_ttl: time(settings.session_ttl, default.session_ttl),
            failed_ttl: time(settings.failed_ttl, default.failed_ttl),
            result_ttl,
            retry_max_age: time(settings.retry_max_age, default.retry_max_age),
            stall_timeout: time(settings.stall_timeout, default.stall_timeout),
            max_file_bytes: bytes(settings.max_file_bytes, default.max_file_bytes),
            max_chunk_bytes: bytes(settings.max_chunk_bytes, default.max_chunk_bytes),
            max_concurrent_uploads: concurrent,
            eager: on_or_off("TELESTORE_EAGER", settings.eager.as_deref())?,
            eager_max_bytes: settings.eager_max_bytes.map_or(default.eager_max_bytes, |bytes| bytes.0),
            measured_users,
            ..default
        },
    })
}

fn access(settings: &Settings) -> Result<Access, ConfigError> {
    if let Some(url) = &settings.backend_url {
        return Ok(Access::Backend { url: http_url("BACKEND_URL", url)? });
    }
    if settings.channel_id.is_none() && settings.bot_token.is_none() && settings.telegram_session.is_none() {
        return Err(ConfigError::Nobody);
    }
    let credentials = Box::new(stand_alone::credentials(settings)?.0);
    let tokens = tokens::read(settings)?;
    if tokens.is_empty() {
        let name = "TELESTORE_AUTH_TOKENS or TELESTORE_NAMED_TOKENS (the tokens that clients may use)";
        return Err(ConfigError::Missing { name });
    }
    Ok(Access::StandAlone { credentials, tokens })
}

fn connections(settings: &Settings) -> Result<ConnectionLimits, ConfigError> {
    let default = ConnectionLimits::default();
    let time = |name, span: Option<Span>, default| match span {
        Some(Span(Duration::ZERO)) => Err(bad(name, "must be more than 0")),
        span => Ok(span.map_or(default, |Span(time)| time)),
    };
    Ok(ConnectionLimits {
        header_timeout: time("TELESTORE_HEADER_TIMEOUT", settings.header_timeout, default.header_timeout)?,
        body_timeout: time("TELESTORE_BODY_TIMEOUT", settings.body_timeout, default.body_timeout)?,
        body_min_rate: settings.body_min_rate.map_or(default.body_min_rate, |rate| rate.as_u64()),
        idle_timeout: time("TELESTORE_IDLE_TIMEOUT", settings.idle_timeout, default.idle_timeout)?,
        max_connections: settings.max_connections.unwrap_or(default.max_connections),
        address_connections: settings.address_connections.unwrap_or(default.address_connections),
        max_listeners: settings.max_listeners.unwrap_or(default.max_listeners),
        ..default
    })
}

fn durability(text: Option<&str>) -> Result<Durability, ConfigError> {
    match text.map(word).as_deref() {
        None | Some("process") => Ok(Durability::Process),
        Some("disk") => Ok(Durability::Disk),
        Some(_) => Err(bad("TELESTORE_DURABILITY", "must be process or disk")),
    }
}

fn on_or_off(name: &'static str, text: Option<&str>) -> Result<bool, ConfigError> {
    text.map_or(Some(true), is_on).ok_or_else(|| bad(name, "must be on or off"))
}

pub(crate) fn bad(name: &'static str, message: impl ToString) -> ConfigError {
    ConfigError::Bad { name: name.to_owned(), message: message.to_string() }
}

fn http_url(name: &'static str, url: &str) -> Result<String, ConfigError> {
    let url = pasted::base_url(url).map_err(|fault| bad(name, fault))?;
    let good = reqwest::Url::parse(&url).is_ok_and(|url| url.has_host());
    if good { Ok(url) } else { Err(bad(name, "must be a URL such as https://backend.example")) }
}

impl Settings {
    /// These settings, and `behind` where they say nothing.
    fn or(self, behind: Self) -> Self {
        Self {
            origins: self.origins.or(behind.origins),
            port: self.port.or(behind.port),
            host: self.host.or(behind.host),
            tls_cert: self.tls_cert.or(behind.tls_cert),
            tls_key: self.tls_key.or(behind.tls_key),
            trusted_proxies: self.trusted_proxies.or(behind.trusted_proxies),
            backend_url: self.backend_url.or(behind.backend_url),
            auth: self.auth.or(behind.auth),
            data_dir: self.data_dir.or(behind.data_dir),
            bot_api_url: self.bot_api_url.or(behind.bot_api_url),
            bot_api_max_bytes: self.bot_api_max_bytes.or(behind.bot_api_max_bytes),
            bot_api_answer_timeout: self.bot_api_answer_timeout.or(behind.bot_api_answer_timeout),
            max_file_bytes: self.max_file_bytes.or(behind.max_file_bytes),
            max_chunk_bytes: self.max_chunk_bytes.or(behind.max_chunk_bytes),
            max_concurrent_uploads: self.max_concurrent_uploads.or(behind.max_concurrent_uploads),
            user_requests_per_second: self.user_requests_per_second.or(behind.user_requests_per_second),
            address_requests_per_second: self
                .address_requests_per_second
                .or(behind.address_requests_per_second),
            address_refused_tokens_per_minute: self
                .address_refused_tokens_per_minute
                .or(behind.address_refused_tokens_per_minute),
            user_sessions: self.user_sessions.or(behind.user_sessions),
            user_stored_bytes: self.user_stored_bytes.or(behind.user_stored_bytes),
            user_bytes_per_day: self.user_bytes_per_day.or(behind.user_bytes_per_day),
            address_sessions: self.address_sessions.or(behind.address_sessions),
            address_stored_bytes: self.address_stored_bytes.or(behind.address_stored_bytes),
            address_bytes_per_day: self.address_bytes_per_day.or(behind.address_bytes_per_day),
            limited_addresses: self.limited_addresses.or(behind.limited_addresses),
            eager: self.eager.or(behind.eager),
            eager_max_bytes: self.eager_max_bytes.or(behind.eager_max_bytes),
            cors_origins: self.cors_origins.or(behind.cors_origins),
            session_ttl: self.session_ttl.or(behind.session_ttl),
            failed_ttl: self.failed_ttl.or(behind.failed_ttl),
            result_ttl: self.result_ttl.or(behind.result_ttl),
            retry_max_age: self.retry_max_age.or(behind.retry_max_age),
            stall_timeout: self.stall_timeout.or(behind.stall_timeout),
            min_free_bytes: self.min_free_bytes.or(behind.min_free_bytes),
            disk_bytes: self.disk_bytes.or(behind.disk_bytes),
            shutdown_grace: self.shutdown_grace.or(behind.shutdown_grace),
            durability: self.durability.or(behind.durability),
            webhook_secret: self.webhook_secret.or(behind.webhook_secret),
            log_format: self.log_format.or(behind.log_format),
            log: self.log.or(behind.log),
            access_log: self.access_log.or(behind.access_log),
            metrics_token: self.metrics_token.or(behind.metrics_token),
            mtproto_dc: self.mtproto_dc.or(behind.mtproto_dc),
            mtproto_addresses: self.mtproto_addresses.or(behind.mtproto_addresses),
            mtproto_connections: self.mtproto_connections.or(behind.mtproto_connections),
            http_threads: self.http_threads.or(behind.http_threads),
            header_timeout: self.header_timeout.or(behind.header_timeout),
            body_timeout: self.body_timeout.or(behind.body_timeout),
            body_min_rate: self.body_min_rate.or(behind.body_min_rate),
            idle_timeout: self.idle_timeout.or(behind.idle_timeout),
            max_connections: self.max_connections.or(behind.max_connections),
            address_connections: self.address_connections.or(behind.address_connections),
            max_listeners: self.max_listeners.or(behind.max_listeners),
            unknown_sender_bytes: self.unknown_sender_bytes.or(behind.unknown_sender_bytes),
            http2: self.http2.or(behind.http2),
            mtproto_server_key: self.mtproto_server_key.or(behind.mtproto_server_key),
            secret_key: self.secret_key.or(behind.secret_key),
            bot_token: self.bot_token.or(behind.bot_token),
            channel_id: self.channel_id.or(behind.channel_id),
            telegram_session: self.telegram_session.or(behind.telegram_session),
            api_id: self.api_id.or(behind.api_id),
            api_hash: self.api_hash.or(behind.api_hash),
            auth_tokens: self.auth_tokens.or(behind.auth_tokens),
            named_tokens: self.named_tokens.or(behind.named_tokens),
        }
    }

    /// Hosting panels set variables to nothing; that means that they are not set.
    fn without_empty(self) -> Self {
        let text = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let secret = |secret: Option<Secret>| secret.filter(|secret| !secret.expose().trim().is_empty());
        let path = |path: Option<PathBuf>| path.filter(|path| !path.as_os_str().is_empty());
        Self {
            host: text(self.host),
            tls_cert: path(self.tls_cert),
            tls_key: path(self.tls_key),
            trusted_proxies: text(self.trusted_proxies),
            backend_url: text(self.backend_url),
            auth: text(self.auth),
            data_dir: path(self.data_dir),
            bot_api_url: text(self.bot_api_url),
            cors_origins: text(self.cors_origins),
            mtproto_addresses: text(self.mtproto_addresses),
            mtproto_server_key: text(self.mtproto_server_key),
            limited_addresses: text(self.limited_addresses),
            durability: text(self.durability),
            eager: text(self.eager),
            http2: text(self.http2),
            webhook_secret: secret(self.webhook_secret),
            log_format: text(self.log_format),
            log: text(self.log),
            access_log: text(self.access_log),
            metrics_token: secret(self.metrics_token),
            secret_key: secret(self.secret_key),
            bot_token: secret(self.bot_token),
            channel_id: text(self.channel_id),
            telegram_session: secret(self.telegram_session),
            api_id: text(self.api_id),
            api_hash: secret(self.api_hash),
            auth_tokens: secret(self.auth_tokens),
            named_tokens: secret(self.named_tokens),
            ..self
        }
    }
}

#[cfg(test)]
mod tests;
