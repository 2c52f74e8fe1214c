//! What became of the files of one run, and what the process ends with for it.

use std::sync::Mutex;

use telestore_client::ErrorKind;

use crate::exit::Exit;
use crate::show::{End, Entry, Summary, Way};

/// What became of those that have ended.
pub(crate) struct Ends(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    summary: Summary,
    failures: Vec<ErrorKind>,
    /// Why there is no use in trying any more.
    hopeless: Option<(ErrorKind, String)>,
}

impl Ends {
    pub(crate) fn new(way: Way) -> Self {
        let summary = Summary { way, ..Summary::default() };
        Self(Mutex::new(Counted { summary, ..Counted::default() }))
    }

    fn counted(&self) -> std::sync::MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// One has ended.
    pub(crate) fn count(&self, entry: &Entry, end: &End) {
        let mut ends = self.counted();
        match end {
            End::Sent { deleted, .. } => {
                ends.summary.done += 1;
                ends.summary.deleted += usize::from(*deleted);
                ends.summary.bytes += entry.size.unwrap_or_default();
            }
            End::Already { deleted, .. } => {
                ends.summary.already += 1;
                ends.summary.deleted += usize::from(*deleted);
            }
            End::Saved { downloaded, .. } => {
                ends.summary.done += 1;
                ends.summary.bytes += downloaded.fetched;
            }
            End::There { .. } => ends.summary.already += 1,
            End::Stopped => ends.summary.stopped += 1,
            End::Failed { kind, text } => {
                ends.summary.failed += 1;
                ends.failures.push(*kind);
                ends.hopeless = ends.hopeless.take().or_else(|| hopeless(*kind, text));
            }
        }
    }

    /// Why there is no use in trying the next file, if that is known.
    pub(crate) fn hopeless(&self) -> Option<(ErrorKind, String)> {
        self.counted().hopeless.clone()
    }

    /// What became of them. To be asked once.
    pub(crate) fn summary(&self) -> Summary {
        std::mem::take(&mut self.counted().summary)
    }

    /// What the process ends with, if this signal has come.
    pub(crate) fn exit(&self, summary: &Summary, stopped: Option<u8>) -> Exit {
        match stopped {
            // It came too late to stop anything.
            Some(_) if summary.stopped == 0 && summary.failed == 0 => Exit::Done,
            Some(signal) => Exit::Stopped(signal),
            None => Exit::of_run(summary.done + summary.already > 0, &self.counted().failures),
        }
    }
}

/// Why there is no use in trying the next file after one that failed so: it would fare no better, and each may take as long as the
/// patience lasts.
pub(crate) fn hopeless(kind: ErrorKind, text: &str) -> Option<(ErrorKind, String)> {
    let is_for_all = matches!(kind, ErrorKind::Unauthorized | ErrorKind::Unavailable | ErrorKind::Tls);
    is_for_all.then(|| (kind, format!("not tried: {text}")))
}
