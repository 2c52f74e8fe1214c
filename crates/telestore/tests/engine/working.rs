//! The engine at work by itself, and how it stops.

use std::sync::Arc;

use telestore::Error;
use telestore::progress::{LocalProgressBus, ProgressBus};
use telestore::types::{ResumeState, UploadState, UploadStatus};
use tokio::sync::Notify;

use crate::support::{HOUR, World, config, id};

/// Waits for the end of an upload that runs in the background.
async fn finished(world: &World, name: &str) {
    let mut listener = world.engine.subscribe(&id(name));
    while world.progress(name).await.status == UploadStatus::Uploading {
        listener.next().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_running_engine_sends_what_is_completed() {
    let world = World::new();
    world.queue("before").await;
    let running = world.engine.start().await.unwrap();
    finished(&world, "before").await;
    world.queue("after").await;
    finished(&world, "after").await;
    running.shutdown().await;
    assert_eq!(world.uploader.sent().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_puts_a_send_back_into_the_queue_uncounted() {
    let world =
        World::with(|builder| builder.config(config().with(|config| config.max_concurrent_uploads = 1)));
    let started = Arc::new(Notify::new());
    let telling = Arc::clone(&started);
    world.uploader.then(move |call| async move {
        call.sink.checkpoint(ResumeState::new("script", *b"half")).await?;
        telling.notify_one();
        call.until_cancelled().await
    });
    world.queue("a").await;
    let running = world.engine.start().await.unwrap();
    started.notified().await;
    running.shutdown().await;

    let upload = world.stored("a").await;
    assert_eq!((upload.state, upload.attempt), (UploadState::Queued, 0));
    assert_eq!(upload.resume, Some(ResumeState::new("script", *b"half")));
    assert_eq!(world.uploader.attempts(), 1, "nothing new begins");
    assert!(matches!(world.engine.spool().await, Err(Error::ShuttingDown)));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_accepted_during_a_shutdown_is_recorded() {
    let world = World::new();
    let started = world.uploader.then_telling(|call| async move {
        call.request.cancel.cancelled().await;
        Ok(crate::uploader::stored(5))
    });
    world.queue("a").await;
    let running = world.engine.start().await.unwrap();
    started.notified().await;
    running.shutdown().await;
    assert_eq!(world.stored("a").await.state, UploadState::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_runner_outlives_a_store_that_fails_for_a_while() {
    let world =
        World::with(|builder| builder.config(config().with(|config| config.max_concurrent_uploads = 1)));
    world.sessions.hooks.fail("lease", 3);
    world.sessions.hooks.fail("next_due", 3);
    world.sessions.hooks.fail("outbox_lease", 3);
    world.sessions.hooks.fail("expire", 1);
    let running = world.engine.start().await.unwrap();
    world.queue("a").await;
    finished(&world, "a").await;
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_engine_stops_its_send_and_another_takes_it_over() {
    let world = World::new();
    let (started, dropped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    struct Told(Arc<Notify>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let (telling, told) = (Arc::clone(&started), Told(Arc::clone(&dropped)));
    world.uploader.then(move |call| async move {
        let _told = told;
        telling.notify_one();
        call.until_cancelled().await
    });
    world.queue("a").await;
    let running = world.engine.start().await.unwrap();
    started.notified().await;
    drop(running);
    dropped.notified().await;
    assert_eq!(world.drain().await, 0, "its lease still holds");
    world.clock.advance(HOUR);
    assert_eq!(world.drain().await, 1);
    assert_eq!(world.stored("a").await.state, UploadState::Completed);
}

#[tokio::test]
async fn a_send_that_is_quicker_than_its_completion_leaves_no_stale_progress() {
    let bus = LocalProgressBus::new();
    let world = World::with(|builder| builder.bus(bus.clone()));
    let engine = world.engine.clone();
    world.sessions.hooks.after("complete", async move {
        engine.step().await.unwrap();
    });
    let mut listener = world.engine.subscribe(&id("a"));
    world.queue("a").await;
    let mut seen = Vec::new();
    while let Some(event) = listener.next().await {
        seen.push(event.status);
    }
    assert_eq!(seen.last(), Some(&UploadStatus::Completed));
    assert_eq!(bus.latest(&id("a")).await, None, "nothing is left of what is over");
}
