//! How far a backend got, from one attempt to the next.

use telestore::Caller;
use telestore::types::{ResumeState, UploadState};
use telestore::uploader::{Error, ErrorKind};

use crate::support::{BODY, HOUR, World, file, id, send_chunk};

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
async fn a_backend_stops_where_its_checkpoint_cannot_be_written() {
    let world = World::new();
    world.sessions.hooks.fail("checkpoint", 1);
    interrupted_at(&world, ErrorKind::Rejected).await;
    let upload = world.stored("a").await;
    assert_eq!((upload.state, upload.resume), (UploadState::Queued, None), "it is tried again");
}
