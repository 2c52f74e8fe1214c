//! What all files of one command share, and what became of them.

use std::sync::{Arc, Mutex};

use telestore_client::ErrorKind;
use tokio::sync::Semaphore;

use super::message::Message;
use crate::cli::SendArgs;
use crate::show::{End, Entry, Show, Summary};
use crate::state::State;
use crate::worker::Worker;

/// What all files of a run share.
pub(super) struct Run {
    pub(super) worker: Worker,
    pub(super) message: Message,
    /// `None` if nothing is to be kept.
    pub(super) state: Option<Arc<State>>,
    pub(super) show: Box<dyn Show>,
    pub(super) again: bool,
    pub(super) delete_after: bool,
    pub(super) input_name: String,
    /// For files that go to the worker.
    pub(super) places: Arc<Semaphore>,
    ends: Mutex<Ends>,
}

#[derive(Default)]
struct Ends {
    summary: Summary,
    failures: Vec<ErrorKind>,
    /// Why there is no use in trying any more.
    hopeless: Option<(ErrorKind, String)>,
}

impl Run {
    pub(super) fn new(
        worker: Worker,
        message: Message,
        state: Option<Arc<State>>,
        args: &SendArgs,
        show: Box<dyn Show>,
        parallel: u16,
    ) -> Self {
        Self {
            worker,
            message,
            state,
            show,
            again: args.again,
            delete_after: args.delete_after,
            input_name: args.name.clone(),
            places: Arc::new(Semaphore::new(usize::from(parallel))),
            ends: Mutex::default(),
        }
    }

    /// One has ended.
    pub(super) fn ended(&self, entry: &Entry, end: End) {
        self.show.ended(entry, &end);
        let mut ends = self.ends();
        match end {
            End::Sent { deleted, .. } => {
                ends.summary.sent += 1;
                ends.summary.deleted += usize::from(deleted);
                ends.summary.bytes += entry.size.unwrap_or_default();
            }
            End::Already { deleted, .. } => {
                ends.summary.already += 1;
                ends.summary.deleted += usize::from(deleted);
            }
            End::Stopped => ends.summary.stopped += 1,
            End::Failed { kind, text } => {
                ends.summary.failed += 1;
                ends.failures.push(kind);
                // The next file would fare no better.
                if matches!(kind, ErrorKind::Unauthorized | ErrorKind::Unavailable | ErrorKind::Tls) {
                    ends.hopeless.get_or_insert((kind, format!("not tried: {text}")));
                }
            }
        }
    }

    fn ends(&self) -> std::sync::MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Why there is no use in trying the next file, if that is known.
    pub(super) fn hopeless(&self) -> Option<(ErrorKind, String)> {
        self.ends().hopeless.clone()
    }

    /// What became of them. To be asked once.
    pub(super) fn summary(&self) -> Summary {
        std::mem::take(&mut self.ends().summary)
    }

    /// How those failed that did.
    pub(super) fn failures(&self) -> Vec<ErrorKind> {
        self.ends().failures.clone()
    }

    /// Puts on the disk what was sent.
    pub(super) fn settle(&self) -> Option<std::io::Error> {
        self.state.as_ref().and_then(|state| state.settle().err())
    }
}
