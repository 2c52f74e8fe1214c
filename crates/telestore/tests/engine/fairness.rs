//! Servers and backends that bring nothing, and everybody else's files and webhooks go through.

use std::sync::Arc;

use telestore::store::SessionStore;
use telestore::types::{Clock, UploadState};
use telestore::uploader::Error;
use tokio::time::Instant;

use crate::support::{HOUR, SECOND, World, began, completed, id, queue_of, with};
use crate::uploader::stored;

#[tokio::test(start_paused = true)]
async fn one_users_dead_servers_hold_up_nobody_else() {
    let world = with(|config| config.max_concurrent_uploads = 4);
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
    let world = with(|config| config.max_concurrent_uploads = 2);
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
    let world = with(|config| config.max_concurrent_uploads = 2);
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
    let world = with(|config| config.max_concurrent_uploads = 2);
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
async fn a_send_of_which_nothing_is_acknowledged_gives_its_slot_back() {
    let stall_timeout = SECOND * 120;
    let world = with(|config| config.stall_timeout = stall_timeout);
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
        let world = with(|config| config.stall_timeout = SECOND * 10);
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

/// Hangs for what tells of one user's files.
#[derive(Debug, Clone)]
struct HangsFor(&'static str, Arc<std::sync::Mutex<Vec<String>>>);

#[async_trait::async_trait]
impl telestore::backend::WebhookSender for HangsFor {
    fn is_wanted(&self) -> bool {
        true
    }

    async fn send(
        &self,
        _: &str,
        event: &telestore::backend::WebhookEvent,
    ) -> telestore::backend::Result<()> {
        if event.user_id.as_str().contains(self.0) {
            std::future::pending::<()>().await;
        }
        self.1.lock().unwrap().push(event.user_id.to_string());
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

#[tokio::test(start_paused = true)]
async fn hostile_withdrawals_leave_places_for_webhooks() {
    let told = HangsFor("nobody", Arc::default());
    let world = World::telling(told.clone());
    // Each of them hangs in its first word to the store.
    world.sessions.hooks.hang("outbox_later");
    for user in 0..6 {
        for message in 0..20 {
            let withdrawal = telestore::store::NewEvent::withdrawal(format!("{user}-{message}"), "{}")
                .of_user(Some(telestore::types::UserId::new(format!("mallory{user}"))), None);
            // By a worker that is gone.
            let (worker, now) = (telestore::types::WorkerId::new("gone").unwrap(), world.clock.now());
            world.sessions.inner.add_event(&id("gone"), &withdrawal, &worker, now, now).await.unwrap();
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
