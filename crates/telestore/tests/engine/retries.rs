//! Errors that may pass.

use std::time::Duration;

use telestore::types::{UploadState, UploadStatus};
use telestore::uploader::ErrorKind;

use crate::support::{HOUR, World};

#[tokio::test]
async fn a_temporary_error_waits_for_its_pause_and_counts_the_attempt() {
    let world = World::new();
    world.uploader.then_fail(ErrorKind::Unavailable, "telegram is away");
    world.queue("a").await;
    assert_eq!(world.drain().await, 1, "it is not due again at once");

    let upload = world.stored("a").await;
    assert_eq!((upload.state, upload.attempt), (UploadState::Queued, 1));
    assert!(upload.next_attempt_at.unwrap() > world.stored("a").await.queued_at.unwrap());
    assert_eq!(world.chunks.inner.blobs(), 1, "the chunks stay");
    let waiting = world.progress("a").await;
    assert_eq!((waiting.status, waiting.error), (UploadStatus::Uploading, None));
    assert!(waiting.retry_after.is_some());

    world.clock.advance(HOUR);
    assert_eq!(world.drain().await, 1);
    let upload = world.stored("a").await;
    assert_eq!((upload.state, upload.attempt), (UploadState::Completed, 2));
}

#[tokio::test]
async fn a_flood_wait_lasts_as_long_as_telegram_says_and_is_no_attempt() {
    let world = World::new();
    let wait = Duration::from_secs(1234);
    world.uploader.then_fail(ErrorKind::FloodWait(wait), "slow down");
    world.queue("a").await;
    assert_eq!(world.drain().await, 1);
    assert_eq!(world.stored("a").await.attempt, 0);
    assert_eq!(world.progress("a").await.retry_after, Some(wait));

    world.clock.advance(wait - Duration::from_millis(1));
    assert_eq!(world.drain().await, 0, "never earlier");
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(world.drain().await, 1);
    assert_eq!(world.stored("a").await.state, UploadState::Completed);
}

#[tokio::test]
async fn what_has_been_tried_for_too_long_fails_and_can_be_completed_again() {
    let world = World::new();
    for _ in 0..2 {
        world.uploader.then_fail(ErrorKind::Unavailable, "telegram is away");
    }
    world.queue("a").await;
    world.drain().await;
    world.clock.advance(HOUR * 25);
    world.drain().await;

    let upload = world.stored("a").await;
    assert_eq!(upload.state, UploadState::Failed);
    let error = upload.error.unwrap();
    assert!(error.starts_with("telegram is away. Tried for 25 hours"), "{error}");
    world.engine.complete(&upload.id, None).await.unwrap();
    world.drain().await;
    assert_eq!(world.stored("a").await.state, UploadState::Completed);
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_no_reason_to_give_up() {
    let world = World::new();
    world.queue("a").await;
    world.chunks.hooks.fail("read_at", 1);
    world.drain().await;
    assert_eq!(world.stored("a").await.state, UploadState::Queued);
    world.clock.advance(HOUR);
    world.drain().await;
    assert_eq!(world.uploader.sent().len(), 1);
}

#[tokio::test]
async fn progress_never_goes_back_between_attempts() {
    let world = World::new();
    world.uploader.then(|call| async move {
        call.sink.stage(telestore::types::Stage::Sending);
        call.sink.acknowledged(call.request.source.len() / 2);
        Err(telestore::uploader::Error::new(ErrorKind::Unavailable, "away"))
    });
    let engine = world.engine.clone();
    world.uploader.then(move |call| async move {
        let id = call.request.upload_id.clone();
        call.sink.stage(telestore::types::Stage::Connecting);
        assert_eq!(engine.progress(&id, None).await.unwrap().progress, 60);
        Ok(crate::uploader::stored(1))
    });
    world.queue("a").await;
    world.drain().await;
    assert_eq!(world.progress("a").await.progress, 60);
    world.clock.advance(HOUR);
    world.drain().await;
    assert_eq!(world.progress("a").await.progress, 100);
}
