//! Several runners, in one process and in two.

use std::sync::Arc;

use telestore::store::SessionStore;
use telestore::types::UploadState;
use telestore::uploader::ErrorKind;
use tokio::sync::Notify;

use crate::support::{HOUR, World};
use crate::uploader::{Scripted, stored};

#[tokio::test]
async fn a_runner_whose_lease_was_taken_over_cannot_record_anything() {
    for outcome in [Ok(stored(99)), Err(ErrorKind::Rejected), Err(ErrorKind::Unavailable)] {
        let world = World::new();
        let other = world.peer(Scripted::new());
        let clock = world.clock.clone();
        world.uploader.then(move |_| async move {
            clock.advance(HOUR);
            assert!(other.step().await.unwrap(), "the other one takes it over");
            outcome.map_err(|kind| telestore::uploader::Error::new(kind, "no"))
        });
        world.queue("a").await;
        world.drain().await;
        let upload = world.stored("a").await;
        assert_eq!((upload.state, upload.stored), (UploadState::Completed, Some(stored(1))));
        assert_eq!(upload.attempt, 2);
        assert!(world.uploader.withdrawn().is_empty(), "the message may be the other one's");
    }
}

#[tokio::test]
async fn a_runner_whose_lease_was_taken_over_cannot_check_point() {
    let world = World::new();
    let other = world.peer(Scripted::new());
    let clock = world.clock.clone();
    world.uploader.then(move |call| async move {
        clock.advance(HOUR);
        other.step().await.unwrap();
        let refused =
            call.sink.checkpoint(telestore::types::ResumeState::new("script", [1])).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Cancelled);
        Err(refused)
    });
    world.queue("a").await;
    world.drain().await;
    assert_eq!(world.stored("a").await.state, UploadState::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_held_for_as_long_as_a_send_takes() {
    let world = World::new();
    let (sessions, clock) = (world.sessions.clone(), world.clock.clone());
    world.uploader.then(move |_| async move {
        for _ in 0..60 {
            clock.advance(std::time::Duration::from_secs(5));
            tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        }
        let now = telestore::types::Clock::now(&clock);
        let other = telestore::types::WorkerId::new("other").unwrap();
        assert_eq!(sessions.lease(&other, now, now, &[]).await.unwrap(), None, "nobody else gets it");
        Ok(stored(1))
    });
    world.queue("a").await;
    world.drain().await;
    assert_eq!(world.stored("a").await.state, UploadState::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_send_that_has_lost_its_lease_is_told_to_stop() {
    let world = World::new();
    let other = world.peer(Scripted::new());
    let clock = world.clock.clone();
    world.uploader.then(move |call| async move {
        clock.advance(HOUR);
        other.step().await.unwrap();
        call.until_cancelled().await
    });
    world.queue("a").await;
    world.drain().await;
    assert_eq!(world.stored("a").await.stored, Some(stored(1)));
}

#[tokio::test]
async fn a_process_that_was_frozen_takes_nothing_over_from_itself() {
    let world = World::new();
    let let_go = Arc::new(Notify::new());
    let goes = Arc::clone(&let_go);
    world.uploader.then(move |_| async move {
        goes.notified().await;
        Ok(stored(7))
    });
    world.queue("a").await;
    let first = tokio::spawn({
        let engine = world.engine.clone();
        async move { engine.step().await }
    });
    while world.uploader.attempts() < 1 {
        tokio::task::yield_now().await;
    }
    // Its lease has run out by now, and it had no time to extend it.
    world.clock.advance(HOUR);
    assert!(!world.engine.step().await.unwrap(), "there is nothing to do for another runner");
    assert_eq!(world.uploader.attempts(), 1, "the file is not sent twice");
    let_go.notify_one();
    first.await.unwrap().unwrap();
    assert_eq!(world.stored("a").await.stored, Some(stored(7)));
}

#[tokio::test]
async fn uploads_are_sent_in_the_order_of_their_completion() {
    let world = World::new();
    for name in ["c", "a", "b"] {
        world.queue(name).await;
        world.clock.advance(std::time::Duration::from_millis(1));
    }
    world.drain().await;
    let order = [0, 1, 2].map(|attempt| world.uploader.request(attempt).upload_id);
    assert_eq!(order.each_ref().map(|id| id.as_str()), ["c", "a", "b"]);
}
