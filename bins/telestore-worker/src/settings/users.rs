use clap::Args;
use telestore::Auth;
use telestore::types::Secret;

use super::values;

/// Whom the worker serves.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Users")]
pub(crate) struct UserSettings {
    /// The TeleStore backend, which gives credentials and takes webhooks [default: none, stand-alone]
    #[arg(long, env = "BACKEND_URL", value_name = "URL", value_parser = values::http_url)]
    pub(crate) backend_url: Option<String>,

    /// Whether every call needs a token: `documented` asks for none once an upload has an owner, `strict` always does
    ///
    /// See [API.md](API.md#who-may-call).
    #[arg(long, env = "TELESTORE_AUTH", value_name = "documented|strict", default_value = "documented", value_parser = values::one_of([("documented", Auth::Documented), ("strict", Auth::Strict)]))]
    pub(crate) auth: Auth,

    /// Text that webhooks are signed with; see [API.md](API.md#webhook) [default: none, not signed]
    #[arg(long, env = "TELESTORE_WEBHOOK_SECRET", value_name = "TEXT")]
    pub(crate) webhook_secret: Option<Secret>,

    /// Text that auth tokens are sealed with on disk [default: a key file in the data directory]
    #[arg(long, env = "TELESTORE_SECRET_KEY", value_name = "TEXT")]
    pub(crate) secret_key: Option<Secret>,
}

/// Whom a worker without a backend serves, and what it sends with.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Stand-alone use, without BACKEND_URL")]
pub(crate) struct StandAloneSettings {
    /// The bot's token [default: none]
    #[arg(long, env = "TELESTORE_BOT_TOKEN", value_name = "TOKEN")]
    pub(crate) bot_token: Option<Secret>,

    /// Tokens of [several bots](#several-bots) that share the files, comma-separated; `TELESTORE_BOT_TOKEN` is the first of them [default: none]
    #[arg(long, env = "TELESTORE_BOT_TOKENS", value_name = "TOKEN,…")]
    pub(crate) bot_tokens: Option<Secret>,

    /// The channel: `-100…`, `@name`, or the link of a message of it ([what is read](#what-people-paste)) [default: none]
    #[arg(long, env = "TELESTORE_CHANNEL_ID", value_name = "ID", allow_hyphen_values = true)]
    pub(crate) channel_id: Option<String>,

    /// A session string of Telethon, Pyrogram or GramJS, for files over the Bot API's limit [default: none]
    #[arg(long, env = "TELESTORE_TELEGRAM_SESSION", value_name = "TEXT")]
    pub(crate) telegram_session: Option<Secret>,

    /// The `api_id` that goes with the session, or that the bot signs in with for files over the Bot API's limit [default: none]
    #[arg(long, env = "TELESTORE_API_ID", value_name = "NUMBER")]
    pub(crate) api_id: Option<String>,

    /// The `api_hash` that goes with the `api_id` [default: none]
    #[arg(long, env = "TELESTORE_API_HASH", value_name = "TEXT")]
    pub(crate) api_hash: Option<Secret>,

    /// [Tokens with names](#install) that clients may use, comma-separated [default: none]
    #[arg(long, env = "TELESTORE_NAMED_TOKENS", value_name = "NAME:TOKEN,…")]
    pub(crate) named_tokens: Option<Secret>,

    /// Tokens without names that clients may use, comma-separated [default: none]
    #[arg(long, env = "TELESTORE_AUTH_TOKENS", value_name = "TOKEN,…")]
    pub(crate) auth_tokens: Option<Secret>,
}
