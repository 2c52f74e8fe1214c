//! Stopping an upload, whatever is going on with it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use telestore::store::{LocalChunkStore, MemorySessionStore};
use telestore::types::{ManualClock, UploadState, UploadStatus};
use telestore::{Caller, Error};
use tokio::sync::Notify;

use crate::support::{
    BODY, Forgotten, HOUR, NOW, TOKEN, World, engine_on, file, id, queue, send_chunk, token,
};
use crate::uploader::{Scripted, stored};

/// Polls a call once and drops it, as a server does with a client that has gone.
async fn dropped_in_the_middle(call: impl Future) {
    let mut call = pin!(call);
    std::future::poll_fn(|context| {
        assert!(call.as_mut().poll(context).is_pending(), "it was over at once");
        std::task::Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn cancelling_a_send_stops_it_and_takes_everything_away() {
    let world = World::new();
    let started = world.uploader.then_telling(|call| call.until_cancelled());
    world.queue("a").await;
    let mut listener = world.engine.subscribe(&id("a"));
    let engine = world.engine.clone();
    let step = tokio::spawn(async move { engine.step().await });
    started.notified().await;

    assert_eq!(world.engine.cancel(&id("a"), &Caller::nobody()).await.unwrap(), None);
    assert!(step.await.unwrap().unwrap(), "the token has fired");
    assert_eq!(world.stored("a").await.state, UploadState::Cancelled);
    assert_eq!(world.chunks.inner.blobs(), 0);
    assert!(matches!(world.engine.status(&id("a"), &Caller::nobody()).await, Err(Error::NotFound)));
    let event = world.progress("a").await;
    assert_eq!((event.status, event.error.as_deref()), (UploadStatus::Failed, Some("Upload cancelled")));
    let mut last = None;
    while let Some(event) = listener.next().await {
        last = Some(event);
    }
    assert_eq!(last.map(|event| event.status), Some(UploadStatus::Failed));
    assert_eq!(world.drain().await, 0);
}

#[tokio::test]
async fn cancelling_again_or_nothing_is_a_success() {
    let world = World::new();
    assert_eq!(world.engine.cancel(&id("nothing"), &Caller::nobody()).await.unwrap(), None);
    world.queue("a").await;
    for _ in 0..2 {
        assert_eq!(world.engine.cancel(&id("a"), &Caller::nobody()).await.unwrap(), None);
    }
    assert!(matches!(world.engine.complete(&id("a"), &Caller::nobody()).await, Err(Error::Conflict(_))));
}

#[tokio::test]
async fn cancelling_too_late_gives_the_result() {
    let world = World::new();
    world.queue("a").await;
    world.drain().await;
    let event =
        world.engine.cancel(&id("a"), &Caller::nobody()).await.unwrap().expect("the message is there");
    assert_eq!((event.status, event.message_id()), (UploadStatus::Completed, Some(1)));
}

#[tokio::test]
async fn a_message_that_was_accepted_before_the_send_could_stop_is_recorded() {
    let world = World::new();
    let started = world.uploader.then_telling(|call| async move {
        call.request.cancel.cancelled().await;
        Ok(stored(9))
    });
    world.queue("a").await;
    let engine = world.engine.clone();
    let step = tokio::spawn(async move { engine.step().await });
    started.notified().await;
    let event = world.engine.cancel(&id("a"), &Caller::nobody()).await.unwrap().expect("too late");
    assert_eq!((event.status, event.message_id()), (UploadStatus::Completed, Some(9)));
    step.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_accepted_long_after_the_cancel_is_taken_back() {
    let world = World::new();
    let engine = world.engine.clone();
    world.uploader.then(move |call| async move {
        engine.cancel(&call.request.upload_id, &Caller::nobody()).await.unwrap();
        Ok(stored(9))
    });
    world.queue("a").await;
    world.drain().await;
    let upload = world.stored("a").await;
    assert_eq!((upload.state, upload.stored), (UploadState::Cancelled, None));
    assert_eq!(world.uploader.withdrawn(), [9]);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_life_of_an_id_takes_nothing_from_the_next() {
    let world = World::new();
    let engine = world.engine.clone();
    world.uploader.then(move |call| async move {
        let upload = &call.request.upload_id;
        engine.cancel(upload, &Caller::nobody()).await.unwrap();
        engine.init(&file(upload.as_str(), 1, 1), &Caller::from(token(TOKEN))).await.unwrap();
        Ok(stored(9))
    });
    world.queue("a").await;
    world.drain().await;
    let upload = world.stored("a").await;
    assert_eq!((upload.state, upload.stored), (UploadState::Receiving, None));
    assert_eq!(world.uploader.withdrawn(), [9]);
}

#[tokio::test]
async fn a_cancel_between_the_lease_and_the_send_sends_nothing() {
    let world = World::new();
    world.queue("a").await;
    let engine = world.engine.clone();
    world.sessions.hooks.after("lease", async move {
        engine.cancel(&id("a"), &Caller::nobody()).await.unwrap();
    });
    world.drain().await;
    assert_eq!(world.uploader.attempts(), 0);
    assert_eq!(world.stored("a").await.state, UploadState::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_while_the_chunks_are_looked_up_sends_nothing() {
    let world = World::new();
    world.queue("a").await;
    let engine = world.engine.clone();
    world.sessions.hooks.after("chunks", async move {
        engine.cancel(&id("a"), &Caller::nobody()).await.unwrap();
    });
    world.drain().await;
    assert_eq!(world.uploader.attempts(), 0);
}

#[tokio::test]
async fn a_chunk_that_comes_too_late_leaves_nothing_behind() {
    let world = World::new();
    let info = file("a", 20, 2);
    send_chunk(&world.engine, &info, 0, b"0123456789").await.unwrap();
    let engine = world.engine.clone();
    world.chunks.hooks.after("put", async move {
        engine.cancel(&id("a"), &Caller::nobody()).await.unwrap();
    });
    let late = send_chunk(&world.engine, &info, 1, b"0123456789").await;
    assert!(matches!(late, Err(Error::Conflict(_))), "{late:?}");
    assert_eq!(world.chunks.inner.blobs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_whose_client_went_away_is_carried_out_all_the_same() {
    let world = World::new();
    world.queue("a").await;
    let (reached, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (telling, waiting) = (Arc::clone(&reached), Arc::clone(&go_on));
    world.sessions.hooks.after("cancel", async move {
        telling.notify_one();
        waiting.notified().await;
    });
    let deleted = Arc::new(Notify::new());
    let telling = Arc::clone(&deleted);
    world.chunks.hooks.after("delete", async move { telling.notify_one() });

    dropped_in_the_middle(world.engine.cancel(&id("a"), &Caller::nobody())).await;
    reached.notified().await;
    go_on.notify_one();
    let gone = tokio::time::timeout(HOUR, deleted.notified()).await;
    assert!(gone.is_ok(), "nobody deletes the chunks");
    assert_eq!(world.chunks.inner.blobs(), 0);
}

#[tokio::test]
async fn an_id_can_be_started_again_after_a_cancel_and_never_wipes_a_result() {
    let world = World::new();
    world.queue("a").await;
    world.engine.cancel(&id("a"), &Caller::nobody()).await.unwrap();
    let first = world.stored("a").await.key;
    world.engine.init(&file("a", BODY.len() as u64, 1), &Caller::nobody()).await.unwrap();
    assert_ne!(world.stored("a").await.key, first);
    queue(&world.engine, "a").await;
    world.drain().await;
    world.engine.init(&file("a", BODY.len() as u64, 1), &Caller::nobody()).await.unwrap();
    assert_eq!(world.stored("a").await.state, UploadState::Completed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn chunks_that_arrive_during_a_cancel_neither_break_it_nor_stay_on_the_disk() {
    const CHUNKS: u32 = 8;
    let dir = tempfile::tempdir().unwrap();
    let chunks = LocalChunkStore::open(dir.path()).unwrap();
    let clock = ManualClock::new(NOW);
    let sessions = MemorySessionStore::new();
    let engine = engine_on(sessions, chunks, &clock, &Forgotten::default()).uploader(Scripted::new());
    let engine = engine.build().unwrap();
    for round in 0..60 {
        let name = format!("upload-{round}");
        let mut tasks = tokio::task::JoinSet::new();
        for index in 0..CHUNKS {
            let (engine, info) = (engine.clone(), file(&name, u64::from(CHUNKS), CHUNKS));
            tasks.spawn(async move {
                match send_chunk(&engine, &info, index, b"x").await {
                    Ok(_) | Err(Error::Conflict(_)) => {}
                    Err(error) => panic!("chunk: {error:?}"),
                }
                if index == CHUNKS / 2 {
                    engine.cancel(&info.id, &Caller::nobody()).await.unwrap();
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        let left: Vec<_> = std::fs::read_dir(dir.path().join("chunks")).unwrap().collect();
        assert!(left.is_empty(), "round {round}: {left:?}");
    }
}
