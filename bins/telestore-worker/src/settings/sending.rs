use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};
use telestore::Unknown;
use telestore::types::pasted::{self, ProxyFault};
use telestore::types::{Proxy, Secret};
use telestore::uploader::{AllowedAddresses, BotApiConfig, MtprotoConfig, ServerKey};

use super::{MtprotoAddresses, values};

/// No machine sends as many, and the worker multiplies it.
const MAX_CONCURRENT_UPLOADS: usize = 100_000;

/// Smaller pieces would be very many messages.
const MIN_PIECE_BYTES: u64 = 1024 * 1024;

const MIN_ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How files get into channels.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Telegram")]
pub(crate) struct SendingSettings {
    /// Files sent at a time; the rest wait their turn, users in rotation
    ///
    /// Beyond that, a file of a user of whom nothing is sent begins at once, and others in the place of sends that stand
    /// still, four times as many in all. As many again may be sent early.
    #[arg(long, env = "TELESTORE_MAX_CONCURRENT_UPLOADS", value_name = "N", default_value = "4", value_parser = values::count(1..=MAX_CONCURRENT_UPLOADS))]
    pub(crate) max_concurrent_uploads: usize,

    /// Whether files over the Bot API's limit are sent while they still arrive: `on`, or `off` to send after completion
    #[arg(long, env = "TELESTORE_EAGER", value_name = "on|off", default_value = "on", value_parser = values::on_or_off, action = ArgAction::Set)]
    pub(crate) eager: bool,

    /// Whether a file that its user has in the same channel already [becomes one more message without its bytes](#files-that-are-there-already), if its client sends its SHA-256 at the start: `on` or `off`
    #[arg(long, env = "TELESTORE_DEDUP", value_name = "on|off", default_value = "off", value_parser = values::on_or_off, action = ArgAction::Set)]
    pub(crate) dedup: bool,

    /// How much of uploads that are not completed is sent early, for each user
    #[arg(long, env = "TELESTORE_EAGER_MAX_BYTES", value_name = "BYTES", default_value = "8 GiB", value_parser = values::size)]
    pub(crate) eager_max_bytes: u64,

    /// How long a file is tried again after errors that may pass, and waited for if Telegram asks to wait
    #[arg(long, env = "TELESTORE_RETRY_MAX_AGE", value_name = "TIME", default_value = "24h", value_parser = values::time)]
    pub(crate) retry_max_age: Duration,

    /// How long a send goes on of which Telegram acknowledges nothing; then it is tried again later
    ///
    /// Others are sent in its place after five seconds without a word already, and in waits that Telegram asks for.
    #[arg(long, env = "TELESTORE_STALL_TIMEOUT", value_name = "TIME", default_value = "2m", value_parser = values::some_time)]
    pub(crate) stall_timeout: Duration,

    /// How long running work may take to come to rest at a stop; a second signal ends it at once
    #[arg(long, env = "TELESTORE_SHUTDOWN_GRACE", value_name = "TIME", default_value = "10s", value_parser = values::time)]
    pub(crate) shutdown_grace: Duration,

    /// [Proxy](#through-a-proxy) for all connections to Telegram: `socks5://user:password@host:port`, `http://…`, or the link of an MTProxy [default: none]
    #[arg(long, env = "TELESTORE_TELEGRAM_PROXY", value_name = "URL")]
    pub(crate) telegram_proxy: Option<Secret>,

    /// Base of the Bot API: Telegram's, a local Bot API server, or the sandbox [default: Telegram's]
    #[arg(long, env = "TELEGRAM_BOT_API_URL", value_name = "URL", value_parser = values::http_url)]
    pub(crate) bot_api_url: Option<String>,

    /// The largest file that goes by the Bot API; larger ones go by MTProto
    ///
    /// With a local Bot API server this may be up to 2000 MiB.
    #[arg(long, env = "TELESTORE_BOT_API_MAX_BYTES", value_name = "BYTES", default_value = "50 MiB", value_parser = values::size)]
    pub(crate) bot_api_max_bytes: u64,

    /// Where a local Bot API server that runs with `--local` [keeps its files](#files-back-by-a-bot-alone), if the worker has that folder at the same path: files are read back from there [default: none]
    #[arg(long, env = "TELESTORE_BOT_API_FILES", value_name = "DIR")]
    pub(crate) bot_api_files: Option<PathBuf>,

    /// Whether files of all sizes go by MTProto if a session, or a bot with `api_id` and `api_hash`, can send them: `on`, or `off` for larger ones only
    ///
    /// MTProto makes each message exactly once. `fileId` is the number of the document then, which the Bot API does not know.
    #[arg(long, env = "TELESTORE_PREFER_MTPROTO", value_name = "on|off", default_value = "off", value_parser = values::on_or_off, action = ArgAction::Set)]
    pub(crate) prefer_mtproto: bool,

    /// The largest piece of a file that goes as several messages; at least 1 MiB [default: what one message holds]
    ///
    /// One message holds 2000 MiB by MTProto (4000 MiB with Premium), and TELESTORE_BOT_API_MAX_BYTES by the Bot API, which takes
    /// larger files if there is nothing else.
    #[arg(long, env = "TELESTORE_PIECE_BYTES", value_name = "BYTES", value_parser = values::size_of_at_least(MIN_PIECE_BYTES))]
    pub(crate) piece_bytes: Option<u64>,

    /// How long the Bot API may take to answer once it has a file, and a second more for each MiB; at least 10s
    ///
    /// A local Bot API server passes the file on to Telegram before it answers.
    #[arg(long, env = "TELESTORE_BOT_API_ANSWER_TIMEOUT", value_name = "TIME", default_value = "2m", value_parser = values::time_of_at_least(MIN_ANSWER_TIMEOUT, "a file whose answer is given up may be in the channel, and fails"))]
    pub(crate) bot_api_answer_timeout: Duration,

    /// What is done with a file that the Bot API had whole, if it does not answer and [nobody can tell](#lost-answers) whether its message is there: `fail`, with words that say where to look, or `again`, at the risk of a second message
    ///
    /// The worker looks into the channel first, where a session, or a bot with `api_id` and `api_hash`, can. It is the same with a message that Telegram says it had before and that no call names.
    #[arg(long, env = "TELESTORE_BOT_API_UNKNOWN", value_name = "fail|again", default_value = "fail", value_parser = values::one_of([("fail", Unknown::Fail), ("again", Unknown::Again)]))]
    pub(crate) bot_api_unknown: Unknown,

    /// How long a message whose answer was lost may still come after the channel was seen without it, and a second more for each 256 KiB; then the file is sent again [default: as TELESTORE_BOT_API_ANSWER_TIMEOUT]
    #[arg(long, env = "TELESTORE_BOT_API_SETTLE", value_name = "TIME", value_parser = values::time)]
    pub(crate) bot_api_settle: Option<Duration>,

    /// MTProto address for session strings that name none: Pyrogram's, and GramJS's that name a host; and where [`login`](#sign-in) begins, and a bot signs in [default: the data centre's]
    #[arg(long, env = "TELESTORE_MTPROTO_DC", value_name = "IP:PORT", value_parser = values::socket)]
    pub(crate) mtproto_dc: Option<SocketAddr>,

    /// [Where MTProto connections may go](#where-mtproto-connections-may-go), since session strings name addresses: `auto`, `public`, `any`, or addresses and networks, comma-separated
    #[arg(long, env = "TELESTORE_MTPROTO_ADDRESSES", value_name = "NETWORK,…", default_value = "auto")]
    pub(crate) mtproto_addresses: MtprotoAddresses,

    /// RSA key of a test server (PEM, `BEGIN RSA PUBLIC KEY`) to trust beside Telegram's own [default: none]
    #[arg(long, env = "TELESTORE_MTPROTO_SERVER_KEY", value_name = "PEM", allow_hyphen_values = true)]
    pub(crate) mtproto_server_key: Option<ServerKey>,

    /// MTProto connections of an account that parts take turns on
    ///
    /// Those beyond the first go to the data centre's addresses for files, if it names some.
    #[arg(long, env = "TELESTORE_MTPROTO_CONNECTIONS", value_name = "N", default_value = "1", value_parser = values::count(1..=usize::MAX))]
    pub(crate) mtproto_connections: usize,
}

impl SendingSettings {
    /// How the Bot API is called.
    pub(crate) fn bot_api(&self) -> BotApiConfig {
        let config = self.bot_api_url.clone().map_or_else(BotApiConfig::default, BotApiConfig::at);
        config.with(|config| {
            config.max_bytes = self.bot_api_max_bytes;
            config.files_dir.clone_from(&self.bot_api_files);
            config.answer_timeout = self.bot_api_answer_timeout;
            config.proxy = self.proxy();
        })
    }

    /// The proxy that connections to Telegram go through.
    ///
    /// # Errors
    /// Why the setting is none, in words that hold nothing of it.
    pub(crate) fn read_proxy(&self) -> Result<Option<Proxy>, ProxyFault> {
        self.telegram_proxy.as_ref().map(|text| pasted::proxy(text.expose())).transpose()
    }

    /// The same, once it was found to be readable.
    pub(crate) fn proxy(&self) -> Option<Proxy> {
        self.read_proxy().ok().flatten()
    }

    /// How MTProto is spoken, with connections to what is `allowed`.
    pub(crate) fn mtproto(&self, allowed: AllowedAddresses) -> MtprotoConfig {
        let mut mtproto = MtprotoConfig::default();
        mtproto.address = self.mtproto_dc;
        mtproto.allowed = allowed;
        mtproto.allowed_by = Some("TELESTORE_MTPROTO_ADDRESSES".to_owned());
        mtproto.proxy = self.proxy();
        mtproto.server_keys = self.mtproto_server_key.iter().cloned().collect();
        mtproto.connections = self.mtproto_connections;
        mtproto.stall_timeout = self.stall_timeout;
        mtproto
    }
}
