//! Where documents come to lie: <https://core.telegram.org/api/datacenter>.

use std::sync::{Mutex, PoisonError};

/// The data centre that all documents come to from now on, if it is not that in which their senders are.
#[derive(Debug, Default)]
pub(crate) struct Placement(Mutex<Option<i32>>);

impl Placement {
    pub(crate) fn set(&self, dc: Option<i32>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = dc;
    }

    /// Where a document comes to that is sent at `sent_at`.
    pub(crate) fn of(&self, sent_at: i32) -> i32 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(sent_at)
    }
}
