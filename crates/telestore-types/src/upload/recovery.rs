//! What an upload becomes when the process that had it has ended.

use std::time::Duration;

use super::{Upload, UploadKind, UploadState};
use crate::{Outcome, Timestamp};

/// What becomes of an upload after its process has ended in the middle of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing had to be done.
    Untouched,
    /// It goes on.
    GoesOn,
    /// It failed, for the reason in its error.
    Failed,
    /// Nobody knows of it, and its bytes are of no more use.
    Abandoned,
}

/// How often in a row a process may end while it sends an upload, without getting further in between.
pub const MAX_CRASHES: u32 = 5;

/// How often that may happen before completion was asked for; then the upload is not sent early any more.
pub const MAX_EARLY_CRASHES: u32 = 3;

/// The pauses after the first, the second, … such end.
const PAUSES: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(10), Duration::from_secs(60)];

/// What the error says of an upload whose message may have been made.
const CUT_OFF: &str = "the worker was stopped after Telegram had the whole file and before it answered. The file may be \
                       in the channel already: look there before you complete the upload again";

impl Upload {
    /// Gives it up after its file was handed over and its runner has gone: its message may be in the channel.
    pub fn cut_off(&mut self, now: Timestamp) {
        self.fail(CUT_OFF, Outcome::Ambiguous, now);
    }

    /// Puts it in order after its file was handed over and its runner has gone. Its message is looked for if the row says where;
    /// otherwise it fails.
    pub fn left_behind(&mut self, now: Timestamp) {
        if self.handed_over().is_some() {
            self.retry_later(now, false, now);
        } else {
            self.cut_off(now);
        }
    }

    /// Puts it in order after the process that had it has ended, whatever for.
    pub fn recover(&mut self, now: Timestamp) -> Recovery {
        if self.leave_fetch() {
            return Recovery::GoesOn;
        }
        match (self.state, self.kind) {
            // Its client got no answer, and nobody else knows the id.
            (UploadState::Receiving, UploadKind::Direct) => {
                self.cancel(now);
                return Recovery::Abandoned;
            }
            // Its client went away before it was queued: nobody else will complete it.
            (UploadState::Receiving, UploadKind::Kept) => {
                if self.complete(now).is_ok() {
                    return Recovery::GoesOn;
                }
                self.cancel(now);
                return Recovery::Abandoned;
            }
            (UploadState::Receiving, _) if self.early => {
                self.early = false;
                self.crashes = self.crashes.saturating_add(1);
                return Recovery::GoesOn;
            }
            (UploadState::Queued, UploadKind::Direct) => {
                self.keep();
                return Recovery::GoesOn;
            }
            (UploadState::Sending, _) => {}
            _ => return Recovery::Untouched,
        }
        self.keep();
        if self.maybe_sent && self.handed_over().is_none() {
            self.cut_off(now);
            return Recovery::Failed;
        }
        self.crashes = self.crashes.saturating_add(1);
        if self.crashes >= MAX_CRASHES {
            self.give_up_crashing(now);
            return Recovery::Failed;
        }
        // Being killed is no fault of the file: the attempt is not counted, and the first time it goes on at once. Later it
        // comes back at other moments than the files that were sent beside it, so that those are not punished for it.
        let pause = PAUSES[usize::try_from(self.crashes - 1).unwrap_or(usize::MAX).min(PAUSES.len() - 1)];
        self.retry_later(now + pause, false, now);
        Recovery::GoesOn
    }

    /// Puts it in order after the lease of another worker has run out in the middle of a send, so that this one may begin an
    /// attempt. Says no if it has failed instead.
    pub fn take_over(&mut self, now: Timestamp) -> bool {
        self.keep();
        self.crashes = self.crashes.saturating_add(1);
        if self.crashes >= MAX_CRASHES {
            self.give_up_crashing(now);
            return false;
        }
        true
    }

    fn give_up_crashing(&mut self, now: Timestamp) {
        let looked = self.handed_over().is_some();
        // Nobody but its backend can read whether a state has asked for the message.
        let made = looked || self.resume.as_ref().is_some_and(|state| !state.bytes.is_empty());
        let doing = if looked { "looked for the message of this file" } else { "sent this file" };
        let (message, outcome) = match made {
            true => (
                "may be in the channel already: look there before you complete the upload again",
                Outcome::Ambiguous,
            ),
            false => ("is not in the channel; complete the upload again to try once more", Outcome::Crashed),
        };
        let error = format!(
            "the worker ended {MAX_CRASHES} times while it {doing}, without getting further: it was stopped that often, \
             or what the Telegram server of this account answers ends it. The file {message}"
        );
        self.fail(&error, outcome, now);
    }
}
