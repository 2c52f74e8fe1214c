use clap::Args;
use telestore::types::Secret;
use telestore_http::AccessLog;

use super::values;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// What is logged: all that logging needs, for commands that need nothing else.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Log and metrics")]
pub(crate) struct LogSettings {
    /// How log lines look: `human` or `json`
    #[arg(long, env = "TELESTORE_LOG_FORMAT", value_name = "human|json", default_value = "human", value_parser = values::one_of([("human", LogFormat::Human), ("json", LogFormat::Json)]))]
    pub(crate) log_format: LogFormat,

    /// How much is [logged](#logs) [default: `RUST_LOG`, else `info`]
    ///
    /// A level (`off`, `error`, `warn`, `info`, `debug`, `trace`), or levels by target
    /// (`telestore=debug,telestore_uploader=trace`).
    #[arg(long, env = "TELESTORE_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,
}

/// What an operator sees of the worker.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Log and metrics")]
pub(crate) struct WatchSettings {
    /// Which requests leave a [line with the client's address](#who-called): `off`, `refused` (401, 403, 429) or `all`
    #[arg(long, env = "TELESTORE_ACCESS_LOG", value_name = "off|refused|all", default_value = "refused", value_parser = values::one_of([("off", AccessLog::Off), ("refused", AccessLog::Refused), ("all", AccessLog::All)]))]
    pub(crate) access_log: AccessLog,

    /// The bearer token that [`GET /metrics`](#metrics) asks for [default: none, loopback and private addresses may read it]
    #[arg(long, env = "TELESTORE_METRICS_TOKEN", value_name = "TOKEN")]
    pub(crate) metrics_token: Option<Secret>,
}
