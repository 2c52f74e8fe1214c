//! Credentials that are remembered, in front of a provider that may be slow, down, or silent.

mod lane;
mod memory;
mod question;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use metrics::Counter;
use telestore_types::{Clock, Secret, TelegramCredentials};
use tokio::time::{Instant, timeout};

use self::lane::Lane;
use self::memory::{FRESH, Memory};
use self::question::{Asked, Outcome};
use crate::credentials::{TokenDigest, digest};
use crate::metrics::METRICS;
use crate::{CredentialProvider, Error, Result};

/// How long a caller with an older answer waits for the new one, from when it was first asked for.
const GRACE: Duration = Duration::from_millis(500);

/// Remembers each token's credentials for an hour, and a refusal for a minute, in front of another provider.
///
/// Callers that ask for one token share one question and its outcome, be it a failure. A question goes on behind them:
/// who has an older answer (up to a day) gets that one after half a second, or at once if the provider did not answer
/// last time. A refusal takes the answer away. A user who has not set up Telegram is asked for each time, so that the
/// setup counts at once.
///
/// A failure holds for as long as it took to find out, up to five seconds. After three in a row one question at a time
/// tries whether the provider is back, and the others fail at once.
///
/// Guessed tokens cannot drive the provider: 16 questions are on their way at a time and 1000 wait, each for ten seconds
/// at most. Tokens that were good before have as many places and a count of failures of their own. Refused tokens take
/// no place of good ones.
#[derive(Debug)]
pub struct CachedCredentialProvider<P>(Arc<Shared<P>>);

#[derive(Debug)]
struct Shared<P> {
    behind: P,
    memory: Mutex<Memory>,
    asking: Mutex<HashMap<TokenDigest, Asked>>,
    /// For tokens that are new.
    questions: Lane,
    /// For tokens that were good before.
    renewals: Lane,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What becomes of a caller.
enum Course {
    Answered(Outcome),
    Began(Asked),
    Joined(Asked),
}

impl<P> Shared<P> {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }

    fn asking(&self) -> MutexGuard<'_, HashMap<TokenDigest, Asked>> {
        lock(&self.asking)
    }

    fn lane(&self, was_good: bool) -> &Lane {
        if was_good { &self.renewals } else { &self.questions }
    }
}

impl<P: CredentialProvider> Shared<P> {
    /// Joins the question about `secret`, or begins one if that makes sense.
    fn ask(self: &Arc<Self>, token: TokenDigest, secret: &Secret, now: Instant) -> Course {
        // A question's outcome is remembered before it leaves this map.
        let mut asking = self.asking();
        if let Some(asked) = asking.get(&token) {
            return Course::Joined(asked.clone());
        }
        let memory = self.memory();
        if let Some(answer) = memory.answer(&token, now) {
            return Course::Answered(answer);
        }
        if let Some(error) = memory.failure(&token, now) {
            return Course::Answered(Err(error));
        }
        let was_good = memory.was_good(&token);
        drop(memory);
        match self.lane(was_good).admit(now) {
            Ok(admitted) => {
                let asked = question::begin(self, token, secret, was_good, admitted);
                asking.insert(token, asked.clone());
                Course::Began(asked)
            }
            Err(error) => Course::Answered(Err(error)),
        }
    }

    /// Waits for the outcome, no longer than is worth it for somebody with an older answer.
    async fn outcome(&self, asked: Asked, has_older: bool) -> Option<Outcome> {
        if !has_older {
            return Some(asked.outcome().await);
        }
        let patience = if self.renewals.is_well() { GRACE } else { Duration::ZERO };
        timeout(patience.saturating_sub(asked.began.elapsed()), asked.outcome()).await.ok()
    }
}

impl<P: CredentialProvider> CachedCredentialProvider<P> {
    /// Puts a cache in front of `behind`. Ages are counted by the monotonic clock of the process, so `clock`, which may
    /// be set, is not asked any more.
    pub fn new(behind: P, clock: Arc<dyn Clock>) -> Self {
        drop(clock);
        Self::with_freshness(behind, FRESH)
    }

    /// The same, with another time than an hour after which an answer is asked for anew.
    pub fn with_freshness(behind: P, fresh: Duration) -> Self {
        Self(Arc::new(Shared {
            behind,
            memory: Mutex::new(Memory::new(fresh)),
            asking: Mutex::default(),
            questions: Lane::new(),
            renewals: Lane::new(),
        }))
    }
}

#[async_trait]
impl<P: CredentialProvider> CredentialProvider for CachedCredentialProvider<P> {
    async fn credentials(&self, token: &Secret) -> Result<Arc<TelegramCredentials>> {
        let (digest, now) = (digest(token), Instant::now());
        let (answer, older) = {
            let memory = self.0.memory();
            (memory.answer(&digest, now), memory.older(&digest, now))
        };
        if let Some(answer) = answer {
            return counted(answer, &METRICS.cached);
        }
        let (outcome, by) = match self.0.ask(digest, token, now) {
            Course::Answered(answer) => (Some(answer), &METRICS.cached),
            Course::Joined(asked) => (self.0.outcome(asked, older.is_some()).await, &METRICS.cached),
            Course::Began(asked) => (self.0.outcome(asked, older.is_some()).await, &METRICS.fetched),
        };
        match (outcome, older) {
            (None | Some(Err(Error::Unavailable(_) | Error::BadAnswer(_))), Some(older)) => {
                METRICS.stale.increment(1);
                Ok(older)
            }
            (Some(outcome), _) => counted(outcome, by),
            // Without an older answer an outcome is always waited for.
            (None, None) => Err(Error::Unavailable("nobody was asked".to_owned())),
        }
    }

    async fn known(&self, token: &Secret) -> Option<Arc<TelegramCredentials>> {
        self.0.memory().older(&digest(token), Instant::now())
    }

    async fn forget(&self, token: &Secret) {
        self.0.memory().forget(&digest(token));
        self.0.behind.forget(token).await;
    }

    async fn reach(&self) -> Result<()> {
        self.0.behind.reach().await
    }
}

/// Counts an answer that a caller gets, a good one `by` where it came from.
fn counted(answer: Outcome, by: &Counter) -> Outcome {
    match &answer {
        Ok(_) => by.increment(1),
        Err(Error::Unavailable(_) | Error::BadAnswer(_)) => METRICS.unavailable.increment(1),
        Err(error) => METRICS.refused(error),
    }
    answer
}
