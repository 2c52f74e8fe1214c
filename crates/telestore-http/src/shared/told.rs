//! Tells the operator why requests cannot be served: each cause once, and once a minute while it lasts.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;

/// How often a cause is told.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// The most causes that are remembered. Texts of outside may be in them.
const MOST: usize = 64;

/// What was told of causes, by their words. A flood of requests that fail makes one line a minute.
#[derive(Debug, Default)]
struct Causes(Mutex<HashMap<String, Told>>);

#[derive(Debug)]
struct Told {
    at: Instant,
    /// How many requests have met it since.
    untold: u64,
}

/// Those of this process.
static CAUSES: LazyLock<Causes> = LazyLock::new(Causes::default);

/// Tells that a request gets `status` for `cause`, unless that was told a moment ago.
pub(crate) fn tell(status: StatusCode, cause: &str) {
    let Some(more) = CAUSES.met(cause, Instant::now()) else { return };
    let status = status.as_u16();
    // A 503 passes, and may be somebody else's fault; anything else is the worker's own.
    if status == 503 {
        tracing::warn!(status, cause, more, "cannot serve requests");
    } else {
        tracing::error!(status, cause, more, "cannot serve requests");
    }
}

impl Causes {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a request that failed for `cause`. If it is to be told now, gives how many have failed for the same
    /// cause since it was told last.
    fn met(&self, cause: &str, now: Instant) -> Option<u64> {
        let mut causes = self.lock();
        if let Some(told) = causes.get_mut(cause) {
            if now.saturating_duration_since(told.at) < AGAIN_AFTER {
                told.untold += 1;
                return None;
            }
            told.at = now;
            return Some(std::mem::take(&mut told.untold));
        }
        if causes.len() >= MOST {
            causes.retain(|_, told| now.saturating_duration_since(told.at) < AGAIN_AFTER);
        }
        // If words differ each time, the ones that are remembered are all told within the last minute: enough lines.
        if causes.len() >= MOST {
            return None;
        }
        causes.insert(cause.to_owned(), Told { at: now, untold: 0 });
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_told_at_once_and_then_once_a_minute_with_how_many_it_met() {
        let (causes, start) = (Causes::default(), Instant::now());
        assert_eq!(causes.met("a", start), Some(0));
        assert_eq!((causes.met("a", start), causes.met("a", start)), (None, None));
        assert_eq!(causes.met("b", start), Some(0), "another cause has a line of its own");
        assert_eq!(causes.met("a", start + AGAIN_AFTER), Some(2));
        assert_eq!(causes.met("a", start + AGAIN_AFTER), None);
    }

    #[test]
    fn words_that_differ_each_time_make_no_flood() {
        let (causes, start) = (Causes::default(), Instant::now());
        let told = |at| (0..1000).filter(|n| causes.met(&format!("{at:?} {n}"), at).is_some()).count();
        assert_eq!((told(start), told(start + AGAIN_AFTER)), (MOST, MOST));
        assert_eq!(causes.lock().len(), MOST);
    }
}
