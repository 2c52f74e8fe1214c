mod read;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;

use bytesize::ByteSize;
use clap::{Args, Parser, Subcommand};
use telestore::types::{Secret, UploadState};

pub(crate) use self::read::{names, other_variables, settings_of};
pub(crate) use self::values::{Limit, Span, is_on, word};
use crate::config::Origins;

/// Takes files in one request or in chunks and puts them into Telegram channels.
///
/// Without a subcommand it serves. Settings come from flags, then the environment, then the file of --config, then
/// the defaults. Empty values count as not set.
#[derive(Debug, Parser)]
#[command(name = "telestore-worker", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// A TOML file with the settings below, named like the flags with _ for -
    #[arg(long, env = "TELESTORE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) settings: Settings,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a Telegram of your own on this machine: Bot API, MTProto and a TeleStore backend
    Sandbox(SandboxArgs),
    /// Send a file to a worker in chunks, as the browser does, and wait until it is in the channel
    Send(SendArgs),
    /// Test settings, data directory, backend and Telegram, and say what is wrong
    Check(CheckArgs),
    /// Ask the worker on this machine whether it is alive: for health checks of containers
    Health,
    /// List, show, retry or cancel uploads, with or without a running worker
    Uploads(UploadsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Check with the credentials of this user of the backend
    #[arg(long, env = "TELESTORE_TOKEN", hide_env_values = true, value_parser = values::secret)]
    pub(crate) token: Option<Secret>,

    /// Sign in by MTProto also while a worker runs; Telegram may end the session for that
    #[arg(long)]
    pub(crate) force: bool,

    /// Answer in JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UploadsArgs {
    #[command(subcommand)]
    pub(crate) command: UploadsCommand,

    /// Answer in JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UploadsCommand {
    /// List them, those first whose state changed last
    List {
        /// Only those that are: receiving, queued, sending, completed, failed or cancelled
        #[arg(long, value_parser = state)]
        state: Option<UploadState>,

        /// Only those of this user of the backend
        #[arg(long, value_name = "ID")]
        user: Option<String>,

        /// How many to show
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: u32,

        /// How many of the first to leave out
        #[arg(long, default_value_t = 0, value_name = "N")]
        skip: u32,
    },
    /// Show everything about one
    Show {
        /// Its uploadId
        id: String,
    },
    /// Send a failed one again, from the chunks that are there
    Retry {
        /// Its uploadId
        id: String,
        /// Also where its file may be in the channel already: that would make a second message
        #[arg(long)]
        force: bool,
    },
    /// Stop one and delete its chunks
    Cancel {
        /// Its uploadId
        id: String,
    },
}

fn state(text: &str) -> Result<UploadState, String> {
    UploadState::parse(text)
        .ok_or_else(|| "expected receiving, queued, sending, completed, failed or cancelled".to_owned())
}

/// Everything that can be set. The same names, with `_`, stand in the TOML file.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct Settings {
    /// Where each was written.
    #[arg(skip)]
    pub(crate) origins: Origins,

    /// Port to listen on; 0 takes a free one [default: 10000]
    #[arg(long, env = "PORT", value_parser = values::port)]
    pub(crate) port: Option<u16>,

    /// Address to listen on [default: 0.0.0.0]
    #[arg(long, env = "TELESTORE_HOST")]
    pub(crate) host: Option<String>,

    /// Certificate chain (PEM) to serve HTTPS with, read again when it changes [default: none, HTTP]
    #[arg(long, env = "TELESTORE_TLS_CERT", value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// Private key (PEM) of that certificate [default: none]
    #[arg(long, env = "TELESTORE_TLS_KEY", value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Proxies whose X-Forwarded-For counts: addresses, networks, `loopback`, `private` [default: none]
    #[arg(long, env = "TELESTORE_TRUSTED_PROXIES", value_name = "LIST")]
    pub(crate) trusted_proxies: Option<String>,

    /// The TeleStore backend: credentials and webhook [default: none]
    #[arg(long, env = "BACKEND_URL", value_name = "URL")]
    pub(crate) backend_url: Option<String>,

    /// Whether every call needs a token: `documented` asks for none once an upload has an owner, `strict` always does
    /// [default: documented]
    #[arg(long, env = "TELESTORE_AUTH", value_name = "documented|strict")]
    pub(crate) auth: Option<String>,

    /// Where sessions and chunks are kept [default: ./telestore-data]
    #[arg(long, env = "TELESTORE_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    /// Base of the Bot API: Telegram's, a local Bot API server, or the sandbox [default: Telegram's]
    #[arg(long, env = "TELEGRAM_BOT_API_URL", value_name = "URL")]
    pub(crate) bot_api_url: Option<String>,

    /// Larger files go by MTProto [default: 50 MiB]
    #[arg(long, env = "TELESTORE_BOT_API_MAX_BYTES", value_parser = values::size, value_name = "BYTES")]
    pub(crate) bot_api_max_bytes: Option<ByteSize>,

    /// How long the Bot API may take to answer once it has a file, and a second more for each MiB [default: 2m]
    #[arg(long, env = "TELESTORE_BOT_API_ANSWER_TIMEOUT", value_name = "TIME")]
    pub(crate) bot_api_answer_timeout: Option<Span>,

    /// Larger files are refused with 413 [default: 2000 MiB]
    #[arg(long, env = "TELESTORE_MAX_FILE_BYTES", value_parser = values::size, value_name = "BYTES")]
    pub(crate) max_file_bytes: Option<ByteSize>,

    /// Larger chunks are refused with 413 [default: 50 MiB]
    #[arg(long, env = "TELESTORE_MAX_CHUNK_BYTES", value_parser = values::size, value_name = "BYTES")]
    pub(crate) max_chunk_bytes: Option<ByteSize>,

    /// Requests a second of each user; five seconds' worth may come at once [default: 2000]
    #[arg(long, env = "TELESTORE_USER_REQUESTS_PER_SECOND", value_name = "N|off")]
    pub(crate) user_requests_per_second: Option<Limit>,

    /// Requests a second from each address; five seconds' worth may come at once [default: 1000]
    #[arg(long, env = "TELESTORE_ADDRESS_REQUESTS_PER_SECOND", value_name = "N|off")]
    pub(crate) address_requests_per_second: Option<Limit>,

    /// Uploads that are not over, of each user [default: 10000]
    #[arg(long, env = "TELESTORE_USER_SESSIONS", value_name = "N|off")]
    pub(crate) user_sessions: Option<Limit>,

    /// Bytes of uploads that are not over, of each user; above: 507 [default: off]
    #[arg(long, env = "TELESTORE_USER_STORED_BYTES", value_name = "BYTES|off")]
    pub(crate) user_stored_bytes: Option<Limit>,

    /// Bytes a day (UTC) of each user [default: off]
    #[arg(long, env = "TELESTORE_USER_BYTES_PER_DAY", value_name = "BYTES|off")]
    pub(crate) user_bytes_per_day: Option<Limit>,

    /// Uploads that are not over, from each address [default: 5000]
    #[arg(long, env = "TELESTORE_ADDRESS_SESSIONS", value_name = "N|off")]
    pub(crate) address_sessions: Option<Limit>,

    /// Bytes of uploads that are not over, from each address; above: 507 [default: off]
    #[arg(long, env = "TELESTORE_ADDRESS_STORED_BYTES", value_name = "BYTES|off")]
    pub(crate) address_stored_bytes: Option<Limit>,

    /// Bytes a day (UTC) from each address [default: off]
    #[arg(long, env = "TELESTORE_ADDRESS_BYTES_PER_DAY", value_name = "BYTES|off")]
    pub(crate) address_bytes_per_day: Option<Limit>,

    /// Invalid tokens a minute from each address; beyond that only known ones are taken from there [default: 60]
    #[arg(long, env = "TELESTORE_ADDRESS_REFUSED_TOKENS_PER_MINUTE", value_name = "N|off")]
    pub(crate) address_refused_tokens_per_minute: Option<Limit>,

    /// Which addresses the limits of addresses hold for: `public` spares loopback and private ones, `all` none
    /// [default: public]
    #[arg(long, env = "TELESTORE_LIMITED_ADDRESSES", value_name = "public|all")]
    pub(crate) limited_addresses: Option<String>,

    /// Files sent at a time; the rest wait their turn [default: 4]
    #[arg(long, env = "TELESTORE_MAX_CONCURRENT_UPLOADS", value_parser = values::count, value_name = "N")]
    pub(crate) max_concurrent_uploads: Option<usize>,

    /// Threads that serve HTTP [default: the number of CPUs, at least 8]
    #[arg(long, env = "TELESTORE_HTTP_THREADS", value_parser = values::count, value_name = "N")]
    pub(crate) http_threads: Option<usize>,

    /// How long the head of a request may take to come [default: 10s]
    #[arg(long, env = "TELESTORE_HEADER_TIMEOUT", value_name = "TIME")]
    pub(crate) header_timeout: Option<Span>,

    /// How long the worker waits for the next bytes of a body [default: 30s]
    #[arg(long, env = "TELESTORE_BODY_TIMEOUT", value_name = "TIME")]
    pub(crate) body_timeout: Option<Span>,

    /// The least that a body must bring in a second, averaged over the body timeout; 0 for any [default: 1 KiB]
    #[arg(long, env = "TELESTORE_BODY_MIN_RATE", value_parser = values::size, value_name = "BYTES")]
    pub(crate) body_min_rate: Option<ByteSize>,

    /// How long a connection may do nothing [default: 75s]
    #[arg(long, env = "TELESTORE_IDLE_TIMEOUT", value_name = "TIME")]
    pub(crate) idle_timeout: Option<Span>,

    /// Connections at a time; requests on others get 503 [default: 10000]
    #[arg(long, env = "TELESTORE_MAX_CONNECTIONS", value_parser = values::count, value_name = "N")]
    pub(crate) max_connections: Option<usize>,

    /// Connections at a time from one address; requests on others get 429; 0 for any number [default: 1000]
    #[arg(long, env = "TELESTORE_ADDRESS_CONNECTIONS", value_parser = values::count, value_name = "N")]
    pub(crate) address_connections: Option<usize>,

    /// Listeners of live progress at a time; others get 503 [default: 10000]
    #[arg(long, env = "TELESTORE_MAX_LISTENERS", value_parser = values::count, value_name = "N")]
    pub(crate) max_listeners: Option<usize>,

    /// Bytes of files whose senders are not known yet, since their token comes behind the file; a quarter of the free
    /// space at most [default: 1 GiB]
    #[arg(long, env = "TELESTORE_UNKNOWN_SENDER_BYTES", value_parser = values::size, value_name = "BYTES")]
    pub(crate) unknown_sender_bytes: Option<ByteSize>,

    /// Whether HTTPS by the worker offers HTTP/2: `on` or `off` [default: on]
    #[arg(long, env = "TELESTORE_HTTP2", value_name = "on|off")]
    pub(crate) http2: Option<String>,

    /// MTProto connections of an account that parts take turns on; those beyond the first go to addresses for files
    /// [default: 1]
    #[arg(long, env = "TELESTORE_MTPROTO_CONNECTIONS", value_parser = values::count, value_name = "N")]
    pub(crate) mtproto_connections: Option<usize>,

    /// Whether large files are sent while they still arrive: `on` or `off` [default: on]
    #[arg(long, env = "TELESTORE_EAGER", value_name = "on|off")]
    pub(crate) eager: Option<String>,

    /// How much of uploads that are not completed is sent early, for each user [default: 8 GiB]
    #[arg(long, env = "TELESTORE_EAGER_MAX_BYTES", value_parser = values::size, value_name = "BYTES")]
    pub(crate) eager_max_bytes: Option<ByteSize>,

    /// How long an upload that was never completed is kept after its last chunk [default: 7d]
    #[arg(long, env = "TELESTORE_SESSION_TTL", value_name = "TIME")]
    pub(crate) session_ttl: Option<Span>,

    /// How long a failed upload is kept [default: 3d]
    #[arg(long, env = "TELESTORE_FAILED_TTL", value_name = "TIME")]
    pub(crate) failed_ttl: Option<Span>,

    /// How long the result of a finished upload is kept; at least 1h [default: 24h]
    #[arg(long, env = "TELESTORE_RESULT_TTL", value_name = "TIME")]
    pub(crate) result_ttl: Option<Span>,

    /// How long a file is tried again after errors that may pass [default: 24h]
    #[arg(long, env = "TELESTORE_RETRY_MAX_AGE", value_name = "TIME")]
    pub(crate) retry_max_age: Option<Span>,

    /// How long a send goes on of which Telegram acknowledges nothing, before it gives its place to others [default: 2m]
    #[arg(long, env = "TELESTORE_STALL_TIMEOUT", value_name = "TIME")]
    pub(crate) stall_timeout: Option<Span>,

    /// With less free on the data disk, new bytes are refused with 507 [default: 512 MiB]
    #[arg(long, env = "TELESTORE_MIN_FREE_BYTES", value_parser = values::size, value_name = "BYTES")]
    pub(crate) min_free_bytes: Option<ByteSize>,

    /// How much of the data disk the data directory may fill [default: all of it]
    #[arg(long, env = "TELESTORE_DISK_BYTES", value_parser = values::size, value_name = "BYTES")]
    pub(crate) disk_bytes: Option<ByteSize>,

    /// How long running work may take to come to rest when the worker is stopped [default: 10s]
    #[arg(long, env = "TELESTORE_SHUTDOWN_GRACE", value_name = "TIME")]
    pub(crate) shutdown_grace: Option<Span>,

    /// What an acknowledged chunk survives: `process` a killed worker, `disk` a power cut [default: process]
    #[arg(long, env = "TELESTORE_DURABILITY", value_name = "process|disk")]
    pub(crate) durability: Option<String>,

    /// What webhooks are signed with [default: none, not signed]
    #[arg(long, env = "TELESTORE_WEBHOOK_SECRET", hide_env_values = true, value_parser = values::secret, value_name = "TEXT")]
    pub(crate) webhook_secret: Option<Secret>,

    /// How log lines look: `human` or `json` [default: human]
    #[arg(long, env = "TELESTORE_LOG_FORMAT", value_name = "human|json")]
    pub(crate) log_format: Option<String>,

    /// How much is logged: a level, or levels by target, as in RUST_LOG [default: RUST_LOG, else info]
    #[arg(long, env = "TELESTORE_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,

    /// Which requests leave a line with the client's address: `off`, `refused` or `all` [default: refused]
    #[arg(long, env = "TELESTORE_ACCESS_LOG", value_name = "off|refused|all")]
    pub(crate) access_log: Option<String>,

    /// What who reads GET /metrics sends as a bearer token [default: none, loopback and private addresses read it]
    #[arg(long, env = "TELESTORE_METRICS_TOKEN", hide_env_values = true, value_parser = values::secret, value_name = "TEXT")]
    pub(crate) metrics_token: Option<Secret>,

    /// Origins whose pages may call, comma-separated [default: *]
    #[arg(long, env = "TELESTORE_CORS_ORIGINS", value_name = "ORIGINS")]
    pub(crate) cors_origins: Option<String>,

    /// MTProto address for sessions that name none (Pyrogram) [default: the data centre's]
    #[arg(long, env = "TELESTORE_MTPROTO_DC", value_parser = values::socket, value_name = "IP:PORT")]
    pub(crate) mtproto_dc: Option<SocketAddr>,

    /// Where MTProto connections may go, since session strings name addresses: `auto`, `public`, `any`, or networks,
    /// comma-separated [default: auto]
    #[arg(long, env = "TELESTORE_MTPROTO_ADDRESSES", value_name = "NETWORKS")]
    pub(crate) mtproto_addresses: Option<String>,

    /// RSA key of a test server, in PEM, to trust beside Telegram's own [default: none]
    #[arg(long, env = "TELESTORE_MTPROTO_SERVER_KEY", value_name = "PEM", allow_hyphen_values = true)]
    pub(crate) mtproto_server_key: Option<String>,

    /// What tokens are sealed with on disk [default: a key file in the data directory]
    #[arg(long, env = "TELESTORE_SECRET_KEY", hide_env_values = true, value_parser = values::secret, value_name = "TEXT")]
    pub(crate) secret_key: Option<Secret>,

    /// Stand-alone: the bot [default: none]
    #[arg(long, env = "TELESTORE_BOT_TOKEN", hide_env_values = true, value_parser = values::secret, value_name = "TOKEN")]
    pub(crate) bot_token: Option<Secret>,

    /// Stand-alone: the channel, -100…, @name, or the link of a message of it [default: none]
    #[arg(long, env = "TELESTORE_CHANNEL_ID", value_name = "ID", allow_hyphen_values = true)]
    pub(crate) channel_id: Option<String>,

    /// Stand-alone: a session string of Telethon, Pyrogram or GramJS, for files over the Bot API's limit [default: none]
    #[arg(long, env = "TELESTORE_TELEGRAM_SESSION", hide_env_values = true, value_parser = values::secret, value_name = "TEXT")]
    pub(crate) telegram_session: Option<Secret>,

    /// Stand-alone: the api_id that goes with the session [default: none]
    #[arg(long, env = "TELESTORE_API_ID", value_name = "NUMBER")]
    pub(crate) api_id: Option<String>,

    /// Stand-alone: the api_hash that goes with the session [default: none]
    #[arg(long, env = "TELESTORE_API_HASH", hide_env_values = true, value_parser = values::secret, value_name = "TEXT")]
    pub(crate) api_hash: Option<Secret>,

    /// Stand-alone: tokens with names, each as NAME:TOKEN, comma-separated [default: none]
    #[arg(long, env = "TELESTORE_NAMED_TOKENS", hide_env_values = true, value_parser = values::secret, value_name = "TOKENS")]
    pub(crate) named_tokens: Option<Secret>,

    /// Stand-alone: the tokens that clients may use, comma-separated [default: none]
    #[arg(long, env = "TELESTORE_AUTH_TOKENS", hide_env_values = true, value_parser = values::secret, value_name = "TOKENS")]
    pub(crate) auth_tokens: Option<Secret>,
}

#[derive(Debug, Args)]
pub(crate) struct SandboxArgs {
    /// Start a worker that uses it, too
    #[arg(long)]
    pub(crate) with_worker: bool,

    /// Where received files and the worker's data are kept
    #[arg(long, default_value = "telestore-sandbox", value_name = "DIR")]
    pub(crate) dir: PathBuf,

    /// Port of the worker; 0 takes a free one
    #[arg(long, default_value_t = 10000)]
    pub(crate) worker_port: u16,

    /// Port of the Bot API and of the TeleStore backend; 0 takes a free one
    #[arg(long, default_value_t = 10001)]
    pub(crate) http_port: u16,

    /// Port of the MTProto server; 0 takes a free one
    #[arg(long, default_value_t = 10002)]
    pub(crate) mtproto_port: u16,
}

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// The file
    pub(crate) file: PathBuf,

    /// The worker
    #[arg(long, default_value = "http://127.0.0.1:10000", value_name = "URL")]
    pub(crate) to: String,

    /// The auth token
    #[arg(long, env = "TELESTORE_TOKEN", hide_env_values = true, value_parser = values::secret)]
    pub(crate) token: Secret,

    /// Certificates (PEM) to trust beside none else, for a worker whose certificate is not publicly trusted
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// The size of a chunk
    #[arg(long, default_value = "5MiB", value_name = "BYTES")]
    pub(crate) chunk_bytes: ByteSize,

    /// Go on with an upload that was interrupted: its id, which was printed first
    #[arg(long, value_name = "ID")]
    pub(crate) resume: Option<String>,

    /// How long the worker may be away in a row, as when it is restarted
    #[arg(long, default_value = "2m", value_name = "TIME")]
    pub(crate) patience: Span,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
