//! What the worker runs with, made of its settings.

mod stand_alone;
mod tokens;
mod warnings;

use std::collections::BTreeSet;
use std::time::Duration;

use bytesize::ByteSize;
use telestore::EngineConfig;
use telestore::types::TelegramCredentials;
use telestore::uploader::{BotApiConfig, MtprotoConfig, Requirement};
use telestore_http::{ConnectionLimits, RequestLimits};

pub(crate) use self::tokens::Token;
pub(crate) use self::warnings::warnings;
use crate::settings::{self, ConfigError, DataSettings, Settings, bad};
use crate::tls::TlsFiles;

/// How long a worker among many holds what it works on after it was heard of last.
const SHARED_LEASE: Duration = Duration::from_secs(60);

/// What the worker runs with: settings that are checked against each other.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) settings: Settings,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) access: Access,
    pub(crate) request_limits: RequestLimits,
    pub(crate) connections: ConnectionLimits,
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

/// Checks the settings against each other, and makes of them what the worker runs with.
///
/// # Errors
/// Which setting is wrong, by the name that its writer gave it, and what to set.
pub(crate) fn load(settings: Settings) -> Result<Config, ConfigError> {
    let origins = settings.origins.clone();
    resolve(settings).map_err(|error| error.named_by(&origins))
}

impl Config {
    /// How the Bot API is called.
    pub(crate) fn bot_api(&self) -> BotApiConfig {
        self.settings.sending.bot_api()
    }

    /// How MTProto is spoken.
    pub(crate) fn mtproto(&self) -> MtprotoConfig {
        self.settings.sending.mtproto(settings::allowed(&self.settings))
    }
}

fn resolve(settings: Settings) -> Result<Config, ConfigError> {
    let access = access(&settings)?;
    let measured_users = match &access {
        Access::Backend { .. } => BTreeSet::new(),
        Access::StandAlone { tokens, .. } => tokens::names(tokens),
    };
    let least = settings.storage.min_free_bytes;
    if settings.storage.disk_bytes.is_some_and(|size| size <= least) {
        let least = ByteSize(least);
        let text = format!("must be more than TELESTORE_MIN_FREE_BYTES ({least}), which is kept free of it");
        return Err(bad("TELESTORE_DISK_BYTES", text));
    }
    check_shared(&settings)?;
    check_way(&settings, &access)?;
    let tls = tls(&settings)?;
    let encoding = settings.encoding.defaults(settings.users.backend_url.is_some())?;
    let engine = engine(&settings).with(|config| {
        config.measured_users = measured_users;
        config.encoding = encoding;
    });
    let request_limits = settings.limits.requests();
    let connections = settings.connections.limits();
    Ok(Config { settings, tls, access, request_limits, connections, engine })
}

/// For how long a worker says that it is alive.
pub(crate) fn lease(data: &DataSettings) -> Duration {
    // Others must not take for dead a worker whose database is away for half a minute.
    if data.is_shared() { SHARED_LEASE } else { EngineConfig::default().lease }
}

fn engine(settings: &Settings) -> EngineConfig {
    let Settings { data, users, storage, sending, message, limits, .. } = settings;
    let defaults = EngineConfig::default();
    let account_hold = if data.is_shared() { SHARED_LEASE * 2 } else { defaults.account_hold };
    defaults.with(|config| {
        config.lease = lease(data);
        config.account_hold = account_hold;
        // The lock of the data directory proves that the process before is dead.
        config.alone = !data.is_shared();
        config.auth = users.auth;
        config.user = limits.user();
        config.address = limits.address();
        config.min_free_bytes = storage.min_free_bytes;
        config.session_ttl = storage.session_ttl;
        config.failed_ttl = storage.failed_ttl;
        config.result_ttl = storage.result_ttl;
        config.retry_max_age = sending.retry_max_age;
        config.stall_timeout = sending.stall_timeout;
        config.unknown = sending.bot_api_unknown;
        config.settle_after = sending.bot_api_settle.unwrap_or(sending.bot_api_answer_timeout);
        config.max_file_bytes = storage.max_file_bytes;
        config.max_chunk_bytes = storage.max_chunk_bytes;
        config.max_concurrent_uploads = sending.max_concurrent_uploads;
        config.eager = sending.eager;
        config.dedup = sending.dedup;
        config.eager_max_bytes = sending.eager_max_bytes;
        config.message = message.defaults();
    })
}

/// Many workers need one place for uploads and one for chunks, and the same key.
fn check_shared(settings: &Settings) -> Result<(), ConfigError> {
    let Settings { data, users, .. } = settings;
    let missing =
        |name, why: &str| Err(bad(name, format!("is not set, which TELESTORE_DATABASE_URL needs: {why}")));
    match data.database_url {
        Some(_) if data.chunks_url.is_none() => missing(
            "TELESTORE_CHUNKS_URL",
            "workers send chunks that others took in (s3://bucket/prefix, or file:///… for a directory that all share)",
        ),
        Some(_) if users.secret_key.is_none() => {
            missing("TELESTORE_SECRET_KEY", "workers open what others have sealed, so give all the same")
        }
        None if data.database_listen_url.is_some() => {
            Err(bad("TELESTORE_DATABASE_URL", "is not set, which TELESTORE_DATABASE_LISTEN_URL needs"))
        }
        _ => Ok(()),
    }
}

/// There is a way to Telegram: a bot alone needs one to the Bot API, which no MTProxy carries.
fn check_way(settings: &Settings, access: &Access) -> Result<(), ConfigError> {
    settings.sending.read_proxy().map_err(|fault| bad("TELESTORE_TELEGRAM_PROXY", fault.to_string()))?;
    let Access::StandAlone { credentials, .. } = access else { return Ok(()) };
    if settings.sending.bot_api().has_way() || Requirement::SessionOrBot.is_met_by(credentials) {
        return Ok(());
    }
    let text = "is an MTProxy, which carries no Bot API, and TELESTORE_BOT_TOKEN is all there is to send with: set \
                TELESTORE_API_ID and TELESTORE_API_HASH, or TELESTORE_TELEGRAM_SESSION, take a SOCKS5 or HTTP proxy, or a Bot API server of your own network \
                (TELEGRAM_BOT_API_URL)";
    Err(bad("TELESTORE_TELEGRAM_PROXY", text))
}

fn access(settings: &Settings) -> Result<Access, ConfigError> {
    if let Some(url) = &settings.users.backend_url {
        return Ok(Access::Backend { url: url.clone() });
    }
    let own = &settings.stand_alone;
    let bots = [&own.bot_token, &own.bot_tokens];
    if own.channel_id.is_none() && bots.iter().all(|set| set.is_none()) && own.telegram_session.is_none() {
        return Err(ConfigError::Nobody);
    }
    let credentials = Box::new(stand_alone::credentials(own)?.0);
    let tokens = tokens::read(own)?;
    if tokens.is_empty() {
        let name = "TELESTORE_AUTH_TOKENS or TELESTORE_NAMED_TOKENS (the tokens that clients may use)";
        return Err(ConfigError::Missing { name });
    }
    Ok(Access::StandAlone { credentials, tokens })
}

/// The files of certificate and key, if both are set.
fn tls(settings: &Settings) -> Result<Option<TlsFiles>, ConfigError> {
    match (settings.server.tls_cert.clone(), settings.server.tls_key.clone()) {
        (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(bad("TELESTORE_TLS_KEY", "is not set, which TELESTORE_TLS_CERT needs")),
        (None, Some(_)) => Err(bad("TELESTORE_TLS_CERT", "is not set, which TELESTORE_TLS_KEY needs")),
    }
}

#[cfg(test)]
mod tests;
