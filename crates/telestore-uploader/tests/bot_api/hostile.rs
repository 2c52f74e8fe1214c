//! A Bot API server that means no good: each attempt ends, soon and with few words, and others go on.

use std::time::Duration;

use serde_json::json;
use telestore_sandbox::{Fault, FaultAction, HostileHttp, Sandbox, UserSpec};
use telestore_uploader::testsuite::{Recorder, bytes};
use telestore_uploader::{BotApiUploader, Error, ErrorKind, TelegramUploader, Verdict};
use tokio::time::timeout;

use super::SEND;
use super::common::{World, bot_api, bot_api_with, credentials_of};

/// Longer than any of the attempts may take here.
const SECONDS: Duration = Duration::from_secs(60);

fn impatient(sandbox: &Sandbox) -> BotApiUploader {
    bot_api_with(sandbox, |config| config.answer_timeout = Duration::from_secs(2))
}

fn answers() -> Vec<(HostileHttp, ErrorKind)> {
    let day = ErrorKind::FloodWait(Duration::from_secs(24 * 60 * 60));
    let unsaid = ErrorKind::FloodWait(Duration::ZERO);
    vec![
        (HostileHttp::Trickle(100), ErrorKind::AnswerLost),
        (HostileHttp::Endless, ErrorKind::AnswerLost),
        (HostileHttp::Words(3_000_000), ErrorKind::Rejected),
        (HostileHttp::Words(50_000), ErrorKind::Rejected),
        (HostileHttp::Nested(1_000_000), ErrorKind::AnswerLost),
        (HostileHttp::Nested(10_000), ErrorKind::AnswerLost),
        (HostileHttp::Elements(1_000_000), ErrorKind::AnswerLost),
        (HostileHttp::WrongTypes, ErrorKind::AnswerLost),
        (HostileHttp::GzipOfGzip(16 << 20), ErrorKind::AnswerLost),
        (HostileHttp::Redirect("http://127.0.0.1:1/".to_owned()), ErrorKind::Rejected),
        (HostileHttp::RetryAfter(json!(u64::MAX)), day),
        (HostileHttp::RetryAfter(json!(1e300)), day),
        (HostileHttp::RetryAfter(json!(-1)), unsaid),
        (HostileHttp::RetryAfter(json!(0)), unsaid),
        (HostileHttp::RetryAfter(json!("soon")), unsaid),
        (HostileHttp::RetryAfter(json!({"seconds": 9})), unsaid),
    ]
}

fn few_words(error: &Error) {
    let said = format!("{error}");
    assert!(said.len() < 400 && !said.contains(char::is_control), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_answered_to_a_file_ends_soon_and_others_go_on() {
    let world = World::new().await;
    let (uploader, patient) = (impatient(&world.sandbox), bot_api(&world.sandbox));
    let other = world.sandbox.add_user(UserSpec::new("other"));
    for (count, (answer, expected)) in answers().into_iter().enumerate() {
        let fault = Fault::hostile_http(SEND, answer.clone()).user(&world.user.user_id).once();
        world.sandbox.faults().inject(fault);
        let request = world.request(&bytes(1, 100_000));
        let mut others = world.request(&bytes(2, 100_000));
        others.credentials = credentials_of(&other).into();
        let both = async {
            tokio::join!(uploader.upload(request, Recorder::new()), patient.upload(others, Recorder::new()))
        };
        let (ended, others) = timeout(SECONDS, both).await.expect("within seconds");
        let error = ended.expect_err("nothing was sent");
        assert_eq!(error.kind(), expected, "{answer:?}: {error:?}");
        few_words(&error);
        others.unwrap();
        assert_eq!(world.sandbox.messages_of(&other).len(), count + 1);
    }
    assert!(world.messages().is_empty());
}

#[tokio::test]
async fn whatever_is_answered_to_other_calls_ends_soon() {
    let world = World::new().await;
    let uploader = impatient(&world.sandbox);
    let stored = uploader.upload(world.request(&bytes(1, 1000)), Recorder::new()).await.unwrap();
    let mut actions: Vec<_> =
        answers().into_iter().map(|(answer, _)| FaultAction::HostileHttp(answer)).collect();
    actions.push(FaultAction::NoExecuteSilence);
    for action in actions {
        for at in ["getMe", "getChat", "deleteMessage"] {
            world.sandbox.faults().inject(Fault::new(at, action.clone()).once());
        }
        let credentials = world.credentials();
        let withdrawn = timeout(SECONDS, uploader.withdraw(&credentials, &stored)).await;
        match withdrawn.expect("within seconds") {
            Ok(gone) => assert!(!gone, "{action:?}"),
            Err(error) => few_words(&error),
        }
        // One of them after the other is answered so.
        for _ in 0..2 {
            let checked = timeout(SECONDS, uploader.check(&credentials)).await;
            if let Err(error) = checked.expect("within seconds") {
                few_words(&error);
                assert_ne!(error.verdict(), Verdict::Ambiguous, "{action:?}: {error:?}");
            }
        }
        uploader.check(&credentials).await.unwrap();
    }
    assert!(uploader.withdraw(&world.credentials(), &stored).await.unwrap());
}
