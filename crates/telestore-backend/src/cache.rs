use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use telestore_types::{Clock, Secret, TelegramCredentials, Timestamp};
use tokio::sync::Mutex as AsyncMutex;

use crate::credentials::{TokenDigest, digest};
use crate::metrics::METRICS;
use crate::{CredentialProvider, Error, Result};

/// How long an answer counts as fresh, as documented.
const FRESH: Duration = Duration::from_secs(60 * 60);

/// How long an answer is kept for the time that the backend is down.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// The most tokens that are remembered. The oldest goes first.
const MOST: usize = 10_000;

/// Remembers each token's credentials for an hour, in front of another provider.
///
/// Callers that ask for one token at the same time share one question. While the provider behind is not available, an
/// older answer serves; a refusal takes the answer away.
#[derive(Debug)]
pub struct CachedCredentialProvider<P> {
    behind: P,
    clock: Arc<dyn Clock>,
    slots: Mutex<HashMap<TokenDigest, Arc<Slot>>>,
}

#[derive(Debug, Default)]
struct Slot {
    answer: Mutex<Option<(Timestamp, Arc<TelegramCredentials>)>>,
    asking: AsyncMutex<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Slot {
    fn answer(&self) -> Option<(Timestamp, Arc<TelegramCredentials>)> {
        lock(&self.answer).clone()
    }

    fn fresh(&self, now: Timestamp) -> Option<Arc<TelegramCredentials>> {
        self.answer().filter(|(at, _)| now.since(*at) < FRESH).map(|(_, credentials)| credentials)
    }
}

impl<P: CredentialProvider> CachedCredentialProvider<P> {
    /// Puts a cache in front of `behind`.
    pub fn new(behind: P, clock: Arc<dyn Clock>) -> Self {
        Self { behind, clock, slots: Mutex::default() }
    }

    fn slot(&self, token: &TokenDigest) -> Arc<Slot> {
        let mut slots = lock(&self.slots);
        if let Some(slot) = slots.get(token) {
            return Arc::clone(slot);
        }
        if slots.len() >= MOST {
            self.make_room(&mut slots);
        }
        Arc::clone(slots.entry(*token).or_default())
    }

    /// Tokens that were never answered go, then those that are too old, then, if need be, the oldest.
    fn make_room(&self, slots: &mut HashMap<TokenDigest, Arc<Slot>>) {
        let now = self.clock.now();
        slots.retain(|_, slot| {
            // A slot that somebody holds is being asked for right now.
            Arc::strong_count(slot) > 1 || slot.answer().is_some_and(|(at, _)| now.since(at) < KEPT)
        });
        if slots.len() < MOST {
            return;
        }
        let oldest =
            slots.iter().min_by_key(|(_, slot)| slot.answer().map(|(at, _)| at)).map(|(token, _)| *token);
        if let Some(oldest) = oldest {
            slots.remove(&oldest);
        }
    }

    async fn ask(&self, slot: &Slot, token: &Secret) -> Result<Arc<TelegramCredentials>> {
        let _asking = slot.asking.lock().await;
        let now = self.clock.now();
        if let Some(credentials) = slot.fresh(now) {
            METRICS.cached.increment(1);
            return Ok(credentials);
        }
        match self.behind.credentials(token).await {
            Ok(credentials) => {
                METRICS.fetched.increment(1);
                *lock(&slot.answer) = Some((now, Arc::clone(&credentials)));
                Ok(credentials)
            }
            Err(error @ (Error::Unavailable(_) | Error::BadAnswer(_))) => {
                let Some((_, credentials)) = slot.answer().filter(|(at, _)| now.since(*at) < KEPT) else {
                    METRICS.unavailable.increment(1);
                    return Err(error);
                };
                METRICS.stale.increment(1);
                tracing::warn!(%error, "serving older credentials");
                Ok(credentials)
            }
            Err(error) => {
                METRICS.refused(&error);
                *lock(&slot.answer) = None;
                Err(error)
            }
        }
    }
}

#[async_trait]
impl<P: CredentialProvider> CredentialProvider for CachedCredentialProvider<P> {
    async fn credentials(&self, token: &Secret) -> Result<Arc<TelegramCredentials>> {
        let digest = digest(token);
        let slot = self.slot(&digest);
        if let Some(credentials) = slot.fresh(self.clock.now()) {
            METRICS.cached.increment(1);
            return Ok(credentials);
        }
        let answer = self.ask(&slot, token).await;
        if slot.answer().is_none() {
            // Guessed tokens must not fill the map.
            lock(&self.slots).remove(&digest);
        }
        answer
    }

    async fn forget(&self, token: &Secret) {
        lock(&self.slots).remove(&digest(token));
        self.behind.forget(token).await;
    }

    async fn reach(&self) -> Result<()> {
        self.behind.reach().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use telestore_types::{ChatId, ManualClock, UserId};

    use super::*;
    use crate::MockCredentialProvider;

    fn credentials_of(token: &Secret) -> Arc<TelegramCredentials> {
        Arc::new(TelegramCredentials {
            user_id: UserId::new(format!("user of {}", token.expose())),
            chat_id: ChatId::new("-1001").unwrap(),
            bot_token: None,
            session: None,
            api_id: None,
            api_hash: None,
        })
    }

    /// A cache whose provider answers with these, one after the other.
    fn cache(
        answers: Vec<Result<(), Error>>,
    ) -> (CachedCredentialProvider<MockCredentialProvider>, ManualClock, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let (counter, clock) = (Arc::clone(&asked), ManualClock::default());
        let mut behind = MockCredentialProvider::new();
        behind.expect_credentials().returning(move |token| {
            let answer = answers[counter.fetch_add(1, Ordering::SeqCst)].clone();
            answer.map(|()| credentials_of(token))
        });
        behind.expect_forget().return_const(());
        (CachedCredentialProvider::new(behind, Arc::new(clock.clone())), clock, asked)
    }

    #[tokio::test]
    async fn asks_once_an_hour_and_token() {
        let (cache, clock, asked) = cache(vec![Ok(()); 3]);
        for _ in 0..5 {
            assert_eq!(cache.credentials(&"a".into()).await.unwrap().user_id.as_str(), "user of a");
            assert_eq!(cache.credentials(&"b".into()).await.unwrap().user_id.as_str(), "user of b");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        clock.advance(FRESH);
        cache.credentials(&"a".into()).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn an_older_answer_serves_while_the_backend_is_down() {
        let down = || Err(Error::Unavailable("down".to_owned()));
        let (cache, clock, _) = cache(vec![Ok(()), down(), down(), down()]);
        cache.credentials(&"a".into()).await.unwrap();
        clock.advance(FRESH);
        assert!(cache.credentials(&"a".into()).await.is_ok());
        assert!(
            matches!(cache.credentials(&"b".into()).await, Err(Error::Unavailable(_))),
            "never somebody else's"
        );
        clock.advance(KEPT);
        assert!(matches!(cache.credentials(&"a".into()).await, Err(Error::Unavailable(_))), "not for ever");
    }

    #[tokio::test]
    async fn a_refusal_takes_the_answer_away() {
        let (cache, clock, _) =
            cache(vec![Ok(()), Err(Error::InvalidToken), Err(Error::Unavailable("down".to_owned()))]);
        cache.credentials(&"a".into()).await.unwrap();
        clock.advance(FRESH);
        assert_eq!(cache.credentials(&"a".into()).await, Err(Error::InvalidToken));
        assert!(lock(&cache.slots).is_empty());
        assert!(matches!(cache.credentials(&"a".into()).await, Err(Error::Unavailable(_))));
    }

    #[tokio::test]
    async fn forgotten_credentials_are_asked_for_anew() {
        let (cache, _, asked) = cache(vec![Ok(()), Ok(())]);
        cache.credentials(&"a".into()).await.unwrap();
        cache.forget(&"a".into()).await;
        cache.credentials(&"a".into()).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn callers_at_the_same_time_share_one_question() {
        let (cache, _, asked) = cache(vec![Ok(())]);
        let token = Secret::new("a");
        let (one, two, three) =
            tokio::join!(cache.credentials(&token), cache.credentials(&token), cache.credentials(&token));
        assert!(one.is_ok() && two.is_ok() && three.is_ok());
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}
