use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use telestore_types::{Clock, Secret, TelegramCredentials, Timestamp};
use tokio::sync::{Mutex as AsyncMutex, Semaphore, SemaphorePermit};

use crate::credentials::{TokenDigest, digest};
use crate::metrics::METRICS;
use crate::{CredentialProvider, Error, Result};

/// How long an answer counts as fresh, as documented.
const FRESH: Duration = Duration::from_secs(60 * 60);

/// How long an answer is kept for the time that the backend is down.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a token that was refused is refused without asking again.
const REFUSED: Duration = Duration::from_secs(60);

/// The most good tokens that are remembered, and the most refused ones. The oldest goes first.
const MOST: usize = 10_000;

/// The most questions at a time about tokens that are new, and as many about those that were good before.
const QUESTIONS: usize = 16;

/// How long a question may wait for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Remembers each token's credentials for an hour, and a refusal for a minute, in front of another provider.
///
/// Callers that ask for one token at the same time share one question. While the provider behind is not available, an
/// older answer serves; a refusal takes the answer away. A user who has not set up Telegram is asked for each time, so
/// that the setup counts at once.
///
/// Guessed tokens cannot drive the provider: a few questions are on their way at a time, and tokens that were good
/// before do not wait behind new ones. Refused tokens take no place of good ones.
#[derive(Debug)]
pub struct CachedCredentialProvider<P> {
    behind: P,
    clock: Arc<dyn Clock>,
    good: Mutex<HashMap<TokenDigest, Answer>>,
    refused: Mutex<Refused>,
    asking: Mutex<HashMap<TokenDigest, Arc<AsyncMutex<()>>>>,
    /// For tokens that are new.
    questions: Semaphore,
    /// For tokens whose answer has grown old.
    renewals: Semaphore,
}

/// When it was given, and what it was.
type Answer = (Timestamp, Arc<TelegramCredentials>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tokens that were refused, the oldest first.
#[derive(Debug, Default)]
struct Refused {
    at: HashMap<TokenDigest, Timestamp>,
    order: VecDeque<(Timestamp, TokenDigest)>,
}

impl Refused {
    fn has(&self, token: &TokenDigest, now: Timestamp) -> bool {
        self.at.get(token).is_some_and(|at| now.since(*at) < REFUSED)
    }

    fn add(&mut self, token: TokenDigest, now: Timestamp) {
        while self.order.len() >= MOST || self.order.front().is_some_and(|(at, _)| now.since(*at) >= REFUSED)
        {
            let Some((at, oldest)) = self.order.pop_front() else { break };
            // It may have been refused again since.
            if self.at.get(&oldest) == Some(&at) {
                self.at.remove(&oldest);
            }
        }
        self.at.insert(token, now);
        self.order.push_back((now, token));
    }
}

/// The turn of a token's callers, who ask one after the other. The last one takes it away.
struct Turn<'a> {
    asking: &'a Mutex<HashMap<TokenDigest, Arc<AsyncMutex<()>>>>,
    token: TokenDigest,
    turn: Arc<AsyncMutex<()>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut asking = lock(self.asking);
        // This one's and the map's.
        if Arc::strong_count(&self.turn) == 2 {
            asking.remove(&self.token);
        }
    }
}

impl<P: CredentialProvider> CachedCredentialProvider<P> {
    /// Puts a cache in front of `behind`.
    pub fn new(behind: P, clock: Arc<dyn Clock>) -> Self {
        Self {
            behind,
            clock,
            good: Mutex::default(),
            refused: Mutex::default(),
            asking: Mutex::default(),
            questions: Semaphore::new(QUESTIONS),
            renewals: Semaphore::new(QUESTIONS),
        }
    }

    fn answer(&self, token: &TokenDigest, now: Timestamp, age: Duration) -> Option<Arc<TelegramCredentials>> {
        let good = lock(&self.good);
        good.get(token).filter(|(at, _)| now.since(*at) < age).map(|(_, credentials)| Arc::clone(credentials))
    }

    /// What needs no question.
    fn remembered(&self, token: &TokenDigest, now: Timestamp) -> Option<Result<Arc<TelegramCredentials>>> {
        if let Some(credentials) = self.answer(token, now, FRESH) {
            METRICS.cached.increment(1);
            return Some(Ok(credentials));
        }
        let refused = lock(&self.refused).has(token, now);
        if refused {
            METRICS.refused(&Error::InvalidToken);
        }
        refused.then_some(Err(Error::InvalidToken))
    }

    fn remember(&self, token: TokenDigest, now: Timestamp, credentials: &Arc<TelegramCredentials>) {
        let mut good = lock(&self.good);
        if good.len() >= MOST && !good.contains_key(&token) {
            good.retain(|_, (at, _)| now.since(*at) < KEPT);
            if good.len() >= MOST
                && let Some(oldest) = good.iter().min_by_key(|(_, (at, _))| *at).map(|(token, _)| *token)
            {
                good.remove(&oldest);
            }
        }
        good.insert(token, (now, Arc::clone(credentials)));
    }

    fn turn(&self, token: TokenDigest) -> Turn<'_> {
        let turn = Arc::clone(lock(&self.asking).entry(token).or_default());
        Turn { asking: &self.asking, token, turn }
    }

    /// A place for a question, in the lane of those that were good before or in that of the new ones.
    async fn place(&self, token: &TokenDigest) -> Result<SemaphorePermit<'_>> {
        let known = lock(&self.good).contains_key(token);
        let lane = if known { &self.renewals } else { &self.questions };
        let busy = || Error::Unavailable("too many tokens wait to be checked".to_owned());
        let place = tokio::time::timeout(PATIENCE, lane.acquire()).await.map_err(|_| busy())?;
        place.map_err(|_| busy())
    }

    async fn ask(&self, digest: TokenDigest, token: &Secret) -> Result<Arc<TelegramCredentials>> {
        let answer = match self.place(&digest).await {
            Ok(_place) => self.behind.credentials(token).await,
            Err(busy) => Err(busy),
        };
        let now = self.clock.now();
        match answer {
            Ok(credentials) => {
                METRICS.fetched.increment(1);
                self.remember(digest, now, &credentials);
                Ok(credentials)
            }
            Err(error @ (Error::Unavailable(_) | Error::BadAnswer(_))) => {
                let Some(credentials) = self.answer(&digest, now, KEPT) else {
                    METRICS.unavailable.increment(1);
                    return Err(error);
                };
                METRICS.stale.increment(1);
                tracing::warn!(%error, "serving older credentials");
                Ok(credentials)
            }
            Err(error) => {
                METRICS.refused(&error);
                lock(&self.good).remove(&digest);
                if error == Error::InvalidToken {
                    lock(&self.refused).add(digest, now);
                }
                Err(error)
            }
        }
    }
}

#[async_trait]
impl<P: CredentialProvider> CredentialProvider for CachedCredentialProvider<P> {
    async fn credentials(&self, token: &Secret) -> Result<Arc<TelegramCredentials>> {
        let digest = digest(token);
        if let Some(answer) = self.remembered(&digest, self.clock.now()) {
            return answer;
        }
        let turn = self.turn(digest);
        let _mine = turn.turn.lock().await;
        match self.remembered(&digest, self.clock.now()) {
            Some(answer) => answer,
            None => self.ask(digest, token).await,
        }
    }

    async fn known(&self, token: &Secret) -> Option<Arc<TelegramCredentials>> {
        self.answer(&digest(token), self.clock.now(), KEPT)
    }

    async fn forget(&self, token: &Secret) {
        lock(&self.good).remove(&digest(token));
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
        assert!(lock(&cache.good).is_empty() && lock(&cache.asking).is_empty());
        clock.advance(REFUSED);
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

    #[tokio::test]
    async fn a_refused_token_is_asked_for_once_a_minute() {
        let (cache, clock, asked) =
            cache(vec![Err(Error::InvalidToken), Err(Error::InvalidToken), Ok(()), Ok(())]);
        for _ in 0..5 {
            assert_eq!(cache.credentials(&"a".into()).await, Err(Error::InvalidToken));
        }
        clock.advance(REFUSED - Duration::from_millis(1));
        assert_eq!(cache.credentials(&"a".into()).await, Err(Error::InvalidToken));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        clock.advance(Duration::from_millis(1));
        assert_eq!(cache.credentials(&"a".into()).await, Err(Error::InvalidToken));
        clock.advance(REFUSED);
        assert!(cache.credentials(&"a".into()).await.is_ok(), "it may have become good");
        assert_eq!(cache.known(&"a".into()).await.unwrap().user_id.as_str(), "user of a");
        assert!(cache.known(&"b".into()).await.is_none());
        assert_eq!(asked.load(Ordering::SeqCst), 3, "what is known is not asked for");
    }

    #[tokio::test]
    async fn a_user_without_telegram_may_set_it_up_at_once() {
        let (cache, _, _) = cache(vec![Err(Error::NotConfigured("not yet".to_owned())), Ok(())]);
        assert!(matches!(cache.credentials(&"a".into()).await, Err(Error::NotConfigured(_))));
        assert!(cache.credentials(&"a".into()).await.is_ok());
    }

    #[tokio::test]
    async fn guesses_are_forgotten_before_good_tokens() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let mut behind = MockCredentialProvider::new();
        behind.expect_credentials().returning(move |token| {
            counter.fetch_add(1, Ordering::SeqCst);
            if token.expose() == "good" { Ok(credentials_of(token)) } else { Err(Error::InvalidToken) }
        });
        let cache = CachedCredentialProvider::new(behind, Arc::new(ManualClock::default()));
        cache.credentials(&"good".into()).await.unwrap();
        for guess in 0..MOST + 5 {
            let guess = Secret::new(format!("guess {guess}"));
            assert_eq!(cache.credentials(&guess).await, Err(Error::InvalidToken));
        }
        cache.credentials(&"good".into()).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), MOST + 6);
        let refused = lock(&cache.refused);
        assert_eq!((refused.at.len(), refused.order.len()), (MOST, MOST));
        assert!(lock(&cache.asking).is_empty());
    }

    /// Answers only to those that it is told to.
    #[derive(Debug, Default)]
    struct Slow {
        asked: AtomicUsize,
        most: AtomicUsize,
        answer: tokio::sync::Notify,
    }

    #[async_trait]
    impl CredentialProvider for Arc<Slow> {
        async fn credentials(&self, token: &Secret) -> Result<Arc<TelegramCredentials>> {
            if token.expose() == "good" {
                return Ok(credentials_of(token));
            }
            let now = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            self.answer.notified().await;
            self.asked.fetch_sub(1, Ordering::SeqCst);
            Err(Error::InvalidToken)
        }

        async fn forget(&self, _: &Secret) {}
    }

    #[tokio::test]
    async fn a_flood_of_guesses_waits_and_good_tokens_do_not() {
        let (slow, clock) = (Arc::new(Slow::default()), ManualClock::default());
        let cache = Arc::new(CachedCredentialProvider::new(
            Arc::clone(&slow),
            Arc::new(clock.clone()) as Arc<dyn Clock>,
        ));
        cache.credentials(&"good".into()).await.unwrap();
        let guesses: Vec<_> = (0..100)
            .map(|guess| {
                let cache = Arc::clone(&cache);
                tokio::spawn(async move { cache.credentials(&Secret::new(format!("guess {guess}"))).await })
            })
            .collect();
        while slow.asked.load(Ordering::SeqCst) < QUESTIONS {
            tokio::task::yield_now().await;
        }
        cache.credentials(&"good".into()).await.unwrap();
        clock.advance(FRESH);
        cache.credentials(&"good".into()).await.expect("asked for again, past the guesses");
        while !guesses.iter().all(tokio::task::JoinHandle::is_finished) {
            slow.answer.notify_waiters();
            tokio::task::yield_now().await;
        }
        assert_eq!(slow.most.load(Ordering::SeqCst), QUESTIONS);
    }
}
