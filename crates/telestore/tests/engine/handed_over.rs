//! What may be in the channel without anybody knowing is not sent again by itself, and nothing else is held back for it.

use std::sync::Arc;

use telestore::Sealer;
use telestore::store::{Limits, Owner, SessionStore};
use telestore::types::{Caption, Clock, Outcome, UploadState};
use telestore::uploader::{Error, ErrorKind};
use tokio::sync::Notify;

use crate::support::{HOUR, SECOND, World, began, config, credentials, id, queue_of, token};
use crate::uploader::{Call, stored};

/// Sends a file `a` of alice's, whose attempt does this, and ends the process behind it.
async fn killed_behind<F>(world: &World, hands_over: impl FnOnce(Call) -> F + Send + 'static)
where
    F: Future<Output = telestore::uploader::Result<()>> + Send + 'static,
{
    let handed_over = Arc::new(Notify::new());
    let telling = Arc::clone(&handed_over);
    world.uploader.then(move |call| async move {
        hands_over(call).await?;
        telling.notify_one();
        std::future::pending().await
    });
    queue_of(world, "alice", "a").await;
    let running = world.engine.start().await.unwrap();
    handed_over.notified().await;
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn what_was_handed_over_when_the_process_ended_is_not_sent_again() {
    let world = World::new();
    killed_behind(&world, |call| async move { call.sink.commit(None).await }).await;
    let next = world.second_engine(world.uploader.clone());
    next.recover().await.unwrap();
    assert!(!next.step().await.unwrap(), "nothing is due");
    let upload = world.stored("a").await;
    assert_eq!((upload.state, upload.outcome), (UploadState::Failed, Some(Outcome::Ambiguous)));
    assert!(upload.maybe_sent);
    assert!(upload.error.unwrap().contains("may be in the channel already"));
    let operator = next.operator();
    assert!(operator.retry(&id("a"), false).await.is_err(), "an operator has to say so");
    assert_eq!(operator.retry(&id("a"), true).await.unwrap().state, UploadState::Queued);
}

/// The process is killed after it has handed the file over, and its user signs out before the next one looks for the message.
#[tokio::test(start_paused = true)]
async fn what_was_handed_over_is_looked_for_by_a_person_if_its_token_is_no_longer_good() {
    let searching = || config().with(|config| config.unknown = telestore::Unknown::Again);
    let world = World::with(|builder| builder.config(searching()));
    killed_behind(&world, |call| async move {
        call.sink.hand_over(&credentials("alice").chat_id, &Caption::from("a")).await
    })
    .await;
    let row = world.stored("a").await;
    assert!(row.handed_over().is_some());
    let bad = Sealer::from_secret(&"the key of these tests".into()).seal(&row.key, &token("bad-1"));
    let owner = Owner::new(row.user_id.unwrap(), bad.unwrap());
    world.sessions.claim(&row.id, &row.key, &owner, &Limits::NONE).await.unwrap();

    let next = world.another(world.uploader.clone()).config(searching()).build().unwrap();
    next.recover().await.unwrap();
    assert!(next.step().await.unwrap());
    let upload = world.stored("a").await;
    assert_eq!((upload.state, upload.outcome), (UploadState::Failed, Some(Outcome::Ambiguous)));
    assert!(upload.handed_over().is_some(), "it is still known by what it is looked for");
    let error = upload.error.unwrap();
    assert!(error.contains("sign in again") && error.contains("may be in the channel already"), "{error}");
    assert_eq!(world.uploader.attempts(), 1);
}

#[tokio::test]
async fn nothing_is_handed_over_under_a_lease_that_is_lost() {
    let world = World::new();
    let other = world.peer(crate::uploader::Scripted::new());
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
