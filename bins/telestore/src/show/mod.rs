//! How a run is shown: bars, lines, or JSON.

mod bars;
mod json;
mod lines;
mod words;

use std::io::IsTerminal;
use std::time::Duration;

use telestore_client::{Delivered, DownloadPhase, DownloadProgress, Downloaded, ErrorKind, Phase, Progress};

use crate::cli::{ProgressArg, ShowArgs};
use crate::exit::Exit;

pub(crate) use self::words::size;

/// Which way files go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Way {
    /// To the channel.
    #[default]
    Sends,
    /// Back from there.
    Gets,
}

/// One thing that is sent or fetched.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Its place in the run.
    pub(crate) index: usize,
    /// What a person knows it by, safe to print.
    pub(crate) name: String,
    pub(crate) size: Option<u64>,
}

/// What one begins with.
#[derive(Debug)]
pub(crate) enum Begun<'a> {
    Sends {
        upload_id: &'a str,
    },
    Gets {
        id: &'a str,
        /// Bytes that were here before.
        here: u64,
    },
}

/// How far one is.
#[derive(Debug)]
pub(crate) enum Doing<'a> {
    Sends(&'a Progress),
    Gets(&'a DownloadProgress),
}

impl Doing<'_> {
    /// Bytes that went over the line, or were there before.
    fn moved(&self) -> u64 {
        match self {
            Self::Sends(state) => state.sent,
            Self::Gets(state) => state.received,
        }
    }

    fn total(&self) -> Option<u64> {
        match self {
            Self::Sends(state) => state.total,
            Self::Gets(state) => state.total,
        }
    }

    /// What is waited for.
    fn trouble(&self) -> Option<&String> {
        match self {
            Self::Sends(state) => state.trouble.as_ref(),
            Self::Gets(state) => state.trouble.as_ref(),
        }
    }

    /// Whether bytes have begun to move.
    fn moves(&self) -> bool {
        match self {
            Self::Sends(state) => state.phase >= Phase::Uploading,
            Self::Gets(state) => state.phase >= DownloadPhase::Receiving,
        }
    }

    /// Whether the worker has all of what is sent.
    fn is_handed_over(&self) -> bool {
        matches!(self, Self::Sends(state) if state.phase >= Phase::Queued)
    }

    /// Its phase in one word.
    fn phase(&self) -> &'static str {
        match self {
            Self::Sends(state) => state.phase.as_str(),
            Self::Gets(state) => state.phase.as_str(),
        }
    }
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
    /// It is here.
    Saved {
        id: String,
        /// Where, if it is a file.
        path: Option<String>,
        downloaded: Downloaded,
    },
    /// It was here before.
    There { id: String, path: String },
    /// It is not.
    Failed { kind: ErrorKind, text: String },
    /// It was begun, and can go on.
    Stopped,
}

/// What became of all.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) way: Way,
    pub(crate) files: usize,
    /// Sent, or saved.
    pub(crate) done: usize,
    pub(crate) already: usize,
    pub(crate) failed: usize,
    /// Begun and not ended, or not begun.
    pub(crate) stopped: usize,
    pub(crate) left_out: usize,
    pub(crate) deleted: usize,
    /// Of the files that were sent; or those that were fetched.
    pub(crate) bytes: u64,
    pub(crate) took: Duration,
}

/// Who is told.
pub(crate) trait Show: Send + Sync {
    /// What is to be done.
    fn plan(&self, files: usize, bytes: u64);
    /// One is begun, or goes on.
    fn begun(&self, entry: &Entry, begun: &Begun);
    /// How far one is.
    fn state(&self, entry: &Entry, state: &Doing);
    /// One has ended.
    fn ended(&self, entry: &Entry, end: &End);
    /// Something that is to be known, and no failure.
    fn note(&self, text: &str);
    /// All has ended.
    fn summary(&self, summary: &Summary, exit: Exit);
}

/// As the command line and the terminal want it.
pub(crate) fn choose(args: &ShowArgs, way: Way) -> Box<dyn Show> {
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
    if bars { Box::new(bars::Bars::new()) } else { Box::new(lines::Lines::new(args.quiet, way)) }
}
