//! What all files of one command share, and what became of them.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::message::Message;
use crate::cli::SendArgs;
use crate::ends::Ends;
use crate::show::{End, Entry, Show, Way};
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
    pub(super) ends: Ends,
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
            ends: Ends::new(Way::Sends),
        }
    }

    /// One has ended.
    pub(super) fn ended(&self, entry: &Entry, end: End) {
        self.show.ended(entry, &end);
        self.ends.count(entry, &end);
    }

    /// Puts on the disk what was sent.
    pub(super) fn settle(&self) -> Option<std::io::Error> {
        self.state.as_ref().and_then(|state| state.settle().err())
    }
}
