//! The Bot API backend when things go wrong.

mod common;
#[path = "bot_api/hostile.rs"]
mod hostile;
#[path = "bot_api/last_byte.rs"]
mod last_byte;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::{World, bot_api, bot_api_with};
use serde_json::json;
use telestore_sandbox::{Fault, FaultAction};
use telestore_types::{ByteSource, Secret, SendAs, SourceError};
use telestore_uploader::testsuite::{Recorder, bytes};
use telestore_uploader::{ErrorKind, TelegramUploader, Verdict};
use tokio::time::timeout;

const SEND: &str = "sendDocument";

/// More than the buffers of a connection take.
const LENGTH: usize = 24 * 1024 * 1024 + 5;

#[tokio::test]
async fn every_wait_is_given_back_at_once() {
    for seconds in [1, 3600] {
        let world = World::new().await;
        world.sandbox.faults().inject(Fault::flood_wait(SEND, seconds).once());
        let (uploader, file) = (bot_api(&world.sandbox), bytes(1, 1000));
        let error = world.fails(&uploader, &file).await;
        assert_eq!(world.sandbox.stats().calls(SEND), 1, "others have the place meanwhile");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(seconds.into())));
        assert_eq!(error.verdict(), Verdict::Temporary);
        world.sends_once(&uploader, &file).await;
    }
}

#[tokio::test]
async fn a_cancel_after_the_last_byte_waits_for_the_answer() {
    // How long the answer is waited for: it never comes, or soon enough on the slowest machine.
    for (fault, patience, expected) in [
        (Fault::new(SEND, FaultAction::Silence), 1, Err(ErrorKind::AnswerLost)),
        (Fault::new(SEND, FaultAction::Delay(Duration::from_millis(100))), 60, Ok(1)),
    ] {
        let world = World::new().await;
        let fault = world.sandbox.faults().inject(fault.once());
        let patience = Duration::from_secs(patience);
        let uploader = bot_api_with(&world.sandbox, |config| config.answer_timeout = patience);
        let request = world.request(&bytes(2, 1000));
        let cancel = request.cancel.clone();
        let stopper = async {
            world.sandbox.faults().wait_fired(fault, 1).await;
            cancel.cancel();
        };
        let both = async { tokio::join!(uploader.upload(request, Recorder::new()), stopper).0 };
        let ended = timeout(Duration::from_secs(120), both).await.unwrap();
        assert_eq!(ended.map(|_| world.messages().len()).map_err(|error| error.kind()), expected);
    }
}

/// A file that counts how often it is read.
#[derive(Debug, Default)]
struct Counted(AtomicUsize);

#[async_trait]
impl ByteSource for Counted {
    fn len(&self) -> u64 {
        1000
    }

    async fn read_at(&self, _: u64, length: usize) -> Result<Bytes, SourceError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(vec![0; length].into())
    }
}

#[tokio::test]
async fn a_cancelled_video_is_not_looked_into() {
    let world = World::new().await;
    let file = Arc::new(Counted::default());
    let mut request = world.request(&bytes(2, 1000));
    (request.source, request.send_as) = (file.clone(), SendAs::Video);
    request.cancel.cancel();
    let error = bot_api(&world.sandbox).upload(request, Recorder::new()).await.expect_err("it is cancelled");
    assert_eq!((error.kind(), file.0.load(Ordering::Relaxed)), (ErrorKind::Cancelled, 0));
}

#[tokio::test]
async fn a_message_can_be_taken_back() {
    let world = World::new().await;
    let uploader = bot_api(&world.sandbox);
    let stored = uploader.upload(world.request(&bytes(2, 1000)), Recorder::new()).await.unwrap();
    assert!(uploader.withdraw(&world.credentials(), &stored).await.unwrap());
    assert!(world.messages().is_empty());
    assert!(uploader.withdraw(&world.credentials(), &stored).await.unwrap(), "it is gone already");
}

#[tokio::test]
async fn a_connection_lost_within_the_body_is_temporary() {
    let world = World::new().await;
    world.sandbox.faults().inject(Fault::new(SEND, FaultAction::DropBodyAfter(100_000)).once());
    let error = world.fails(&bot_api(&world.sandbox), &bytes(4, LENGTH)).await;
    assert_eq!((error.kind(), error.verdict()), (ErrorKind::Unavailable, Verdict::Temporary));
    assert!(world.messages().is_empty());
}

#[tokio::test]
async fn a_lost_answer_is_ambiguous() {
    let world = World::new().await;
    world.sandbox.faults().inject(Fault::lose_answer(SEND).once());
    let error = world.fails(&bot_api(&world.sandbox), &bytes(5, 100_000)).await;
    assert_eq!((error.kind(), error.verdict()), (ErrorKind::AnswerLost, Verdict::Ambiguous));
    assert_eq!(world.messages().len(), 1, "and indeed it was sent");
}

#[tokio::test]
async fn an_answer_that_never_comes_ends_by_itself() {
    let world = World::new().await;
    world.sandbox.faults().inject(Fault::new(SEND, FaultAction::Silence).once());
    let uploader = bot_api_with(&world.sandbox, |config| config.answer_timeout = Duration::from_millis(200));
    assert_eq!(world.fails(&uploader, &bytes(6, 1000)).await.kind(), ErrorKind::AnswerLost);
}

#[tokio::test]
async fn a_body_that_nobody_takes_ends_by_itself() {
    let world = World::new().await;
    world.sandbox.faults().inject(Fault::new(SEND, FaultAction::NoExecuteSilence));
    let uploader = bot_api_with(&world.sandbox, |config| config.idle_timeout = Duration::from_millis(200));
    let error = world.fails(&uploader, &bytes(7, LENGTH)).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}

#[tokio::test]
async fn server_errors_are_never_permanent() {
    for status in [500, 502, 503, 504] {
        let world = World::new().await;
        let body = json!({"ok": false, "error_code": status, "description": "Bad Gateway"});
        world.sandbox.faults().inject(Fault::http_status(SEND, status, body).once());
        let uploader = bot_api(&world.sandbox);
        let error = world.fails(&uploader, &bytes(8, 1000)).await;
        assert_ne!(error.verdict(), Verdict::Permanent, "{error:?}");
    }
}

#[tokio::test]
async fn refusals_say_why() {
    let world = World::new().await;
    let uploader = bot_api(&world.sandbox);
    let answer =
        json!({"ok": false, "error_code": 400, "description": "Bad Request: message caption is too long"});
    world.sandbox.faults().inject(Fault::http_status(SEND, 400, answer).once());
    let error = world.fails(&uploader, &bytes(9, 1000)).await;
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.to_string().contains("caption is too long"), "{error}");
    let answer = json!({"ok": false, "error_code": 413, "description": "Request Entity Too Large"});
    world.sandbox.faults().inject(Fault::http_status(SEND, 413, answer).once());
    assert_eq!(world.fails(&uploader, &bytes(9, 1000)).await.kind(), ErrorKind::TooLarge);
    assert_eq!(world.fails(&uploader, &bytes(9, 0)).await.kind(), ErrorKind::Rejected);
    let small = bot_api_with(&world.sandbox, |config| config.max_bytes = 10);
    assert_eq!(world.fails(&small, &bytes(9, 11)).await.kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn a_bot_that_was_removed_has_no_channel() {
    let world = World::new().await;
    world.sandbox.remove_bot(&world.user.channel_id, &world.user);
    let error = world.fails(&bot_api(&world.sandbox), &bytes(10, 1000)).await;
    assert_eq!(error.to_string(), "Could not resolve channel ID");
}

#[tokio::test]
async fn a_token_cannot_change_the_path_and_is_never_shown() {
    let world = World::new().await;
    let uploader = bot_api(&world.sandbox);
    for token in ["123:nobody", "x/../y", "a?b", "a#b", ""] {
        let mut request = world.request(&bytes(11, 1000));
        let credentials = common::nobody(&world.user).with_bot(Secret::new(token));
        request.credentials = Arc::new(credentials);
        let error = uploader.upload(request, Recorder::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotAuthorized);
        assert!(token.is_empty() || !format!("{error:?} {error}").contains(token), "{error:?}");
    }
    let nobody = BotUrl::closed().await;
    let elsewhere = bot_api_with(&world.sandbox, |config| config.base_url = nobody.0.clone());
    let error = world.fails(&elsewhere, &bytes(11, 1000)).await;
    assert_eq!(error.verdict(), Verdict::Temporary);
    assert!(!format!("{error:?}").contains(&world.user.bot_token), "{error:?}");
}

/// An address where nobody listens.
struct BotUrl(String);

impl BotUrl {
    async fn closed() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self(format!("http://{}", listener.local_addr().unwrap()))
    }
}
