//! The links that the Bot API's `getFile` gives out: good for an hour at least, <https://core.telegram.org/bots/api#getfile>.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Those that are good now.
#[derive(Debug, Default)]
pub(crate) struct Links(Mutex<HashSet<(String, String)>>);

impl Links {
    /// The bot of `user_id` may load this path from now on.
    pub(crate) fn give(&self, user_id: &str, path: &str) {
        self.lock().insert((user_id.to_owned(), path.to_owned()));
    }

    pub(crate) fn are_good(&self, user_id: &str, path: &str) -> bool {
        self.lock().contains(&(user_id.to_owned(), path.to_owned()))
    }

    /// Ends all of them.
    pub(crate) fn expire(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<(String, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
