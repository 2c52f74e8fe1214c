//! What is found after a crash, and what goes when its time is over.

use std::path::Path;
use std::time::Duration;

use telestore::store::{
    ChunkStore, LocalChunkStore, MemoryChunkStore, MemorySessionStore, SqliteSessionStore,
};
use telestore::types::{ManualClock, ResumeState, UploadState};
use telestore::uploader::ErrorKind;
use telestore::{Caller, Error, Telestore};

use crate::support::{Forgotten, NOW, World, config, engine_on, file, id, queue, send_chunk, spooled};
use crate::uploader::Scripted;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An engine on the disk, as a process that has just started opens it.
async fn open(dir: &Path, uploader: &Scripted) -> Telestore {
    let sessions = SqliteSessionStore::open(dir.join("telestore.db")).await.unwrap();
    let chunks = LocalChunkStore::open(dir).unwrap();
    let clock = ManualClock::new(NOW);
    let engine = engine_on(sessions, chunks, &clock, &Forgotten::default()).uploader(uploader.clone());
    let engine = engine.build().unwrap();
    engine.recover().await.unwrap();
    engine
}

#[tokio::test]
async fn acknowledged_chunks_are_there_after_a_crash() {
    let (dir, uploader) = (tempfile::tempdir().unwrap(), Scripted::new());
    let info = file("a", 6, 2);
    let engine = open(dir.path(), &uploader).await;
    send_chunk(&engine, &info, 1, b"def").await.unwrap();
    drop(engine);

    let engine = open(dir.path(), &uploader).await;
    assert_eq!(engine.status(&id("a"), &Caller::nobody()).await.unwrap().received, [1]);
    send_chunk(&engine, &info, 0, b"abc").await.unwrap();
    engine.complete(&id("a"), &Caller::nobody()).await.unwrap();
    drop(engine);

    let engine = open(dir.path(), &uploader).await;
    assert!(engine.step().await.unwrap(), "what was completed goes on by itself");
    assert_eq!(uploader.sent(), [b"abcdef"]);
    assert_eq!(uploader.request(0).credentials.user_id.as_str(), "alice");
}

#[tokio::test]
async fn a_send_that_a_crash_ended_goes_on_from_its_checkpoint() {
    let (dir, uploader) = (tempfile::tempdir().unwrap(), Scripted::new());
    let engine = open(dir.path(), &uploader).await;
    queue(&engine, "a").await;
    let (told, reached) = tokio::sync::oneshot::channel();
    uploader.then(move |call| async move {
        call.sink.checkpoint(ResumeState::new("script", *b"part 3")).await?;
        told.send(()).unwrap();
        std::future::pending().await
    });
    let step = tokio::spawn(async move { engine.step().await });
    reached.await.unwrap();
    step.abort();
    assert!(step.await.unwrap_err().is_cancelled());

    let engine = open(dir.path(), &uploader).await;
    assert!(engine.step().await.unwrap(), "at once, without waiting for the lease of the dead one");
    assert_eq!(uploader.request(1).resume, Some(ResumeState::new("script", *b"part 3")));
    assert_eq!(
        engine.progress(&id("a"), &Caller::nobody()).await.unwrap().attempt,
        1,
        "being killed is no attempt"
    );
}

#[tokio::test]
async fn recovering_deletes_what_no_record_names_and_nothing_else() {
    let world = World::new();
    let info = file("a", 6, 2);
    send_chunk(&world.engine, &info, 0, b"abc").await.unwrap();
    let key = world.stored("a").await.key;
    let chunks = &world.chunks.inner;
    let orphan = spooled(&world.engine, b"put but never recorded").await;
    chunks.put(&key, telestore::types::ChunkIndex::new(1, 2).unwrap(), orphan).await.unwrap();
    let stranger = telestore::types::StorageKey::from_random([9; 16]);
    let left = spooled(&world.engine, b"of nobody").await;
    chunks.put(&stranger, telestore::types::ChunkIndex::new(0, 1).unwrap(), left).await.unwrap();
    let spool = spooled(&world.engine, b"not put yet").await;
    assert_eq!(chunks.blobs(), 4);

    world.engine.recover().await.unwrap();
    assert_eq!(chunks.blobs(), 2, "who spooled lives");
    drop(spool);
    assert_eq!(chunks.blobs(), 1);
    send_chunk(&world.engine, &info, 1, b"def").await.unwrap();
    world.engine.complete(&id("a"), &Caller::nobody()).await.unwrap();
    world.drain().await;
    assert_eq!(world.uploader.sent(), [b"abcdef"]);
}

#[tokio::test]
async fn every_state_has_its_time() {
    let world = World::new();
    send_chunk(&world.engine, &file("receiving", 6, 2), 0, b"abc").await.unwrap();
    world.uploader.then_fail(ErrorKind::Rejected, "no");
    world.queue("failed").await;
    world.drain().await;
    world.queue("completed").await;
    world.drain().await;
    world.queue("cancelled").await;
    world.engine.cancel(&id("cancelled"), &Caller::nobody()).await.unwrap();
    world.uploader.then_fail(ErrorKind::FloodWait(DAY * 30), "slow down");
    world.queue("waiting").await;
    world.drain().await;

    world.clock.advance(DAY);
    assert_eq!(world.engine.sweep().await.unwrap(), 0, "kept for its whole time");
    for (after, expected, blobs) in [(DAY / 2, 2, 3), (DAY * 2, 1, 2), (DAY * 4, 1, 1), (DAY * 9, 0, 1)] {
        world.clock.advance(after);
        assert_eq!(world.engine.sweep().await.unwrap(), expected);
        assert_eq!(world.chunks.inner.blobs(), blobs);
    }
    assert!(matches!(
        world.engine.progress(&id("completed"), &Caller::nobody()).await,
        Err(Error::NotStarted)
    ));
    assert!(matches!(world.engine.status(&id("receiving"), &Caller::nobody()).await, Err(Error::NotFound)));
    assert_eq!(world.stored("waiting").await.state, UploadState::Queued, "what waits to be sent stays");
}

#[tokio::test]
async fn a_chunk_gives_an_upload_its_whole_time_again() {
    let world = World::new();
    let info = file("a", 6, 2);
    send_chunk(&world.engine, &info, 0, b"abc").await.unwrap();
    for _ in 0..3 {
        world.clock.advance(DAY * 5);
        send_chunk(&world.engine, &info, 0, b"abc").await.unwrap();
        assert_eq!(world.engine.sweep().await.unwrap(), 0);
    }
}

#[tokio::test]
async fn bytes_that_cannot_be_deleted_do_not_keep_the_others() {
    let world = World::new();
    for name in ["a", "b", "c"] {
        send_chunk(&world.engine, &file(name, 6, 2), 0, b"abc").await.unwrap();
    }
    world.clock.advance(DAY * 8);
    world.chunks.hooks.fail("delete", 1);
    assert_eq!(world.engine.sweep().await.unwrap(), 3);
    assert_eq!(world.chunks.inner.blobs(), 1, "only what failed; the next start takes it");
    world.engine.recover().await.unwrap();
    assert_eq!(world.chunks.inner.blobs(), 0);
}

#[tokio::test]
async fn a_store_whose_callers_go_away_in_the_middle_stays_usable() {
    let (dir, uploader) = (tempfile::tempdir().unwrap(), Scripted::new());
    let engine = open(dir.path(), &uploader).await;
    let info = file("a", 3, 1);
    for micros in (0..1500).step_by(25) {
        let limit = Duration::from_micros(micros);
        let spooled = spooled(&engine, b"abc").await;
        let chunk = crate::support::chunk_of(info.clone(), 0);
        let token = crate::support::token(crate::support::TOKEN);
        let _ = tokio::time::timeout(limit, engine.write_chunk(&chunk, spooled, &Caller::from(&token))).await;
        let _ = tokio::time::timeout(limit, engine.complete(&id("nothing"), &Caller::from(&token))).await;
        let _ = tokio::time::timeout(limit, engine.sweep()).await;
    }
    send_chunk(&engine, &info, 0, b"abc").await.unwrap();
    engine.complete(&id("a"), &Caller::nobody()).await.unwrap();
    assert!(engine.step().await.unwrap());
    assert_eq!(uploader.sent(), [b"abc"]);
}

/// An engine beside others on the stores of `world`, whose blobs age by the same clock.
fn beside_others(chunks: &MemoryChunkStore, sessions: &MemorySessionStore, clock: &ManualClock) -> Telestore {
    engine_on(sessions.clone(), chunks.clone(), clock, &Forgotten::default())
        .config(config().with(|config| config.alone = false))
        .uploader(Scripted::new())
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_chunk_that_another_worker_has_not_recorded_yet_is_not_deleted() {
    let clock = ManualClock::new(NOW);
    let (sessions, chunks) = (MemorySessionStore::new(), MemoryChunkStore::with_clock(clock.clone()));
    let (one, two) = (beside_others(&chunks, &sessions, &clock), beside_others(&chunks, &sessions, &clock));
    let grace = one.config().orphan_grace;
    send_chunk(&one, &file("a", 6, 2), 0, b"abc").await.unwrap();
    let orphan = spooled(&one, b"put, and then the worker died").await;
    let key = telestore::types::StorageKey::from_random([9; 16]);
    chunks.put(&key, telestore::types::ChunkIndex::new(0, 1).unwrap(), orphan).await.unwrap();

    two.recover().await.unwrap();
    clock.advance(grace - Duration::from_secs(1));
    for _ in 0..3 {
        two.sweep().await.unwrap();
        assert_eq!(chunks.blobs(), 2, "it may be recorded yet");
    }
    clock.advance(grace / 2);
    for _ in 0..3 {
        two.sweep().await.unwrap();
        assert_eq!(chunks.blobs(), 2, "one look is not enough: a clock may have been set forward");
    }
    clock.advance(grace / 2);
    two.sweep().await.unwrap();
    assert_eq!(chunks.blobs(), 1, "old, and without a record at two looks");
    clock.advance(grace * 9);
    for _ in 0..3 {
        two.sweep().await.unwrap();
        clock.advance(grace);
    }
    assert_eq!(one.status(&id("a"), &Caller::nobody()).await.unwrap().received, [0]);
    assert_eq!(chunks.blobs(), 1, "what a record names stays, however old");
}

#[tokio::test]
async fn orphans_are_found_page_by_page() {
    let clock = ManualClock::new(NOW);
    let (sessions, chunks) = (MemorySessionStore::new(), MemoryChunkStore::with_clock(clock.clone()));
    let engine = beside_others(&chunks, &sessions, &clock);
    send_chunk(&engine, &file("a", 6, 2), 0, b"abc").await.unwrap();
    let index = telestore::types::ChunkIndex::new(0, 1).unwrap();
    for n in 0..2500_u32 {
        let bytes = n.to_be_bytes();
        let key = telestore::types::StorageKey::from_random(std::array::from_fn(|at| bytes[at % 4]));
        let orphan = spooled(&engine, b"x").await;
        chunks.put(&key, index, orphan).await.unwrap();
    }
    assert_eq!(chunks.blobs(), 2501);
    for _ in 0..3 {
        clock.advance(engine.config().orphan_grace);
        engine.sweep().await.unwrap();
    }
    assert_eq!(chunks.blobs(), 1);
}

#[tokio::test]
async fn refused_bytes_go_at_once() {
    let world = World::new();
    let spooled = spooled(&world.engine, b"more than its file").await;
    let chunk = crate::support::chunk_of(file("a", 6, 2), 0);
    let token = crate::support::token(crate::support::TOKEN);
    world.engine.write_chunk(&chunk, spooled, &Caller::from(&token)).await.unwrap_err();
    assert_eq!(world.chunks.inner.blobs(), 0);
}
