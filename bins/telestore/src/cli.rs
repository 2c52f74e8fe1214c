//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Sends files and folders to a TeleStore worker, which puts them into a Telegram channel, and gets them back.
#[derive(Debug, Parser)]
#[command(
    name = "telestore",
    version,
    after_help = "The token comes from TELESTORE_TOKEN, --token-file or --token-command, or from the configuration file \
($XDG_CONFIG_HOME/telestore/config.toml).\n\n\
Exit codes: 0 all is done; 1 failed; 2 the command line or the configuration is wrong; 3 some files were not sent, or not fetched; \
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
    /// List the files that were sent, by whatever client, the newest first; or the uploads that this machine has begun
    List(ListArgs),
    /// Fetch files that were sent
    Get(GetArgs),
    /// Print addresses that open files to others, without a token and for a while
    Link(LinkArgs),
    /// Delete files that were sent, and their messages
    Rm(RmArgs),
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

    /// Put the files into the channel encrypted, for the recipients that the worker knows
    #[arg(long)]
    pub(crate) encrypt: bool,

    /// Put the files into the channel compressed, if that gains anything
    #[arg(long)]
    pub(crate) compress: bool,

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

    #[command(flatten)]
    pub(crate) show: ShowArgs,
}

/// What is said of a run.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
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
pub(crate) struct ListArgs {
    /// Only files whose name has this in it; small and capital letters are the same
    #[arg(value_name = "TEXT")]
    pub(crate) named: Option<String>,

    /// At most so many files [default: all]
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,

    /// List the uploads that this machine has begun and not ended, and not the files
    #[arg(long, conflicts_with_all = ["named", "limit"])]
    pub(crate) uploads: bool,

    /// List the uploads that this machine has begun, and those that it has sent
    #[arg(long, conflicts_with_all = ["named", "limit"])]
    pub(crate) sent: bool,

    /// Print one JSON object in each line
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is fetched, and where it goes.
#[derive(Debug, Args)]
#[command(
    after_help = "A file comes as NAME.part, and is called NAME once all of it is there and its SHA-256, or else its length, is that of \
what was sent. One that was stopped goes on where it was, also after a reboot: to go on, give the same command. One that is there \
already is not fetched again."
)]
pub(crate) struct GetArgs {
    /// Ids of files as `list` has them, or their names: of several with one name, the newest
    #[arg(required = true, value_name = "ID|NAME")]
    pub(crate) which: Vec<String>,

    /// What the file is called, or the folder that the files go into; `-` is standard output [default: here, by their names]
    #[arg(long, short, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,

    /// Replace files that are there and are others
    #[arg(long, short)]
    pub(crate) force: bool,

    /// Take what comes, also if it is not what was sent: a photo, which Telegram compresses anew
    #[arg(long)]
    pub(crate) no_check: bool,

    /// How many files come at a time [default: 4]
    #[arg(long, short = 'P', value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) parallel: Option<u16>,

    /// How many bytes may come in a second, over all files
    #[arg(long, value_name = "BYTES", value_parser = size)]
    pub(crate) limit_rate: Option<u64>,

    #[command(flatten)]
    pub(crate) show: ShowArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LinkArgs {
    /// Ids of files as `list` has them, or their names: of several with one name, the newest
    #[arg(required = true, value_name = "ID|NAME")]
    pub(crate) which: Vec<String>,

    /// How long the address opens the file
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = time)]
    pub(crate) lasts: Duration,

    /// Print one JSON object in each line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "It does not ask. It ends with 1 if one of the files is not there; the others are deleted nevertheless."
)]
pub(crate) struct RmArgs {
    /// Ids of files as `list` has them
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,

    /// Print one JSON object in each line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Files that were begun, or ids of uploads [default: all that `list --uploads` lists of this worker]
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

    /// All that `list --uploads` lists of this worker
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
