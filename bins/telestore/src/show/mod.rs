//! How a run is shown: bars, lines, or JSON.

mod bars;
mod json;
mod lines;
mod words;

use std::io::IsTerminal;
use std::time::Duration;

use telestore_client::{Delivered, ErrorKind, Progress};

use crate::cli::{ProgressArg, SendArgs};
use crate::exit::Exit;

/// One thing that is sent.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Its place in the run.
    pub(crate) index: usize,
    /// What a person knows it by, safe to print.
    pub(crate) name: String,
    pub(crate) size: Option<u64>,
}

/// What became of one.
#[derive(Debug)]
pub(crate) enum End {
    /// It is in the channel.
    Sent {
        delivered: Delivered,
        /// Whether the file was deleted then.
        deleted: bool,
    },
    /// It was there before.
    Already { message_id: i64, deleted: bool },
    /// It is not.
    Failed { kind: ErrorKind, text: String },
    /// It was begun, and can go on.
    Stopped,
}

/// What became of all.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) files: usize,
    pub(crate) sent: usize,
    pub(crate) already: usize,
    pub(crate) failed: usize,
    /// Begun and not ended, or not begun.
    pub(crate) stopped: usize,
    pub(crate) left_out: usize,
    pub(crate) deleted: usize,
    /// Of the files that were sent.
    pub(crate) bytes: u64,
    pub(crate) took: Duration,
}

/// Who is told.
pub(crate) trait Show: Send + Sync {
    /// What is to be done.
    fn plan(&self, files: usize, bytes: u64);
    /// One is begun, or goes on.
    fn begun(&self, entry: &Entry, upload_id: &str);
    /// How far one is.
    fn state(&self, entry: &Entry, state: &Progress);
    /// One has ended.
    fn ended(&self, entry: &Entry, end: &End);
    /// Something that is to be known, and no failure.
    fn note(&self, text: &str);
    /// All has ended.
    fn summary(&self, summary: &Summary, exit: Exit);
}

/// As the command line and the terminal want it.
pub(crate) fn choose(args: &SendArgs) -> Box<dyn Show> {
    let terminal =
        || std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    if args.json {
        return Box::new(json::Json::default());
    }
    let bars = match args.progress {
        ProgressArg::Auto => !args.quiet && terminal(),
        ProgressArg::Bars => !args.quiet,
        ProgressArg::Lines => false,
    };
    if bars { Box::new(bars::Bars::new()) } else { Box::new(lines::Lines::new(args.quiet)) }
}
