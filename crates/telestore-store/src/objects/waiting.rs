//! Blobs of this process that are finished and not put yet.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// A moment by two clocks: one of them does not run while the machine sleeps, the other may be set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment(Instant, SystemTime);

impl Moment {
    pub(super) fn now() -> Self {
        Self(Instant::now(), SystemTime::now())
    }

    /// How long ago it was, by the clock that says more.
    pub(super) fn elapsed(&self) -> Duration {
        self.0.elapsed().max(self.1.elapsed().unwrap_or_default())
    }
}

/// Ids of all stores of the process: what one handle has spooled another one may put, and the guard of a put blob must
/// not take it away.
static WAITING: LazyLock<Mutex<HashMap<String, Moment>>> = LazyLock::new(Mutex::default);

fn waiting() -> MutexGuard<'static, HashMap<String, Moment>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A blob is finished now.
pub(super) fn add(id: &str) {
    waiting().insert(id.to_owned(), Moment::now());
}

/// Takes a blob out, and says since when it has waited; `None` if it does not wait.
pub(super) fn take(id: &str) -> Option<Moment> {
    waiting().remove(id)
}
