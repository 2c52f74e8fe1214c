//! A backend that is silent, slow or means no good.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use telestore_backend::{
    CachedCredentialProvider, CredentialProvider, Error, HttpConfig, HttpCredentialProvider,
    HttpWebhookSender, WebhookEvent, WebhookSender,
};
use telestore_sandbox::{Fault, FaultAction, HostileHttp, Sandbox, UserSpec};
use telestore_types::{Secret, StoredAs, StoredFile, StoredMessage, UserId};
use tokio::task::JoinSet;
use tokio::time::timeout;

const CREDENTIALS: &str = "backend.credentials";
const WEBHOOK: &str = "backend.webhook";

/// Longer than any of the calls may take here.
const SECONDS: Duration = Duration::from_secs(60);

fn config(sandbox: &Sandbox, timeout: Duration) -> HttpConfig {
    HttpConfig::new(sandbox.backend_url()).with_timeout(timeout)
}

fn hostile() -> Vec<FaultAction> {
    let answers = [
        HostileHttp::Trickle(100),
        HostileHttp::Endless,
        HostileHttp::Words(3_000_000),
        HostileHttp::Words(50_000),
        HostileHttp::Nested(1_000_000),
        HostileHttp::Nested(10_000),
        HostileHttp::Elements(1_000_000),
        HostileHttp::WrongTypes,
        HostileHttp::GzipOfGzip(16 << 20),
        HostileHttp::Redirect("http://127.0.0.1:1/".to_owned()),
        HostileHttp::RetryAfter(json!(u64::MAX)),
    ];
    let silence = [FaultAction::NoExecuteSilence, FaultAction::DropConnection];
    answers.map(FaultAction::HostileHttp).into_iter().chain(silence).collect()
}

fn few_words(error: &Error) {
    let said = error.to_string();
    assert!(said.len() < 400 && !said.contains(char::is_control), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_answered_about_a_token_ends_soon_and_others_are_let_in() {
    let sandbox = Sandbox::start().await.unwrap();
    let (user, other) = (sandbox.user(), sandbox.add_user(UserSpec::new("other")));
    let with = |timeout| HttpCredentialProvider::new(&config(&sandbox, timeout)).unwrap();
    let (provider, patient) = (with(Duration::from_secs(2)), with(SECONDS));
    let (token, others) = (Secret::new(&user.auth_token), Secret::new(&other.auth_token));
    for action in hostile() {
        sandbox.faults().inject(Fault::new(CREDENTIALS, action.clone()).user(&user.user_id).once());
        let both = async { tokio::join!(provider.credentials(&token), patient.credentials(&others)) };
        let (answer, others) = timeout(SECONDS, both).await.expect("within seconds");
        others.unwrap();
        let error = answer.expect_err("it makes no sense");
        few_words(&error);
        assert_ne!(error, Error::InvalidToken, "{action:?}");
    }
    patient.credentials(&token).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_answered_to_a_webhook_or_to_nobody_ends_soon() {
    let sandbox = Sandbox::start().await.unwrap();
    let config = config(&sandbox, Duration::from_secs(5));
    let (sender, provider) =
        (HttpWebhookSender::new(&config).unwrap(), HttpCredentialProvider::new(&config).unwrap());
    let message = StoredMessage::new(7, StoredAs::Mtproto { document_id: 7 }, 5);
    let event = WebhookEvent::new(UserId::new("u"), "a.bin", &StoredFile::new(message), 5, "text/plain");
    for action in hostile() {
        for at in [WEBHOOK, CREDENTIALS] {
            sandbox.faults().inject(Fault::new(at, action.clone()).once());
        }
        let both = async { tokio::join!(sender.send("event", &event), provider.reach()) };
        let (sent, reached) = timeout(SECONDS, both).await.expect("within seconds");
        // A good head is a good answer, whatever comes behind it.
        let good = sandbox.webhooks().last().is_some_and(|call| call.status == 200);
        assert_eq!(sent.is_ok(), good, "{action:?}: {sent:?}");
        for error in [sent, reached].into_iter().filter_map(Result::err) {
            few_words(&error);
        }
        sandbox.faults().clear();
    }
    sender.send("event", &event).await.unwrap();
    provider.reach().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_backend_does_not_hold_up_those_who_have_an_older_answer() {
    let sandbox = Sandbox::start().await.unwrap();
    let token = Secret::new(sandbox.user().auth_token);
    // With the timeout that the worker has, and answers that are old at once.
    let provider = HttpCredentialProvider::new(&HttpConfig::new(sandbox.backend_url())).unwrap();
    let cache = Arc::new(CachedCredentialProvider::with_freshness(provider, Duration::ZERO));
    cache.credentials(&token).await.unwrap();
    let silent = sandbox.faults().inject(Fault::new(CREDENTIALS, FaultAction::NoExecuteSilence));
    let mut callers = JoinSet::new();
    for _ in 0..5 {
        let (cache, token) = (Arc::clone(&cache), token.clone());
        callers.spawn(async move {
            for _ in 0..3 {
                cache.credentials(&token).await.unwrap();
            }
        });
    }
    timeout(Duration::from_secs(8), callers.join_all()).await.expect("long before the timeout");
    assert_eq!(sandbox.faults().fired(silent), 1, "one question for all of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_backend_fails_newcomers_together_and_lets_known_tokens_pass() {
    let sandbox = Sandbox::start().await.unwrap();
    let token = Secret::new(sandbox.user().auth_token);
    let provider = HttpCredentialProvider::new(&config(&sandbox, Duration::from_secs(6))).unwrap();
    let cache = Arc::new(CachedCredentialProvider::with_freshness(provider, Duration::ZERO));
    cache.credentials(&token).await.unwrap();
    let silent = sandbox.faults().inject(Fault::new(CREDENTIALS, FaultAction::NoExecuteSilence));
    let mut newcomers = JoinSet::new();
    for number in 0..4 * 200 {
        let (cache, newcomer) = (Arc::clone(&cache), Secret::new(format!("newcomer-{}", number / 4)));
        newcomers.spawn(async move { cache.credentials(&newcomer).await });
    }
    sandbox.faults().wait_fired(silent, 1).await;
    timeout(Duration::from_secs(5), cache.credentials(&token)).await.expect("meanwhile").unwrap();
    for answer in timeout(SECONDS, newcomers.join_all()).await.expect("not one after the other") {
        assert!(matches!(answer, Err(Error::Unavailable(_))));
    }
    // Sixteen ask at a time, it takes three failures to know that all will fail, and one asked for the known token.
    let asked = sandbox.faults().fired(silent);
    assert!(asked <= 16 + 2 + 1, "{asked} questions");
}
