//! Taking chunks in: twice, contradicting, too late, and all at once.

use telestore::types::UploadState;
use telestore::{Caller, Error};

use crate::support::{HOUR, TOKEN, World, chunk_of, file, id, send_chunk, spooled, token};

#[tokio::test]
async fn the_same_chunk_may_come_again_at_any_time() {
    let world = World::new();
    let info = file("a", 6, 2);
    for _ in 0..2 {
        let receipt = send_chunk(&world.engine, &info, 0, b"abc").await.unwrap();
        assert_eq!((receipt.received_chunks, receipt.is_complete()), (1, false));
    }
    send_chunk(&world.engine, &info, 1, b"def").await.unwrap();
    world.engine.complete(&id("a"), &Caller::nobody()).await.unwrap();
    let receipt = send_chunk(&world.engine, &info, 1, b"def").await.unwrap();
    assert!(receipt.is_complete());
    assert_eq!(world.chunks.inner.blobs(), 2, "only what is recorded stays");
    world.drain().await;
    send_chunk(&world.engine, &info, 1, b"def").await.unwrap();
    assert_eq!(world.uploader.sent(), [b"abcdef"]);
    assert_eq!(world.chunks.inner.blobs(), 0);
}

#[tokio::test]
async fn other_bytes_replace_a_chunk_only_until_completion() {
    let world = World::new();
    let info = file("a", 3, 1);
    send_chunk(&world.engine, &info, 0, b"old").await.unwrap();
    send_chunk(&world.engine, &info, 0, b"new").await.unwrap();
    world.engine.complete(&id("a"), &Caller::nobody()).await.unwrap();
    let refused = send_chunk(&world.engine, &info, 0, b"bad").await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    assert_eq!(world.chunks.inner.blobs(), 1);
    world.drain().await;
    assert_eq!(world.uploader.sent(), [b"new"]);
}

#[tokio::test]
async fn a_refused_chunk_never_takes_recorded_bytes_with_it() {
    let world = World::new();
    let info = file("a", 3, 1);
    send_chunk(&world.engine, &info, 0, b"new").await.unwrap();
    world.engine.complete(&id("a"), &Caller::nobody()).await.unwrap();
    // The chunk is refused, and then the store cannot say how the upload is.
    let hooks = world.sessions.hooks.clone();
    world.sessions.hooks.after("record_chunk", async move { hooks.fail("get", 1) });
    let refused = send_chunk(&world.engine, &info, 0, b"bad").await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    world.drain().await;
    assert_eq!(world.uploader.sent(), [b"new"]);
}

#[tokio::test]
async fn fields_that_contradict_the_upload_are_a_conflict() {
    let world = World::new();
    send_chunk(&world.engine, &file("a", 6, 2), 0, b"abc").await.unwrap();
    for other in [file("a", 7, 2), file("a", 6, 3)] {
        let refused = send_chunk(&world.engine, &other, 1, b"def").await;
        assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
        let refused = world.engine.init(&other, &Caller::from(token(TOKEN))).await;
        assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    }
    assert_eq!(world.engine.status(&id("a"), &Caller::nobody()).await.unwrap().received, [0]);
}

#[tokio::test]
async fn what_is_not_allowed_is_refused_and_leaves_nothing() {
    let world = World::with(|builder| {
        builder.config(crate::support::config().with(|config| {
            config.max_chunk_bytes = 4;
            config.max_file_bytes = 8;
        }))
    });
    for (info, index, bytes) in [
        (file("a", 9, 3), 0, &b"abc"[..]),
        (file("a", 8, 2), 0, b"abcde"),
        (file("a", 0, 1), 0, b"abc"),
        (file("a", 8, 2), 2, b"abc"),
        (file("a", 8, 2), 0, b""),
        (file("a", 8, 0), 0, b"abc"),
        (file("a", 8, 10_001), 0, b"abc"),
    ] {
        let refused = send_chunk(&world.engine, &info, index, bytes).await;
        assert!(matches!(refused, Err(Error::Value(_) | Error::TooLarge { .. })), "{refused:?}");
    }
    assert!(matches!(world.engine.status(&id("a"), &Caller::nobody()).await, Err(Error::NotFound)));
    let info = file("b", 8, 3);
    for index in 0..2 {
        send_chunk(&world.engine, &info, index, b"abcd").await.unwrap();
    }
    let over = send_chunk(&world.engine, &info, 2, b"e").await;
    assert!(matches!(over, Err(Error::TooLarge { what: "file", limit: 8 })), "{over:?}");
    assert_eq!(world.chunks.inner.blobs(), 2);
}

#[tokio::test]
async fn completing_needs_every_chunk_and_the_declared_length() {
    let world = World::new();
    let info = file("a", 6, 2);
    assert!(matches!(world.engine.complete(&id("a"), &Caller::nobody()).await, Err(Error::NotFound)));
    send_chunk(&world.engine, &info, 0, b"abc").await.unwrap();
    let missing = world.engine.complete(&id("a"), &Caller::nobody()).await;
    assert!(matches!(missing, Err(Error::MissingChunks { received: 1, total: 2 })), "{missing:?}");
    send_chunk(&world.engine, &info, 1, b"de").await.unwrap();
    let short = world.engine.complete(&id("a"), &Caller::nobody()).await;
    assert!(matches!(short, Err(Error::SizeMismatch { declared: 6, received: 5 })), "{short:?}");
    assert!(matches!(world.engine.progress(&id("a"), &Caller::nobody()).await, Err(Error::NotStarted)));
}

#[tokio::test]
async fn a_chunk_that_could_not_be_recorded_was_not_received() {
    let world = World::new();
    let info = file("a", 3, 1);
    world.sessions.hooks.fail("record_chunk", 1);
    let failed = send_chunk(&world.engine, &info, 0, b"abc").await;
    assert!(matches!(failed, Err(Error::StoreUnavailable(_))), "{failed:?}");
    assert!(world.engine.status(&id("a"), &Caller::nobody()).await.unwrap().received.is_empty());
    send_chunk(&world.engine, &info, 0, b"abc").await.unwrap();
    world.engine.complete(&id("a"), &Caller::nobody()).await.unwrap();
    world.drain().await;
    assert_eq!(world.uploader.sent(), [b"abc"]);
}

#[tokio::test]
async fn a_chunk_whose_client_went_away_is_whole_or_not_there() {
    let world = World::new();
    let engine = world.engine.clone();
    let (reached, go_on) = (std::sync::Arc::new(tokio::sync::Notify::new()), tokio::sync::oneshot::channel());
    let (telling, (go, waiting)) = (std::sync::Arc::clone(&reached), go_on);
    world.chunks.hooks.after("put", async move {
        telling.notify_one();
        waiting.await.unwrap();
    });
    let caller = tokio::spawn(async move { send_chunk(&engine, &file("a", 3, 1), 0, b"abc").await });
    reached.notified().await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    go.send(()).unwrap();
    while world.engine.status(&id("a"), &Caller::nobody()).await.unwrap().received.is_empty() {
        tokio::task::yield_now().await;
    }
    world.engine.complete(&id("a"), &Caller::nobody()).await.unwrap();
    world.drain().await;
    assert_eq!(world.uploader.sent(), [b"abc"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn chunks_and_completions_at_the_same_time_make_one_whole_file() {
    const CHUNKS: u32 = 40;
    let world = World::new();
    let expected: Vec<u8> = (0..CHUNKS).flat_map(|index| index.to_be_bytes()).collect();
    let mut tasks = tokio::task::JoinSet::new();
    // Each chunk comes twice, as from a client that retries, and completion is asked for all along.
    for index in (0..CHUNKS).chain((0..CHUNKS).rev()) {
        let engine = world.engine.clone();
        tasks.spawn(async move {
            let info = file("a", u64::from(CHUNKS) * 4, CHUNKS);
            let spooled = spooled(&engine, &index.to_be_bytes()).await;
            let token = token(TOKEN);
            engine.write_chunk(&chunk_of(info, index), spooled, &Caller::from(&token)).await.unwrap();
            match engine.complete(&id("a"), &Caller::nobody()).await {
                Ok(()) | Err(Error::MissingChunks { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
            engine.step().await.unwrap();
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    world.clock.advance(HOUR);
    world.drain().await;
    assert_eq!(world.uploader.sent(), [expected]);
    assert_eq!(world.stored("a").await.state, UploadState::Completed);
    assert_eq!(world.chunks.inner.blobs(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_users_who_use_one_id_at_once_do_not_share_it() {
    for round in 0..20 {
        let world = World::new();
        let mut tasks = tokio::task::JoinSet::new();
        for user in ["alice-1", "bob-1"] {
            let engine = world.engine.clone();
            tasks.spawn(async move {
                let spooled = spooled(&engine, user.as_bytes()).await;
                let info = file("a", 7, 1);
                engine.write_chunk(&chunk_of(info, 0), spooled, &Caller::from(token(user))).await.is_ok()
            });
        }
        let won: Vec<bool> = tasks.join_all().await;
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "round {round}");
    }
}
