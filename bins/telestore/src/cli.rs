//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Sends files and folders to a TeleStore worker, which puts them into a Telegram channel.
#[derive(Debug, Parser)]
#[command(
    name = "telestore",
    version,
    after_help = "The token comes from TELESTORE_TOKEN, --token-file or --token-command, or from the configuration file \
($XDG_CONFIG_HOME/telestore/config.toml).\n\n\
Exit codes: 0 all is done; 1 failed; 2 the command line or the configuration is wrong; 3 some files were not sent; \
4 the worker refuses (token, size, quota); 5 worth trying again; 130 stopped by Ctrl-C, and what was begun is kept."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) worker: WorkerArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send files, folders and standard input, and wait until they are in the channel
    Send(SendArgs),
    /// List the uploads that this machine has begun and not ended
    List(ListArgs),
    /// Ask the worker how far uploads are
    Status(StatusArgs),
    /// Cancel uploads
    Cancel(CancelArgs),
    /// Print the completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

/// The worker, and who asks it.
#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    /// The worker [default: http://127.0.0.1:10000]
    #[arg(long, global = true, env = "TELESTORE_URL", value_name = "URL")]
    pub(crate) to: Option<String>,

    /// A file that holds the token
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "token_command")]
    pub(crate) token_file: Option<PathBuf>,

    /// A command, for a shell, that prints the token
    #[arg(long, global = true, value_name = "COMMAND")]
    pub(crate) token_command: Option<String>,

    /// Certificates (PEM) to trust and no others, for a worker whose certificate is not publicly trusted
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// How long the worker may be away, or without space, while nothing goes forward [default: 10m]
    #[arg(long, global = true, value_name = "TIME", value_parser = time)]
    pub(crate) patience: Option<Duration>,

    /// The configuration file [default: $XDG_CONFIG_HOME/telestore/config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// What is sent, and how.
#[derive(Debug, Args)]
#[command(
    after_help = "A file is known by its path, size and time of change, together with the worker's address. One that was sent \
is not sent again, and one that was begun goes on where the worker is, also after a reboot: to go on, give the same command."
)]
pub(crate) struct SendArgs {
    /// Files, folders with all that is in them, and `-` for standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) paths: Vec<PathBuf>,

    /// How many files go to the worker at a time [default: 4]
    #[arg(long, short = 'P', value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) parallel: Option<u16>,

    /// Of folders, send only files that match: `*.mkv` by name, `2026/**` by the path in the folder; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub(crate) include: Vec<String>,

    /// Of folders, leave out files and folders that match; may be repeated, and goes before --include
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,

    /// Follow symbolic links within folders, which are left out otherwise
    #[arg(long, short = 'L')]
    pub(crate) follow: bool,

    /// Delete each file once its message is there, unless it has changed since
    #[arg(long)]
    pub(crate) delete_after: bool,

    /// The text of each message, to the letter; empty for none [default: the worker's]
    #[arg(long, value_name = "TEXT")]
    pub(crate) caption: Option<String>,

    /// The topic of the forum that the messages go into
    #[arg(long, value_name = "NUMBER")]
    pub(crate) topic: Option<u64>,

    /// As what the files are sent: document, video, audio or photo [default: the worker's, as a rule document]
    #[arg(long, value_name = "KIND", value_parser = ["document", "video", "audio", "photo"])]
    pub(crate) send_as: Option<String>,

    /// Do not notify the members of the chat
    #[arg(long)]
    pub(crate) silent: bool,

    /// A picture that stands for each file: a JPEG of at most 200 kB, with at most 320 pixels on each side
    #[arg(long, value_name = "FILE")]
    pub(crate) thumbnail: Option<PathBuf>,

    /// What standard input is called
    #[arg(long, default_value = "stdin", value_name = "NAME")]
    pub(crate) name: String,

    /// Send again what was sent before, and begin anew what was begun
    #[arg(long)]
    pub(crate) again: bool,

    /// Keep nothing for going on, and look at nothing that was kept; what is stopped is cancelled
    #[arg(long, conflicts_with = "again")]
    pub(crate) no_resume: bool,

    /// How many bytes may go in a second, over all files
    #[arg(long, value_name = "BYTES", value_parser = size)]
    pub(crate) limit_rate: Option<u64>,

    /// Only look, and say what would be sent
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// How progress is shown
    #[arg(long, value_enum, default_value_t = ProgressArg::Auto, value_name = "HOW")]
    pub(crate) progress: ProgressArg,

    /// Say only what went wrong
    #[arg(long, short)]
    pub(crate) quiet: bool,

    /// Print one JSON object in each line, the last one of which is the summary
    #[arg(long)]
    pub(crate) json: bool,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressArg {
    /// Bars on a terminal, lines elsewhere
    Auto,
    /// Bars
    Bars,
    /// Lines
    Lines,
}

#[derive(Debug, Args)]
#[command(
    after_help = "These are the uploads that this machine knows of; the worker has no list of files that other clients sent."
)]
pub(crate) struct ListArgs {
    /// List what was sent, too
    #[arg(long)]
    pub(crate) sent: bool,

    /// Print one JSON object in each line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Files that were begun, or ids of uploads [default: all that `list` lists of this worker]
    #[arg(value_name = "FILE|ID")]
    pub(crate) which: Vec<String>,

    /// Print one JSON object in each line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// Files that were begun, or ids of uploads
    #[arg(value_name = "FILE|ID", required_unless_present = "all")]
    pub(crate) which: Vec<String>,

    /// All that `list` lists of this worker
    #[arg(long, conflicts_with = "which")]
    pub(crate) all: bool,

    /// Print one JSON object in each line
    #[arg(long)]
    pub(crate) json: bool,
}

/// A time such as `90s` or `2h`.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("expected a time such as 90s or 2h: {error}"))
}

/// A number of bytes such as `2MiB`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    match text.parse::<ByteSize>() {
        Ok(ByteSize(0)) => Err("must be at least 1".to_owned()),
        Ok(size) => Ok(size.as_u64()),
        Err(error) => Err(format!("expected a size such as 500kB or 2MiB: {error}")),
    }
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
