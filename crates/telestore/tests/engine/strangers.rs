//! Clocks that are wrong, ids that come again, and uploads that nobody owns.

use std::sync::Arc;
use std::time::Duration;

use telestore::Caller;
use telestore::store::SessionStore;
use telestore::types::{
    ManualClock, Reading, ResumeState, SteadyClock, UploadKind, UploadState, UploadStatus,
};
use telestore::uploader::{Error, ErrorKind};
use tokio::sync::Notify;

use crate::support::{HOUR, SECOND, World, chunk_of, completed, file, id, queue_of, spooled, token, with};

#[tokio::test(start_paused = true)]
async fn a_wait_of_years_is_a_day_at_most_and_ends_with_the_age_of_the_upload() {
    for seconds in [u64::from(u32::MAX), u64::MAX] {
        let world = World::new();
        let wait = Duration::from_secs(seconds);
        for _ in 0..2 {
            world.uploader.then(move |_| async move { Err(Error::new(ErrorKind::FloodWait(wait), "wait")) });
        }
        queue_of(&world, "alice", "a").await;
        world.engine.step().await.unwrap();
        let waits = world.progress("a").await.retry_after.unwrap();
        assert!(waits <= HOUR * 24, "{waits:?}");
        world.clock.advance(HOUR * 24 + SECOND);
        world.engine.step().await.unwrap();
        assert_eq!(world.progress("a").await.status, UploadStatus::Failed, "the age of an upload is bounded");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancel_never_reaches_the_next_life_of_an_id() {
    let world = World::new();
    let goes = Arc::new(Notify::new());
    let waiting = Arc::clone(&goes);
    let started = world.uploader.then_telling(move |_| async move {
        waiting.notified().await;
        Err(Error::cancelled())
    });
    queue_of(&world, "alice", "a").await;
    let running = world.engine.start().await.unwrap();
    started.notified().await;
    let engine = world.engine.clone();
    let slow = tokio::spawn(async move { engine.cancel(&id("a"), &Caller::nobody()).await });
    tokio::task::yield_now().await;
    // It waits for the send; another cancel does not.
    world.engine.cancel(&id("a"), &Caller::nobody()).await.unwrap();
    world.engine.init(&file("a", 20, 2), &Caller::from(token("alice-1"))).await.unwrap();
    let bytes = spooled(&world.engine, &[1; 10]).await;
    let chunk = chunk_of(file("a", 20, 2), 0);
    world.engine.write_chunk(&chunk, bytes, &Caller::from(token("alice-1"))).await.unwrap();
    goes.notify_one();
    slow.await.unwrap().unwrap();
    let next = world.stored("a").await;
    assert_eq!((next.state, next.received_chunks), (UploadState::Receiving, 1));
    assert_eq!(world.chunks.inner.blobs(), 1, "its chunk is there");
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn uploads_that_nobody_owns_are_few_and_go_soon() {
    let world = with(|config| config.max_unowned = 10);
    for file_number in 0..100 {
        world.engine.init(&file(&format!("u{file_number}"), 10, 1), &Caller::nobody()).await.unwrap();
    }
    let there = telestore::store::Listing::first;
    assert_eq!(world.sessions.inner.list(&there(1000)).await.unwrap().len(), 10);
    // A client whose upload made room goes on all the same: its first chunk makes it again.
    let bytes = spooled(&world.engine, &[1; 10]).await;
    let chunk = chunk_of(file("u0", 10, 1), 0);
    world.engine.write_chunk(&chunk, bytes, &Caller::from(token("alice-1"))).await.unwrap();
    world.clock.advance(HOUR + SECOND);
    world.engine.sweep().await.unwrap();
    let left = world.sessions.inner.list(&there(1000)).await.unwrap();
    assert_eq!(left.iter().map(|upload| upload.id.as_str()).collect::<Vec<_>>(), ["u0"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_dies_is_started_again_and_told_of() {
    let world = World::new();
    world.sessions.hooks.after("lease", async { panic!("the store has a bad day") });
    let running = world.engine.start().await.unwrap();
    // The first look of the runner for work.
    tokio::time::sleep(SECOND / 2).await;
    let engine =
        world.engine.readiness().await.checks.into_iter().find(|check| check.name == "engine").unwrap();
    assert!(engine.wrong.is_some_and(|wrong| wrong.contains("uploads")));
    queue_of(&world, "alice", "a").await;
    assert!(completed(&world, "a").await < SECOND * 5, "it works again");
    running.shutdown().await;
}

/// An engine on the stores of `world` whose own clock runs beside a wall clock that is set to what it likes.
fn beside(world: &World, wall: &ManualClock) -> telestore::Telestore {
    let builder = crate::support::engine_on(
        world.sessions.clone(),
        world.chunks.clone(),
        &world.clock,
        &world.forgotten,
    );
    builder.clock(SteadyClock::beside(wall.clone())).uploader(world.uploader.clone()).build().unwrap()
}

#[tokio::test]
async fn a_wall_clock_that_is_wrong_sweeps_nothing_and_stalls_nothing() {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    let right = crate::support::NOW;
    // At the start and in the middle, ahead and behind.
    for (at_start, in_the_middle) in
        [(right, right + YEAR), (right + YEAR, right), (right - YEAR, right), (right, right - YEAR)]
    {
        let world = World::new();
        let wall = ManualClock::new(right);
        let first = beside(&world, &wall);
        first.recover().await.unwrap();
        crate::support::send_chunk(&first, &file("half", 20, 2), 0, &[1; 10]).await.unwrap();
        crate::support::queue(&first, "sent").await;
        first.step().await.unwrap();
        world.uploader.then_fail(ErrorKind::Unavailable, "Telegram is down");
        crate::support::queue(&first, "again").await;
        first.step().await.unwrap();
        world.sessions.inner.save_clock(Reading { at: right, wall: right }).await.unwrap();

        let wall = ManualClock::new(at_start);
        let second = beside(&world, &wall);
        second.recover().await.unwrap();
        second.sweep().await.unwrap();
        wall.set(in_the_middle);
        second.sweep().await.unwrap();
        assert_eq!(world.stored("half").await.received_chunks, 1);
        assert_eq!(world.stored("sent").await.state, UploadState::Completed);
        crate::support::queue(&second, "new").await;
        // What waits may be due by now, too: its pause is a random part of an hour.
        while second.step().await.unwrap() {}
        assert_eq!(world.stored("new").await.state, UploadState::Completed, "what is new goes at once");
        let waits =
            second.progress(&id("again"), &Caller::nobody()).await.unwrap().retry_after.unwrap_or_default();
        assert!(waits <= HOUR, "{waits:?}: as long as the pause was, and no longer");
    }
}

#[tokio::test]
async fn an_early_send_is_written_down_before_it_begins() {
    let world = World::new();
    world.queue("a").await;
    let upload = world.stored("a").await;
    let (earlier, now) =
        (telestore::types::WorkerId::new("one").unwrap(), telestore::types::Clock::now(&world.clock));
    let begin = async |upload: &telestore::types::Upload| {
        let sessions = &world.sessions.inner;
        sessions.begin_early(&upload.id, &upload.key, &earlier, now, now + SECOND).await.unwrap()
    };
    // An earlier process of another name. What it has is put in order once it is gone.
    assert!(!begin(&upload).await, "it is completed");
    let half = file("b", 20, 2);
    crate::support::send_chunk(&world.engine, &half, 0, &[1; 10]).await.unwrap();
    let upload = world.stored("b").await;
    assert!(begin(&upload).await);
    world.engine.recover().await.unwrap();
    assert_eq!(world.stored("b").await.crashes, 1);
    let state = ResumeState::new("script", [1]);
    assert!(world.sessions.inner.checkpoint_early(&upload.id, &upload.key, None, &state).await.unwrap());
}

#[tokio::test]
async fn what_kind_an_upload_is_stands_in_its_row_and_not_in_its_id() {
    let world = World::new();
    let name = format!("direct-{:032x}", 7);
    world.uploader.then_fail(ErrorKind::Rejected, "no");
    queue_of(&world, "alice", &name).await;
    world.engine.step().await.unwrap();
    let upload = world.stored(&name).await;
    assert_eq!((upload.kind, upload.state), (UploadKind::Chunked, UploadState::Failed));
    assert_eq!(world.chunks.inner.blobs(), 1, "its acknowledged chunk stays");
    world.engine.complete(&id(&name), &Caller::nobody()).await.unwrap();
    assert_eq!(world.drain().await, 1);
    assert_eq!(world.stored(&name).await.state, UploadState::Completed);
}
