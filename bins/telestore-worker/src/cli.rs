//! The command line: what the program can be told to do. The settings are flags of it, too (`settings.rs`).

mod read;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use telestore::types::{Secret, UploadState};

#[cfg(test)]
pub(crate) use self::read::command;
pub(crate) use self::read::other_variables;
use crate::settings::{size, time};

/// Takes files in one request or in chunks and puts them into Telegram channels.
///
/// Without a subcommand it serves. Settings come from flags, then the environment, then the file of --config, then
/// the defaults. Empty values count as not set.
#[derive(Debug, Parser)]
#[command(name = "telestore-worker", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// A TOML file with the settings below, named like the flags with `_` for `-` [default: none]
    #[arg(long, env = "TELESTORE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a Telegram of your own on this machine: Bot API, MTProto and a TeleStore backend
    Sandbox(SandboxArgs),
    /// Send a file to a worker in chunks, as the browser does, and wait until it is in the channel
    Send(SendArgs),
    /// Test settings, data directory, backend and Telegram, and say what is wrong
    Check(CheckArgs),
    /// Sign in to Telegram and print the session string: with a phone number, a QR code, or as a bot
    Login(LoginArgs),
    /// Ask the worker on this machine whether it is alive: for health checks of containers
    Health,
    /// List, show, retry or cancel uploads, with or without a running worker
    Uploads(UploadsArgs),
    /// List the workers that share the uploads, and what each has in hand
    Workers(WorkersArgs),
    /// Move the uploads of a data directory to the PostgreSQL database of many workers, those under way included
    Migrate(MigrateArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Check with the credentials of this user of the backend
    #[arg(long, env = "TELESTORE_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<Secret>,

    /// Sign in by MTProto even while a worker runs; Telegram may end the session for that
    #[arg(long)]
    pub(crate) force: bool,

    /// Answer in JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Questions come on standard error, answers are read as lines of standard input, and nothing but the \
session string goes to standard output."
)]
pub(crate) struct LoginArgs {
    /// The phone number with its country code, to which Telegram sends a code; asked for unless given
    #[arg(long, value_name = "NUMBER")]
    pub(crate) phone: Option<String>,

    /// Show a QR code instead, to be scanned with a phone that is signed in
    #[arg(long, conflicts_with = "phone")]
    pub(crate) qr: bool,

    /// Sign in as the bot of TELESTORE_BOT_TOKEN; asked for unless set
    #[arg(long, conflicts_with_all = ["phone", "qr"])]
    pub(crate) bot: bool,

    /// The application that signs in, from https://my.telegram.org [default: TELESTORE_API_ID, else asked for]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) api_id: Option<String>,

    /// What goes with the api_id [default: TELESTORE_API_HASH, else asked for]
    #[arg(long, value_name = "TEXT")]
    pub(crate) api_hash: Option<Secret>,

    /// Write the session string to this file, for its owner only, instead of printing it
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// Replace the file if it is there
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
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
    /// List uploads, the one whose state changed last first
    List {
        /// Only uploads in this state: receiving, queued, sending, completed, failed or cancelled
        #[arg(long, value_parser = state)]
        state: Option<UploadState>,

        /// Only uploads of this user of the backend
        #[arg(long, value_name = "ID")]
        user: Option<String>,

        /// How many uploads to show
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: u32,

        /// How many of the first uploads to leave out
        #[arg(long, default_value_t = 0, value_name = "N")]
        skip: u32,
    },
    /// Show everything about an upload
    Show {
        /// Its uploadId
        id: String,
    },
    /// Send a failed upload again, from the chunks that are there
    Retry {
        /// Its uploadId
        id: String,
        /// Retry even if its file may be in the channel already: that would make a second message
        #[arg(long)]
        force: bool,
    },
    /// Stop an upload and delete its chunks
    Cancel {
        /// Its uploadId
        id: String,
    },
}

fn state(text: &str) -> Result<UploadState, String> {
    UploadState::parse(text)
        .ok_or_else(|| "expected receiving, queued, sending, completed, failed or cancelled".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct WorkersArgs {
    /// Answer in JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// The database, `postgres://user:password@host/name`; TELESTORE_DATABASE_URL shows its password to fewer
    #[arg(long, value_name = "URL")]
    pub(crate) to: Option<Secret>,

    /// Where the chunks go, as TELESTORE_CHUNKS_URL says it
    #[arg(long, value_name = "URL")]
    pub(crate) chunks_to: Option<String>,

    /// Only look, and say what would be moved
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Move also uploads of which chunks are missing on the disk, or whose token cannot be opened
    #[arg(long)]
    pub(crate) force: bool,

    /// Give a move up that was interrupted, if nothing is in the database yet
    #[arg(long, conflicts_with_all = ["dry_run", "force"])]
    pub(crate) undo: bool,
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
    #[arg(long, env = "TELESTORE_TOKEN", hide_env_values = true)]
    pub(crate) token: Secret,

    /// Certificates (PEM) to trust and no others, for a worker whose certificate is not publicly trusted
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// The size of a chunk
    #[arg(long, default_value = "5MiB", value_name = "BYTES", value_parser = size)]
    pub(crate) chunk_bytes: u64,

    /// Go on with an upload that was interrupted: its id, which was printed first
    #[arg(long, value_name = "ID")]
    pub(crate) resume: Option<String>,

    /// How long the worker may be away in a row, as when it is restarted
    #[arg(long, default_value = "2m", value_name = "TIME", value_parser = time)]
    pub(crate) patience: Duration,
}
