use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use telestore_types::{ChatId, ManualClock, Timestamp, UserId};
use tokio::time::advance;

use super::lane::{ADMITTED, LONGEST_PAUSE, QUESTIONS};
use super::memory::{KEPT, MOST, REFUSED};
use super::*;
use crate::MockCredentialProvider;

fn credentials_of(token: &Secret) -> Arc<TelegramCredentials> {
    let user = UserId::new(format!("user of {}", token.expose()));
    Arc::new(TelegramCredentials::new(user, ChatId::new("-1001").unwrap()))
}

/// A cache whose provider answers with these, one after the other.
fn cache(
    answers: Vec<Result<(), Error>>,
) -> (CachedCredentialProvider<MockCredentialProvider>, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let mut behind = MockCredentialProvider::new();
    behind.expect_credentials().returning(move |token| {
        let answer = answers[counter.fetch_add(1, Ordering::SeqCst)].clone();
        answer.map(|()| credentials_of(token))
    });
    behind.expect_forget().return_const(());
    (CachedCredentialProvider::new(behind, Arc::new(ManualClock::default())), asked)
}

#[tokio::test(start_paused = true)]
async fn asks_once_an_hour_and_token() {
    let (cache, asked) = cache(vec![Ok(()); 3]);
    for _ in 0..5 {
        assert_eq!(cache.credentials(&"a".into()).await.unwrap().user_id.as_str(), "user of a");
        assert_eq!(cache.credentials(&"b".into()).await.unwrap().user_id.as_str(), "user of b");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    advance(FRESH).await;
    cache.credentials(&"a".into()).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn an_older_answer_serves_while_the_backend_is_down() {
    let down = || Err(Error::Unavailable("down".to_owned()));
    let (cache, _) = cache(vec![Ok(()), down(), down(), down()]);
    cache.credentials(&"a".into()).await.unwrap();
    advance(FRESH).await;
    assert!(cache.credentials(&"a".into()).await.is_ok());
    assert!(
        matches!(cache.credentials(&"b".into()).await, Err(Error::Unavailable(_))),
        "never somebody else's"
    );
    advance(KEPT).await;
    assert!(matches!(cache.credentials(&"a".into()).await, Err(Error::Unavailable(_))), "not for ever");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_takes_the_answer_away() {
    let (cache, _) =
        cache(vec![Ok(()), Err(Error::InvalidToken), Err(Error::Unavailable("down".to_owned()))]);
    cache.credentials(&"a".into()).await.unwrap();
    advance(FRESH).await;
    assert_eq!(cache.credentials(&"a".into()).await, Err(Error::InvalidToken));
    assert!(cache.known(&"a".into()).await.is_none() && cache.0.asking().is_empty());
    advance(REFUSED).await;
    assert!(matches!(cache.credentials(&"a".into()).await, Err(Error::Unavailable(_))));
}

#[tokio::test(start_paused = true)]
async fn forgotten_credentials_are_asked_for_anew() {
    let (cache, asked) = cache(vec![Ok(()), Ok(())]);
    cache.credentials(&"a".into()).await.unwrap();
    cache.forget(&"a".into()).await;
    cache.credentials(&"a".into()).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn callers_at_the_same_time_share_one_question() {
    let (cache, asked) = cache(vec![Ok(())]);
    let token = Secret::new("a");
    let (one, two, three) =
        tokio::join!(cache.credentials(&token), cache.credentials(&token), cache.credentials(&token));
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_asked_for_once_a_minute() {
    let (cache, asked) = cache(vec![Err(Error::InvalidToken), Err(Error::InvalidToken), Ok(()), Ok(())]);
    for _ in 0..5 {
        assert_eq!(cache.credentials(&"a".into()).await, Err(Error::InvalidToken));
    }
    advance(REFUSED - Duration::from_millis(1)).await;
    assert_eq!(cache.credentials(&"a".into()).await, Err(Error::InvalidToken));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    advance(Duration::from_millis(1)).await;
    assert_eq!(cache.credentials(&"a".into()).await, Err(Error::InvalidToken));
    advance(REFUSED).await;
    assert!(cache.credentials(&"a".into()).await.is_ok(), "it may have become good");
    assert_eq!(cache.known(&"a".into()).await.unwrap().user_id.as_str(), "user of a");
    assert!(cache.known(&"b".into()).await.is_none());
    assert_eq!(asked.load(Ordering::SeqCst), 3, "what is known is not asked for");
}

#[tokio::test(start_paused = true)]
async fn a_user_without_telegram_may_set_it_up_at_once() {
    let (cache, _) = cache(vec![Err(Error::NotConfigured("not yet".to_owned())), Ok(())]);
    assert!(matches!(cache.credentials(&"a".into()).await, Err(Error::NotConfigured(_))));
    assert!(cache.credentials(&"a".into()).await.is_ok());
}

#[tokio::test(start_paused = true)]
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
    assert_eq!(cache.0.memory().refused(), (MOST, MOST));
    assert!(cache.0.asking().is_empty());
}

/// Hangs for ten seconds, as an HTTP client with a timeout does, over tokens whose name begins with `slow`, and over
/// all of them while it is silent.
#[derive(Debug, Default)]
struct Slow {
    silent: AtomicBool,
    asked: AtomicUsize,
    at_once: AtomicUsize,
    most: AtomicUsize,
}

const TIMEOUT: Duration = Duration::from_secs(10);

impl Slow {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }
}

#[async_trait]
impl CredentialProvider for Slow {
    async fn credentials(&self, token: &Secret) -> Result<Arc<TelegramCredentials>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if token.expose() == "panics" {
            panic!("a provider that dies");
        }
        if !token.expose().starts_with("slow") && !self.silent.load(Ordering::SeqCst) {
            return Ok(credentials_of(token));
        }
        self.most.fetch_max(self.at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        tokio::time::sleep(TIMEOUT).await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        Err(Error::Unavailable("operation timed out".to_owned()))
    }

    async fn forget(&self, _: &Secret) {}
}

type Cache = Arc<CachedCredentialProvider<Arc<Slow>>>;

fn slow_cache() -> (Arc<Slow>, Cache) {
    let slow = Arc::new(Slow::default());
    let cache = CachedCredentialProvider::new(Arc::clone(&slow), Arc::new(ManualClock::default()));
    (slow, Arc::new(cache))
}

/// How long an answer took, and what it was.
async fn timed(cache: &Cache, token: &str) -> (Duration, Outcome) {
    let began = Instant::now();
    let answer = cache.credentials(&token.into()).await;
    (began.elapsed(), answer)
}

#[tokio::test(start_paused = true)]
async fn a_silent_backend_does_not_hold_up_those_who_have_an_older_answer() {
    let (slow, cache) = slow_cache();
    cache.credentials(&"a".into()).await.unwrap();
    advance(FRESH).await;
    slow.silent(true);
    let callers = (0..5).map(|_| Arc::clone(&cache)).map(|cache| {
        tokio::spawn(async move {
            let mut took = Vec::new();
            for _ in 0..3 {
                let (time, answer) = timed(&cache, "a").await;
                answer.unwrap();
                took.push(time);
            }
            took
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        assert_eq!(caller.await.unwrap(), [GRACE, Duration::ZERO, Duration::ZERO]);
    }
    assert_eq!(slow.asked(), 2, "the first one, and one renewal for all");
    // Also while it is asked again and again.
    for _ in 0..60 {
        advance(Duration::from_secs(1)).await;
        let (took, answer) = timed(&cache, "a").await;
        answer.unwrap();
        assert!(took <= GRACE, "{took:?}");
    }
    assert!((4..=8).contains(&slow.asked()), "{} questions", slow.asked());
    slow.silent(false);
    advance(TIMEOUT * 2).await;
    cache.credentials(&"a".into()).await.unwrap();
    let asked = slow.asked();
    advance(FRESH / 2).await;
    cache.credentials(&"a".into()).await.unwrap();
    assert_eq!(slow.asked(), asked, "the renewal behind the caller counts");
}

#[tokio::test(start_paused = true)]
async fn callers_of_one_token_share_a_failure_and_it_holds_for_a_moment() {
    let (slow, cache) = slow_cache();
    let callers: Vec<_> = (0..4)
        .map(|_| Arc::clone(&cache))
        .map(|cache| tokio::spawn(async move { timed(&cache, "slow").await }))
        .collect();
    for caller in callers {
        let (took, answer) = caller.await.unwrap();
        assert_eq!((took, answer.is_err()), (TIMEOUT, true), "together, and not one after the other");
    }
    assert_eq!(slow.asked(), 1);
    assert_eq!(timed(&cache, "slow").await.0, Duration::ZERO, "a moment later");
    assert_eq!((slow.asked(), timed(&cache, "b").await.1.is_ok()), (1, true), "others are asked about");
    advance(LONGEST_PAUSE).await;
    assert_eq!(timed(&cache, "slow").await.0, TIMEOUT, "and then it is asked anew");
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_came_quickly_is_not_remembered() {
    let down = || Err(Error::Unavailable("connection refused".to_owned()));
    let (cache, asked) = cache(vec![down(), down(), down(), down(), down(), Ok(())]);
    for _ in 0..5 {
        assert!(cache.credentials(&"a".into()).await.is_err());
    }
    assert!(cache.credentials(&"a".into()).await.is_ok());
    assert_eq!(asked.load(Ordering::SeqCst), 6);
}

#[tokio::test(start_paused = true)]
async fn unknown_tokens_that_hang_take_no_place_of_known_ones_and_fail_at_once_after_a_while() {
    let (slow, cache) = slow_cache();
    cache.credentials(&"known".into()).await.unwrap();
    let guess = |number: usize| {
        let cache = Arc::clone(&cache);
        tokio::spawn(async move { timed(&cache, &format!("slow {number}")).await })
    };
    let guesses: Vec<_> = (0..200).map(guess).collect();
    while slow.at_once.load(Ordering::SeqCst) < QUESTIONS {
        tokio::task::yield_now().await;
    }
    advance(FRESH).await;
    for guess in guesses {
        let (took, answer) = guess.await.unwrap();
        assert!(answer.is_err() && took <= FRESH, "{took:?}");
    }
    advance(LONGEST_PAUSE).await;
    let more: Vec<_> = (200..400).map(guess).collect();
    tokio::task::yield_now().await;
    assert_eq!(timed(&cache, "known").await.0, Duration::ZERO, "renewed past the guesses");
    let mut took = Vec::new();
    for guess in more {
        took.push(guess.await.unwrap().0);
    }
    assert_eq!(took.iter().filter(|took| **took > Duration::ZERO).count(), 1, "one tries: {took:?}");
    assert!(slow.most.load(Ordering::SeqCst) <= QUESTIONS);
    // The backend is well again: the next one that tries opens the lane for all.
    advance(LONGEST_PAUSE).await;
    for newcomer in ["b", "c", "d"] {
        assert!(timed(&cache, newcomer).await.1.is_ok());
    }
    assert!(cache.0.asking().is_empty());
}

#[tokio::test(start_paused = true)]
async fn no_more_than_a_thousand_wait_and_none_for_long() {
    let (slow, cache) = slow_cache();
    let guesses: Vec<_> = (0..ADMITTED + 100)
        .map(|number| {
            let cache = Arc::clone(&cache);
            tokio::spawn(async move { timed(&cache, &format!("slow {number}")).await })
        })
        .collect();
    let mut at_once = 0;
    for guess in guesses {
        let (took, answer) = guess.await.unwrap();
        assert!(answer.is_err() && took <= TIMEOUT, "{took:?}");
        at_once += usize::from(took.is_zero());
    }
    assert_eq!((at_once, slow.asked()), (100, QUESTIONS));
}

#[tokio::test(start_paused = true)]
async fn a_question_goes_on_without_its_caller_and_one_that_dies_is_asked_again() {
    let (slow, cache) = slow_cache();
    let hung_up = timeout(Duration::from_secs(1), cache.credentials(&"slow".into())).await;
    assert!(hung_up.is_err());
    assert_eq!(timed(&cache, "slow").await.0, TIMEOUT - Duration::from_secs(1), "the same question");
    assert_eq!(slow.asked(), 1);
    for count in 2..4 {
        assert!(matches!(cache.credentials(&"panics".into()).await, Err(Error::Unavailable(_))));
        assert_eq!(slow.asked(), count);
    }
    assert!(cache.0.asking().is_empty());
    assert!(cache.credentials(&"b".into()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_provider_without_a_limit_of_its_own_is_given_up() {
    #[derive(Debug)]
    struct Endless;
    #[async_trait]
    impl CredentialProvider for Endless {
        async fn credentials(&self, _: &Secret) -> Result<Arc<TelegramCredentials>> {
            std::future::pending().await
        }
        async fn forget(&self, _: &Secret) {}
    }
    let cache = CachedCredentialProvider::with_freshness(Endless, FRESH);
    let answer = timeout(Duration::from_secs(31), cache.credentials(&"a".into())).await.expect("it ends");
    assert!(matches!(answer, Err(Error::Unavailable(_))));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_changes_nothing() {
    let clock = ManualClock::new(Timestamp::from_millis(1_763_790_000_000));
    let slow = Arc::new(Slow::default());
    let cache = CachedCredentialProvider::new(Arc::clone(&slow), Arc::new(clock.clone()));
    cache.credentials(&"a".into()).await.unwrap();
    clock.advance(KEPT * 365);
    cache.credentials(&"a".into()).await.unwrap();
    assert_eq!(slow.asked(), 1);
    advance(FRESH).await;
    cache.credentials(&"a".into()).await.unwrap();
    assert_eq!(slow.asked(), 2, "an hour is an hour");
}
