use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::progress::Told;

/// The pause before the first repetition; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause, unless the worker asks for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long nothing may go forward before the client gives up, over all uploads of one client: while others go forward, one
/// that has to wait for its turn does not lose patience.
#[derive(Debug)]
pub(crate) struct Patience {
    limit: Duration,
    /// When anything went forward last.
    forward: Mutex<Option<Instant>>,
}

impl Patience {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, forward: Mutex::new(None) }
    }

    /// The worker took bytes, or told that an upload is further than before.
    pub(crate) fn went_forward(&self) {
        *self.forward.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(Instant::now());
    }

    fn last_forward(&self) -> Option<Instant> {
        *self.forward.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// What may pass: the words, and how long the worker asks to wait.
#[derive(Debug, Clone)]
pub(crate) struct Passing {
    pub(crate) text: String,
    pub(crate) after: Option<Duration>,
}

/// Waits between repetitions of one thing, for as long as the patience lasts.
pub(crate) struct Waits<'a> {
    patience: &'a Patience,
    report: Option<&'a dyn Told>,
    /// When the first of the failures in a row was.
    since: Option<Instant>,
    pause: Duration,
}

impl<'a> Waits<'a> {
    pub(crate) fn new(patience: &'a Patience, report: Option<&'a dyn Told>) -> Self {
        Self { patience, report, since: None, pause: FIRST_PAUSE }
    }

    /// It went well: the next failure is a first one.
    pub(crate) fn forget(&mut self) {
        self.since = None;
        self.pause = FIRST_PAUSE;
        if let Some(report) = self.report {
            report.trouble(None);
        }
    }

    /// Waits after a failure.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the patience would be over at the end of the pause.
    pub(crate) async fn after(&mut self, passing: Passing) -> Result<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let from = self.patience.last_forward().map_or(since, |forward| forward.max(since));
        let jitter = self.pause.mul_f64(rand::random_range(0.0..0.25));
        let pause = passing.after.unwrap_or(self.pause).max(self.pause) + jitter;
        let away = from.elapsed();
        if away + pause > self.patience.limit {
            let asked = match passing.after {
                Some(after) if after > self.patience.limit => {
                    format!("it asks to wait {} s", after.as_secs())
                }
                _ => format!("tried for {} s", since.elapsed().as_secs()),
            };
            return Err(Error::new(ErrorKind::Unavailable, format!("{} ({asked})", passing.text)));
        }
        if let Some(report) = self.report {
            report.trouble(Some(passing.text));
        }
        tokio::time::sleep(pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away(after: Option<u64>) -> Passing {
        Passing { text: "away".to_owned(), after: after.map(Duration::from_secs) }
    }

    #[tokio::test(start_paused = true)]
    async fn patience_begins_with_the_first_failure_and_anew_with_each_step_forward() {
        let patience = Patience::new(Duration::from_secs(60));
        let mut waits = Waits::new(&patience, None);
        assert!(waits.after(away(None)).await.is_ok(), "however long the call took that failed");
        waits.since = Instant::now().checked_sub(Duration::from_secs(60));
        let gave_up = waits.after(away(None)).await.unwrap_err();
        assert_eq!(gave_up.kind(), ErrorKind::Unavailable);
        assert_eq!(gave_up.to_string(), "away (tried for 60 s)");
        patience.went_forward();
        assert!(waits.after(away(None)).await.is_ok(), "another upload went forward");
    }

    #[tokio::test]
    async fn who_asks_for_more_than_the_patience_is_not_waited_for() {
        let patience = Patience::new(Duration::from_secs(60));
        let gave_up = Waits::new(&patience, None).after(away(Some(3600))).await.unwrap_err();
        assert_eq!(gave_up.to_string(), "away (it asks to wait 3600 s)");
    }
}
