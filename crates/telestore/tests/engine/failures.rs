//! Errors that do not pass, and those after which nobody knows.

use telestore::Caller;
use telestore::types::{Outcome, UploadState, UploadStatus};
use telestore::uploader::ErrorKind;

use crate::support::{HOUR, TOKEN, World, id};

#[tokio::test]
async fn a_permanent_error_fails_at_once_and_completing_again_sends() {
    let world = World::new();
    world.uploader.then_fail(ErrorKind::ChannelUnresolved, "Could not resolve channel ID");
    world.queue("a").await;
    world.drain().await;
    world.clock.advance(HOUR * 2);
    assert_eq!(world.drain().await, 0, "it is not tried again by itself");

    let failed = world.progress("a").await;
    assert_eq!(failed.status, UploadStatus::Failed);
    assert_eq!(world.stored("a").await.outcome, Some(Outcome::Refused));
    assert_eq!(failed.error.as_deref(), Some("Could not resolve channel ID"));
    assert_eq!(world.chunks.inner.blobs(), 1, "the chunks stay");

    world.engine.complete(&id("a"), &Caller::nobody()).await.unwrap();
    let again = world.progress("a").await;
    assert_eq!((again.status, again.progress, again.error), (UploadStatus::Uploading, 0, None));
    world.drain().await;
    assert_eq!(world.stored("a").await.state, UploadState::Completed);
}

#[tokio::test]
async fn refused_credentials_are_forgotten() {
    let world = World::new();
    world.uploader.then_fail(ErrorKind::NotAuthorized, "Telegram session not authorized");
    world.queue("a").await;
    world.drain().await;
    assert_eq!(*world.forgotten.lock().unwrap(), [TOKEN]);
    let failed = world.progress("a").await;
    assert_eq!(failed.error.as_deref(), Some("Telegram session not authorized"));
}

#[tokio::test]
async fn what_may_have_been_sent_is_never_sent_again_by_itself() {
    let world = World::new();
    world.uploader.then_fail(ErrorKind::AnswerLost, "the answer of telegram was lost");
    world.queue("a").await;
    world.drain().await;
    world.engine.recover().await.unwrap();
    world.clock.advance(HOUR * 30);
    assert_eq!(world.drain().await, 0);
    let error = world.progress("a").await.error.unwrap();
    assert!(error.contains("the answer of telegram was lost"), "{error}");
    assert!(error.contains("look there before you complete the upload again"), "{error}");

    world.engine.complete(&id("a"), &Caller::nobody()).await.unwrap();
    world.drain().await;
    assert_eq!(world.uploader.attempts(), 2, "a person has looked");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_written_down_even_when_the_store_fails_first() {
    let world = World::new();
    world.uploader.then_fail(ErrorKind::AnswerLost, "lost");
    world.queue("a").await;
    world.sessions.hooks.fail("checkpoint", 1);
    world.sessions.hooks.fail("fail", 2);
    world.drain().await;
    let failed = world.stored("a").await;
    assert_eq!((failed.state, failed.outcome), (UploadState::Failed, Some(Outcome::Ambiguous)));
    world.clock.advance(HOUR);
    assert_eq!(world.drain().await, 0);
    assert_eq!(world.uploader.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_cannot_be_written_at_first_does_not_send_the_file_again() {
    let world = World::new();
    world.queue("a").await;
    world.sessions.hooks.fail("finish", 3);
    world.drain().await;
    world.clock.advance(HOUR);
    world.drain().await;
    assert_eq!(world.uploader.attempts(), 1, "the message is in the channel");
    assert_eq!(world.stored("a").await.state, UploadState::Completed);
}

#[tokio::test]
async fn an_uploader_that_panics_fails_its_file_and_no_other() {
    let world = World::new();
    world.uploader.then(|_| async { panic!("a bug of the backend") });
    world.queue("a").await;
    world.queue("b").await;
    assert_eq!(world.drain().await, 2);
    let failed = world.stored("a").await;
    assert_eq!((failed.state, failed.outcome), (UploadState::Failed, Some(Outcome::Ambiguous)));
    assert!(failed.error.unwrap().contains("look there before you complete the upload again"));
    assert_eq!(world.stored("b").await.state, UploadState::Completed);
}
