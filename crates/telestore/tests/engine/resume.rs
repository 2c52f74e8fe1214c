//! How far a backend got, from one attempt to the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use telestore::Caller;
use telestore::backend::MockCredentialProvider;
use telestore::types::{
    ChatId, Outcome, ResumeState, Secret, SenderId, TelegramCredentials, UploadState, UserId,
};
use telestore::uploader::{Error, ErrorKind, Requirement};

use crate::support::{BODY, HOUR, World, file, id, send_chunk};
use crate::uploader::{Scripted, stored};

fn state(text: &str) -> ResumeState {
    ResumeState::new("script", text.as_bytes())
}

async fn interrupted_at(world: &World, kind: ErrorKind) {
    world.uploader.then(move |call| async move {
        call.sink.checkpoint(state("part 1")).await?;
        call.sink.checkpoint(state("part 2")).await?;
        Err(Error::new(kind, "no"))
    });
    world.queue("a").await;
    world.drain().await;
}

#[tokio::test]
async fn the_last_checkpoint_is_handed_to_the_next_attempt() {
    let world = World::new();
    interrupted_at(&world, ErrorKind::Unavailable).await;
    world.clock.advance(HOUR);
    world.drain().await;
    assert_eq!(world.uploader.request(1).resume, Some(state("part 2")));
    assert_eq!(world.stored("a").await.resume, None, "it goes with the end");
}

/// A user who has one bot, and later another one before it.
fn one_bot_then_two() -> MockCredentialProvider {
    let asked = AtomicUsize::new(0);
    let mut provider = MockCredentialProvider::new();
    provider.expect_credentials().returning(move |_| {
        let nobody = TelegramCredentials::new(UserId::new("alice"), ChatId::new("-1001").unwrap());
        // The chunk, and the first attempt.
        let early = asked.fetch_add(1, Ordering::SeqCst) < 2;
        let before = if early { nobody } else { nobody.with_bot(Secret::new("1:a")) };
        Ok(Arc::new(before.with_bot(Secret::new("2:b"))))
    });
    provider.expect_forget().return_const(());
    provider
}

#[tokio::test]
async fn a_file_goes_on_with_the_sender_that_began_it() {
    let uploader = Scripted::with("scripted", u64::MAX, Requirement::BotToken);
    let world = World::sending_with(uploader.clone(), |builder| {
        builder.uploader(uploader).credentials(one_bot_then_two())
    });
    world.uploader.then(|call| async move {
        call.sink.checkpoint(ResumeState::new("scripted", *b"half")).await?;
        Err(Error::new(ErrorKind::Unavailable, "no"))
    });
    world.queue("a").await;
    world.drain().await;
    let kept = world.stored("a").await.resume.unwrap();
    assert_eq!(kept.sender.as_ref().map(SenderId::as_str), Some("bot:2"), "it is written down who sent");
    world.clock.advance(HOUR);
    world.drain().await;
    let again = world.uploader.request(1);
    assert_eq!(again.credentials.senders.len(), 2);
    assert_eq!(again.sender.unwrap().id.as_str(), "bot:2");
}

#[tokio::test]
async fn a_run_after_a_failure_goes_on_from_the_checkpoint() {
    let world = World::new();
    interrupted_at(&world, ErrorKind::Rejected).await;
    world.engine.complete(&id("a"), &Caller::nobody()).await.unwrap();
    world.drain().await;
    assert_eq!(world.uploader.request(1).resume, Some(state("part 2")));
}

#[tokio::test]
async fn other_bytes_than_were_sent_make_a_checkpoint_worthless() {
    let world = World::new();
    interrupted_at(&world, ErrorKind::Rejected).await;
    let other: Vec<u8> = BODY.iter().rev().copied().collect();
    send_chunk(&world.engine, &file("a", BODY.len() as u64, 1), 0, &other).await.unwrap();
    world.engine.complete(&id("a"), &Caller::nobody()).await.unwrap();
    world.drain().await;
    assert_eq!(world.uploader.request(1).resume, None);
    assert_eq!(world.uploader.sent(), [other]);
}

#[tokio::test]
async fn whatever_ends_a_file_whose_message_may_exist_says_so_and_keeps_what_it_is_known_by() {
    // A refusal, and the end of all tries.
    for (kind, age) in [(ErrorKind::Rejected, Duration::ZERO), (ErrorKind::Unavailable, HOUR * 48)] {
        let world = World::new();
        let clock = world.clock.clone();
        world.uploader.then(move |call| async move {
            call.sink.commit(Some(ResumeState::new("scripted", *b"asked for"))).await?;
            Err(Error::new(ErrorKind::Unavailable, "the line broke"))
        });
        world.uploader.then_fail(kind, "no more");
        world.queue("a").await;
        world.drain().await;
        assert_eq!(world.stored("a").await.state, UploadState::Queued);
        clock.advance(HOUR + age);
        world.drain().await;
        let upload = world.stored("a").await;
        assert_eq!(
            (upload.state, upload.outcome),
            (UploadState::Failed, Some(Outcome::Ambiguous)),
            "{kind:?}"
        );
        let error = upload.error.unwrap();
        assert!(error.contains("no more") && error.contains("may be in the channel already"), "{error}");
        assert_eq!(upload.resume.unwrap().bytes, b"asked for");
    }
}

#[tokio::test]
async fn a_file_whose_message_was_not_asked_for_is_refused() {
    let world = World::new();
    world.uploader.then_fail(ErrorKind::Rejected, "no more");
    world.queue("a").await;
    world.drain().await;
    let upload = world.stored("a").await;
    assert_eq!(upload.outcome, Some(Outcome::Refused));
    assert!(!upload.error.unwrap().contains("may be in the channel"));
}

/// Each failure of the store takes longer than the one before, up to two seconds.
const HALF_A_MINUTE: usize = 18;

#[tokio::test(start_paused = true)]
async fn a_backend_goes_on_when_a_store_is_back_that_was_away() {
    let world = World::new();
    world.uploader.then(|call| async move {
        call.sink.checkpoint(state("part 1")).await?;
        call.sink.commit(None).await?;
        Ok(stored(1))
    });
    world.queue("a").await;
    world.sessions.hooks.fail("chunks", HALF_A_MINUTE);
    world.sessions.hooks.fail("checkpoint", HALF_A_MINUTE);
    world.sessions.hooks.fail("commit", HALF_A_MINUTE);
    world.drain().await;
    let upload = world.stored("a").await;
    assert_eq!((upload.state, upload.attempt), (UploadState::Completed, 1), "{:?}", upload.error);
}

#[tokio::test(start_paused = true)]
async fn a_backend_stops_where_its_checkpoint_cannot_be_written_as_long_as_its_lease_holds() {
    let world = World::new();
    let clock = world.clock.clone();
    world.uploader.then(|call| async move {
        clock.advance(HOUR);
        call.sink.checkpoint(state("part 1")).await?;
        panic!("nothing was written")
    });
    world.queue("a").await;
    world.sessions.hooks.fail("checkpoint", 1);
    world.drain().await;
    let upload = world.stored("a").await;
    assert_eq!((upload.state, upload.resume), (UploadState::Queued, None), "it is tried again");
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_waits_for_the_store_hears_of_a_cancel() {
    let world = World::new();
    let began = world.uploader.then_telling(|call| async move {
        call.sink.checkpoint(state("part 1")).await?;
        panic!("nothing was written")
    });
    world.queue("a").await;
    world.sessions.hooks.fail("checkpoint", usize::MAX);
    let engine = world.engine.clone();
    let sending = tokio::spawn(async move { engine.step().await });
    began.notified().await;
    world.engine.cancel(&id("a"), &Caller::nobody()).await.unwrap();
    assert!(sending.await.unwrap().unwrap());
    assert_eq!(world.stored("a").await.state, UploadState::Cancelled);
}
