//! Errors that may pass.

use std::time::Duration;

use telestore::Caller;
use telestore::types::{Outcome, UploadState, UploadStatus};
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
async fn a_wait_that_names_no_time_is_no_attempt_and_grows() {
    let world = World::new();
    let mut waits = Vec::new();
    for _ in 0..20 {
        world.uploader.then_fail(ErrorKind::FloodWait(Duration::ZERO), "slow down");
    }
    world.queue("a").await;
    for _ in 0..20 {
        assert_eq!(world.drain().await, 1);
        assert_eq!(world.stored("a").await.attempt, 0);
        let wait = world.progress("a").await.retry_after.unwrap();
        assert!(wait >= Duration::from_secs(1), "{wait:?}");
        world.clock.advance(wait);
        waits.push(wait.as_secs());
    }
    assert!(waits[3] < waits[10] && waits[10] < waits[19] && waits[19] > 30, "{waits:?}");
    assert_eq!(world.drain().await, 1);
    assert_eq!(world.stored("a").await.state, UploadState::Completed);
}

#[tokio::test]
async fn waits_end_with_the_age_of_an_upload() {
    for wait in [Duration::ZERO, Duration::from_secs(1), HOUR * 7] {
        let world = World::new();
        world.queue("a").await;
        let mut asked = 0;
        while world.stored("a").await.state != UploadState::Failed {
            asked += 1;
            assert!(asked < 100_000);
            world.uploader.then_fail(ErrorKind::FloodWait(wait), "slow down");
            world.clock.advance(world.progress("a").await.retry_after.unwrap_or_default().max(HOUR / 2));
            world.drain().await;
        }
        let error = world.stored("a").await.error.unwrap();
        assert!(error.starts_with("slow down. Tried for 2") && error.contains(" hours"), "{error}");
    }
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
    assert_eq!((upload.state, upload.outcome), (UploadState::Failed, Some(Outcome::GaveUp)));
    let error = upload.error.unwrap();
    assert!(error.starts_with("telegram is away. Tried for 25 hours"), "{error}");
    world.engine.complete(&upload.id, &Caller::nobody()).await.unwrap();
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
        assert_eq!(engine.progress(&id, &Caller::nobody()).await.unwrap().progress, 60);
        Ok(crate::uploader::stored(1))
    });
    world.queue("a").await;
    world.drain().await;
    assert_eq!(world.progress("a").await.progress, 60);
    world.clock.advance(HOUR);
    world.drain().await;
    assert_eq!(world.progress("a").await.progress, 100);
}
