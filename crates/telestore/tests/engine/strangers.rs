//! Servers that answer nothing, clients that go away, clocks that are wrong: and everybody else's files go through.

use std::sync::Arc;
use std::time::Duration;

use telestore::EngineConfig;
use telestore::store::SessionStore;
use telestore::types::{
    Clock, FileName, ManualClock, Reading, ResumeState, SteadyClock, UploadKind, UploadState, UploadStatus,
};
use telestore::uploader::{Error, ErrorKind};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::support::{BODY, HOUR, World, chunk_of, config, file, id, spooled, token};
use crate::uploader::stored;

const SECOND: Duration = Duration::from_secs(1);

/// Has a file of `user` taken in and completed.
async fn queue_of(world: &World, user: &str, name: &str) {
    let token = token(&format!("{user}-1"));
    let bytes = spooled(&world.engine, BODY).await;
    let chunk = chunk_of(file(name, BODY.len() as u64, 1), 0);
    world.engine.write_chunk(&chunk, bytes, Some(&token)).await.unwrap();
    world.engine.complete(&id(name), Some(&token)).await.unwrap();
}

/// How long it takes until an upload is in the channel.
async fn completed(world: &World, name: &str) -> Duration {
    let began = Instant::now();
    while world.stored(name).await.state != UploadState::Completed {
        tokio::time::sleep(SECOND / 10).await;
        assert!(began.elapsed() < HOUR, "never");
    }
    began.elapsed()
}

async fn began(world: &World, attempts: usize) {
    while world.uploader.attempts() < attempts {
        tokio::time::sleep(SECOND / 10).await;
    }
}

fn with(change: impl FnOnce(EngineConfig) -> EngineConfig) -> World {
    World::with(|builder| builder.config(change(config())))
}

#[tokio::test(start_paused = true)]
async fn one_users_dead_servers_hold_up_nobody_else() {
    let world = with(|config| EngineConfig { max_concurrent_uploads: 4, ..config });
    for file in 0..6 {
        if file < 4 {
            world.uploader.then(|call| call.until_cancelled());
        }
        queue_of(&world, "mallory", &format!("m{file}")).await;
    }
    let running = world.engine.start().await.unwrap();
    began(&world, 4).await;
    // All slots are one user's.
    world.uploader.then(|call| async move {
        call.sink.acknowledged(1);
        Ok(stored(1))
    });
    queue_of(&world, "alice", "a").await;
    let mine = world.uploader.attempts();
    assert!(completed(&world, "a").await < SECOND, "nobody waits behind another's files");
    assert_eq!((mine, world.uploader.attempts()), (4, 5));
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn many_users_dead_servers_hold_up_nobody_for_long() {
    let world = with(|config| EngineConfig { max_concurrent_uploads: 2, ..config });
    for user in 0..20 {
        world.uploader.then(|call| call.until_cancelled());
        queue_of(&world, &format!("mallory{user}"), &format!("m{user}")).await;
    }
    let running = world.engine.start().await.unwrap();
    began(&world, 3).await;
    // Those before it in the queue begin first; each batch of them lends its slots after five seconds, and goes after
    // some more.
    queue_of(&world, "alice", "z").await;
    let took = completed(&world, "z").await;
    assert!(took < SECOND * 60, "{took:?}");
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn servers_that_take_a_little_every_few_seconds_hold_up_nobody() {
    let world = with(|config| EngineConfig { max_concurrent_uploads: 2, ..config });
    for _ in 0..100 {
        world.uploader.then(|call| async move {
            if !call.request.upload_id.as_str().starts_with('m') {
                return Ok(stored(1));
            }
            // Just often enough to seem alive, and for hours.
            for bytes in 1..10_000 {
                call.sink.acknowledged(bytes);
                tokio::select! {
                    () = tokio::time::sleep(SECOND * 4) => {}
                    () = call.request.cancel.cancelled() => return Err(Error::cancelled()),
                }
            }
            Ok(stored(1))
        });
    }
    for number in 0..12 {
        // Four files of the first, two of the next, and others with one each.
        let user = ["m0", "m0", "m0", "m0", "m1", "m1", "m2", "m3", "m4", "m5", "m6", "m7"][number];
        queue_of(&world, user, &format!("m{number}")).await;
    }
    let running = world.engine.start().await.unwrap();
    began(&world, 4).await;
    queue_of(&world, "alice", "z").await;
    let took = completed(&world, "z").await;
    assert!(took < SECOND * 70, "{took:?}");
    queue_of(&world, "bob", "y").await;
    assert!(completed(&world, "y").await < SECOND * 70);
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn answers_that_never_come_hold_up_nobody() {
    let world = with(|config| EngineConfig { max_concurrent_uploads: 2, ..config });
    for user in 0..5 {
        for file in 0..4 {
            world.uploader.then(|call| async move {
                call.sink.commit(None).await?;
                std::future::pending().await
            });
            queue_of(&world, &format!("mallory{user}"), &format!("m{user}{file}")).await;
        }
    }
    let running = world.engine.start().await.unwrap();
    began(&world, 20).await;
    queue_of(&world, "alice", "z").await;
    assert!(completed(&world, "z").await < SECOND);
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_dies_after_it_handed_the_file_over_is_not_repeated() {
    let world = World::new();
    world.uploader.then(|call| async move {
        call.sink.commit(None).await?;
        Err(Error::new(ErrorKind::Unavailable, "no"))
    });
    // While its end is written down.
    world.sessions.hooks.after("checkpoint", async { panic!("the store has a bad day") });
    queue_of(&world, "alice", "a").await;
    let running = world.engine.start().await.unwrap();
    let failed = async {
        while world.stored("a").await.state != UploadState::Failed {
            tokio::time::sleep(SECOND).await;
        }
    };
    assert!(tokio::time::timeout(HOUR, failed).await.is_ok());
    assert!(world.stored("a").await.maybe_sent);
    assert_eq!(world.uploader.attempts(), 1);
    drop(running);
}

#[tokio::test]
async fn what_telegram_refused_as_a_whole_may_go_another_way_and_be_repeated_there() {
    use crate::uploader::Scripted;
    let first = Scripted::with("whole", 1_000, telestore::uploader::Requirement::Nothing);
    let second = Scripted::with("parts", u64::MAX, telestore::uploader::Requirement::Nothing);
    first.then(|call| async move {
        call.sink.commit(None).await?;
        Err(Error::new(ErrorKind::TooLarge, "file is too big"))
    });
    second.then(|_| async { std::future::pending().await });
    let (whole, parts) = (first.clone(), second.clone());
    let world = World::sending_with(first, |builder| builder.uploader(whole).uploader(parts));
    queue_of(&world, "alice", "a").await;
    let engine = world.engine.clone();
    let sending = tokio::spawn(async move { engine.step().await });
    while second.attempts() < 1 {
        tokio::task::yield_now().await;
    }
    assert!(!world.stored("a").await.maybe_sent, "Telegram has said no");
    // A kill now is no reason to ask a person.
    sending.abort();
    let next = world.second_engine(second.clone());
    next.recover().await.unwrap();
    assert_eq!(world.stored("a").await.state, UploadState::Queued);
}

#[tokio::test(start_paused = true)]
async fn hostile_withdrawals_leave_places_for_webhooks() {
    let told = HangsFor("nobody", Arc::default());
    let world = World::telling(told.clone());
    // Each of them hangs in its first word to the store.
    world.sessions.hooks.hang("outbox_retry");
    for user in 0..6 {
        for message in 0..20 {
            let withdrawal = telestore::store::NewEvent {
                event_id: format!("{user}-{message}"),
                kind: telestore::store::OutboxKind::Withdrawal,
                user_id: Some(telestore::types::UserId::new(format!("mallory{user}"))),
                sealed_token: None,
                body: "{}".to_owned(),
            };
            world.sessions.inner.add_event(&id("gone"), &withdrawal, world.clock.now()).await.unwrap();
        }
    }
    let running = world.engine.start().await.unwrap();
    queue_of(&world, "alice", "z").await;
    let began = Instant::now();
    while told.1.lock().unwrap().is_empty() {
        tokio::time::sleep(SECOND / 10).await;
        assert!(began.elapsed() < SECOND * 5, "the webhook waits behind them");
    }
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn orderly_stops_do_not_count_against_a_file() {
    let world = World::new();
    for _ in 0..8 {
        world.uploader.then(|call| async move {
            call.sink.acknowledged(3);
            // A bot's send, which gets the grace of the stop to end.
            std::future::pending().await
        });
    }
    queue_of(&world, "alice", "a").await;
    for stop in 1..=8 {
        let engine = world.second_engine(world.uploader.clone());
        let running = engine.start().await.unwrap();
        began(&world, stop).await;
        let grace = tokio::time::timeout(SECOND, running.shutdown());
        tokio::pin!(grace);
        let _ = (&mut grace).await;
        engine.give_back_sends().await;
        let upload = world.stored("a").await;
        assert_eq!((upload.state, upload.crashes), (UploadState::Queued, 0), "{stop}");
    }
    assert_eq!(world.drain().await, 1);
    assert_eq!(world.stored("a").await.state, UploadState::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_send_of_which_nothing_is_acknowledged_gives_its_slot_back() {
    let stall_timeout = SECOND * 120;
    let world = with(|config| EngineConfig { stall_timeout, ..config });
    world.uploader.then(|call| async move {
        // Waits that Telegram asks for are no progress.
        for _ in 0..HOUR.as_secs() {
            call.sink.flood_wait(SECOND);
            tokio::select! {
                () = tokio::time::sleep(SECOND) => {}
                () = call.request.cancel.cancelled() => return Err(Error::cancelled()),
            }
        }
        Ok(stored(1))
    });
    queue_of(&world, "mallory", "m").await;
    let began_at = Instant::now();
    assert!(world.engine.step().await.unwrap());
    assert!(began_at.elapsed() <= stall_timeout + SECOND * 2);
    let upload = world.stored("m").await;
    assert_eq!((upload.state, upload.attempt), (UploadState::Queued, 1), "it counts as an attempt");
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_does_not_stop_is_dropped_unless_it_has_handed_the_file_over() {
    for handed_over in [false, true] {
        let world = with(|config| EngineConfig { stall_timeout: SECOND * 10, ..config });
        world.uploader.then(move |call| async move {
            if handed_over {
                call.sink.commit(None).await?;
            }
            tokio::time::sleep(SECOND * 600).await;
            Ok(stored(9))
        });
        queue_of(&world, "alice", "a").await;
        let began_at = Instant::now();
        world.engine.step().await.unwrap();
        let upload = world.stored("a").await;
        if handed_over {
            assert_eq!(upload.stored, Some(stored(9)), "its answer was heard out");
        } else {
            assert_eq!(upload.state, UploadState::Queued);
            assert!(began_at.elapsed() < SECOND * 12);
        }
    }
}

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
async fn what_was_handed_over_when_the_process_ended_is_not_sent_again() {
    let world = World::new();
    let handed_over = Arc::new(Notify::new());
    let telling = Arc::clone(&handed_over);
    world.uploader.then(move |call| async move {
        call.sink.commit(None).await?;
        telling.notify_one();
        std::future::pending().await
    });
    queue_of(&world, "alice", "a").await;
    let running = world.engine.start().await.unwrap();
    handed_over.notified().await;
    drop(running);
    let next = world.second_engine(world.uploader.clone());
    next.recover().await.unwrap();
    assert!(!next.step().await.unwrap(), "nothing is due");
    let upload = world.stored("a").await;
    assert_eq!((upload.state, upload.maybe_sent), (UploadState::Failed, true));
    assert!(upload.error.unwrap().contains("may be in the channel already"));
    let operator = next.operator();
    assert!(operator.retry(&id("a"), false).await.is_err(), "an operator has to say so");
    assert_eq!(operator.retry(&id("a"), true).await.unwrap().state, UploadState::Queued);
}

#[tokio::test]
async fn nothing_is_handed_over_under_a_lease_that_is_lost() {
    let world = World::new();
    let other = world.second_engine(crate::uploader::Scripted::new());
    let clock = world.clock.clone();
    world.uploader.then(move |call| async move {
        clock.advance(HOUR);
        other.step().await.unwrap();
        let refused = call.sink.commit(None).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Cancelled);
        Err(refused)
    });
    world.queue("a").await;
    world.drain().await;
    assert_eq!(world.stored("a").await.state, UploadState::Completed);
    assert!(!world.stored("a").await.maybe_sent);
}

#[tokio::test(start_paused = true)]
async fn a_direct_upload_whose_client_was_told_that_it_is_kept_is_kept() {
    let world = World::new();
    world.uploader.then(|call| call.until_cancelled());
    for _ in 0..2 {
        world.uploader.then_fail(ErrorKind::Unavailable, "Telegram is down");
    }
    let engine = world.engine.clone();
    let running = world.engine.start().await.unwrap();
    let client = tokio::spawn(async move {
        let bytes = spooled(&engine, BODY).await;
        engine.upload(FileName::new("notes.txt").unwrap(), None, bytes, Some(&token("alice-1"))).await
    });
    began(&world, 1).await;
    running.shutdown().await;
    let told = client.await.unwrap().unwrap_err().to_string();
    assert!(told.contains("the file is kept"), "{told}");
    let [upload] = &world.sessions.inner.list(&listing()).await.unwrap()[..] else { panic!() };
    assert_eq!(upload.kind, UploadKind::Kept, "it was written down before");

    // Telegram is still down after the restart, and longer than a client would wait.
    let next = world.second_engine(world.uploader.clone());
    next.recover().await.unwrap();
    for _ in 0..2 {
        world.clock.advance(HOUR * 2);
        assert!(next.step().await.unwrap());
    }
    world.clock.advance(HOUR * 2);
    assert!(next.step().await.unwrap(), "it is still there");
    assert_eq!(world.uploader.sent(), [BODY]);
}

fn listing() -> telestore::store::Listing {
    telestore::store::Listing { limit: 9, ..Default::default() }
}

#[tokio::test(start_paused = true)]
async fn a_direct_upload_whose_client_hung_up_is_kept() {
    for at in ["create", "record_chunk", "complete", "lease"] {
        let world = World::new();
        let (reached, go_on) = world.sessions.hooks.halt(at);
        let engine = world.engine.clone();
        let caller = tokio::spawn(async move {
            let bytes = spooled(&engine, BODY).await;
            engine.upload(FileName::new("notes.txt").unwrap(), None, bytes, Some(&token("alice-1"))).await
        });
        let running = world.engine.start().await.unwrap();
        reached.notified().await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        world.uploader.then_fail(ErrorKind::Unavailable, "Telegram is down");
        go_on.notify_one();
        let kept = async {
            loop {
                let uploads = world.sessions.inner.list(&listing()).await.unwrap();
                if uploads.first().is_some_and(|upload| upload.kind == UploadKind::Kept) {
                    return;
                }
                tokio::time::sleep(SECOND / 10).await;
            }
        };
        assert!(tokio::time::timeout(HOUR, kept).await.is_ok(), "it went away at {at}");
        drop(running);
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
    let slow = tokio::spawn(async move { engine.cancel(&id("a"), None).await });
    tokio::task::yield_now().await;
    // It waits for the send; another cancel does not.
    world.engine.cancel(&id("a"), None).await.unwrap();
    world.engine.init(&file("a", 20, 2), Some(&token("alice-1"))).await.unwrap();
    let bytes = spooled(&world.engine, &[1; 10]).await;
    let chunk = chunk_of(file("a", 20, 2), 0);
    world.engine.write_chunk(&chunk, bytes, Some(&token("alice-1"))).await.unwrap();
    goes.notify_one();
    slow.await.unwrap().unwrap();
    let next = world.stored("a").await;
    assert_eq!((next.state, next.received_chunks), (UploadState::Receiving, 1));
    assert_eq!(world.chunks.inner.blobs(), 1, "its chunk is there");
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_taken_back_until_it_is_gone_also_by_the_next_process() {
    let world = World::new();
    let started = world.uploader.then_telling(|call| async move {
        call.request.cancel.cancelled().await;
        // It was accepted before.
        Ok(stored(5))
    });
    world.uploader.refuse_to_withdraw(3);
    queue_of(&world, "alice", "a").await;
    let running = world.engine.start().await.unwrap();
    started.notified().await;
    world.sessions.hooks.fail("finish", 0);
    let key = world.stored("a").await.key;
    // As an operator's command beside the worker: the send hears of it with its next word to the store.
    world.sessions.inner.cancel(&id("a"), &key, world.clock.now()).await.unwrap();
    while world.uploader.withdrawals() < 1 {
        tokio::time::sleep(SECOND).await;
    }
    drop(running);
    assert!(world.uploader.withdrawn().is_empty());
    let next = world.second_engine(world.uploader.clone());
    let running = next.start().await.unwrap();
    while world.uploader.withdrawn().is_empty() {
        world.clock.advance(SECOND * 10);
        tokio::time::sleep(SECOND).await;
    }
    assert_eq!(world.uploader.withdrawn(), [5]);
    running.shutdown().await;
    assert_eq!(world.sessions.outbox_next_due().await.unwrap(), None, "that is done");
}

#[tokio::test(start_paused = true)]
async fn uploads_that_nobody_owns_are_few_and_go_soon() {
    let world = with(|config| EngineConfig { max_unowned: 10, ..config });
    for file_number in 0..100 {
        world.engine.init(&file(&format!("u{file_number}"), 10, 1), None).await.unwrap();
    }
    let there = |limit| telestore::store::Listing { limit, ..Default::default() };
    assert_eq!(world.sessions.inner.list(&there(1000)).await.unwrap().len(), 10);
    // A client whose upload made room goes on all the same: its first chunk makes it again.
    let bytes = spooled(&world.engine, &[1; 10]).await;
    let chunk = chunk_of(file("u0", 10, 1), 0);
    world.engine.write_chunk(&chunk, bytes, Some(&token("alice-1"))).await.unwrap();
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
        let waits = second.progress(&id("again"), None).await.unwrap().retry_after.unwrap_or_default();
        assert!(waits <= HOUR, "{waits:?}: as long as the pause was, and no longer");
    }
}

#[tokio::test]
async fn an_early_send_is_written_down_before_it_begins() {
    let world = World::new();
    world.queue("a").await;
    let upload = world.stored("a").await;
    assert!(!world.sessions.inner.begin_early(&upload.id, &upload.key).await.unwrap(), "it is completed");
    let half = file("b", 20, 2);
    crate::support::send_chunk(&world.engine, &half, 0, &[1; 10]).await.unwrap();
    let upload = world.stored("b").await;
    assert!(world.sessions.inner.begin_early(&upload.id, &upload.key).await.unwrap());
    world.engine.recover().await.unwrap();
    assert_eq!(world.stored("b").await.crashes, 1);
    let state = ResumeState(vec![1]);
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
    world.engine.complete(&id(&name), None).await.unwrap();
    assert_eq!(world.drain().await, 1);
    assert_eq!(world.stored(&name).await.state, UploadState::Completed);
}

#[tokio::test]
async fn a_direct_upload_that_cannot_be_queued_leaves_nothing_behind() {
    let world = World::new();
    world.sessions.hooks.fail("complete", 1);
    let bytes = spooled(&world.engine, BODY).await;
    let name = FileName::new("notes.txt").unwrap();
    assert!(world.engine.upload(name, None, bytes, Some(&token("alice-1"))).await.is_err());
    let [upload] = &world.sessions.inner.list(&listing()).await.unwrap()[..] else { panic!() };
    assert_eq!(upload.state, UploadState::Cancelled, "it counts for no quota");
    assert_eq!(world.chunks.inner.blobs(), 0);
}

/// Hangs for what tells of one user's files.
#[derive(Debug, Clone)]
struct HangsFor(&'static str, Arc<std::sync::Mutex<Vec<String>>>);

#[async_trait::async_trait]
impl telestore::backend::WebhookSender for HangsFor {
    fn is_wanted(&self) -> bool {
        true
    }

    async fn send(&self, _: &str, body: &str) -> telestore::backend::Result<()> {
        if body.contains(self.0) {
            std::future::pending::<()>().await;
        }
        self.1.lock().unwrap().push(body.to_owned());
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn one_users_hanging_webhooks_hold_up_nobody_elses() {
    let told = HangsFor("mallory", Arc::default());
    let world = World::telling(told.clone());
    for file in 0..20 {
        queue_of(&world, "mallory", &format!("m{file}")).await;
    }
    assert_eq!(world.drain().await, 20);
    let running = world.engine.start().await.unwrap();
    tokio::time::sleep(SECOND).await;
    queue_of(&world, "alice", "z").await;
    let began = Instant::now();
    while told.1.lock().unwrap().is_empty() {
        tokio::time::sleep(SECOND / 10).await;
        assert!(began.elapsed() < SECOND * 5, "alice's webhook waits behind the others");
    }
    drop(running);
}
