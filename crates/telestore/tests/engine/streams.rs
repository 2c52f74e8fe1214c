//! Bodies that are appended as they flow, and what happens to them.

use bytes::Bytes;
use telestore::store::{ChunkStore, Digest, SessionStore};
use telestore::types::{ContentDigest, FileName, UploadState};
use telestore::{Appending, Caller, Conflict, EngineConfig, Error, NewFile, Result};

use crate::support::{TOKEN, World, config, id, token};

const MIB: usize = 1024 * 1024;

fn new_file(name: &str) -> NewFile {
    NewFile::new(id(name), FileName::new("film.mp4").unwrap()).streamed()
}

fn caller() -> Caller {
    Caller::from(token(TOKEN))
}

async fn begun(world: &World, name: &str, size: usize) {
    world.engine.begin(&new_file(name).of_size(size as u64), &caller()).await.unwrap();
}

async fn appending(world: &World, name: &str, offset: usize) -> Result<Appending> {
    world.engine.appending(&id(name), offset as u64, Vec::new(), &caller()).await
}

async fn offset(world: &World, name: &str) -> u64 {
    world.engine.append_status(&id(name), &caller()).await.unwrap().receipt.offset
}

/// Waits until what was cut is recorded.
async fn recorded(world: &World, name: &str, bytes: u64) {
    while world.stored(name).await.received_bytes != bytes {
        tokio::task::yield_now().await;
    }
}

fn small(change: impl FnOnce(&mut EngineConfig)) -> World {
    World::with(|builder| builder.config(config().with(change)))
}

#[tokio::test]
async fn a_body_is_recorded_in_pieces_and_its_last_byte_completes_it() {
    let world = small(|config| config.max_chunk_bytes = 4);
    begun(&world, "a", 14).await;
    let mut body = appending(&world, "a", 0).await.unwrap();
    body.write(Bytes::from_static(b"hello tele")).await.unwrap();
    recorded(&world, "a", 8).await;
    body.write(Bytes::from_static(b"gram")).await.unwrap();
    assert_eq!(world.stored("a").await.state, UploadState::Receiving, "the body may have more");
    let receipt = body.finish().await.unwrap();
    assert!(receipt.is_complete());
    world.drain().await;
    assert_eq!(world.uploader.sent(), [b"hello telegram"]);
}

#[tokio::test]
async fn a_body_that_is_dropped_leaves_what_came() {
    let world = World::new();
    begun(&world, "a", 14).await;
    let mut body = appending(&world, "a", 0).await.unwrap();
    body.write(Bytes::from_static(b"hello ")).await.unwrap();
    drop(body);
    recorded(&world, "a", 6).await;
    let mut body = appending(&world, "a", 6).await.unwrap();
    body.write(Bytes::from_static(b"telegram")).await.unwrap();
    body.finish().await.unwrap();
    world.drain().await;
    assert_eq!(world.uploader.sent(), [b"hello telegram"]);
}

#[tokio::test]
async fn with_a_digest_all_of_it_is_taken_or_nothing() {
    let world = small(|config| config.max_chunk_bytes = 8);
    begun(&world, "a", 14).await;
    let expected = |bytes: &[u8]| vec![ContentDigest::Crc32c(Digest::of(bytes))];
    let begin =
        async |bytes: &[u8]| world.engine.appending(&id("a"), 0, expected(bytes), &caller()).await.unwrap();
    let mut body = begin(b"hello ").await;
    body.write(Bytes::from_static(b"hello ")).await.unwrap();
    drop(body);
    let mut body = begin(b"hello ").await;
    body.write(Bytes::from_static(b"hullo ")).await.unwrap();
    let other = body.finish().await.unwrap_err();
    assert!(matches!(other, Error::OtherBytes(_)), "{other:?}");
    let mut body = begin(b"hello ").await;
    let long = async {
        body.write(Bytes::from_static(b"hello telegr")).await?;
        body.write(Bytes::from_static(b"a")).await
    };
    let long = match long.await {
        Err(long) => long,
        Ok(()) => body.finish().await.unwrap_err(),
    };
    assert!(matches!(long, Error::TooLarge { limit: 8, .. }), "{long:?}");
    assert_eq!(offset(&world, "a").await, 0);
    assert_eq!(world.chunks.inner.list(None, 10).await.unwrap(), []);
    let mut body = begin(b"hello ").await;
    body.write(Bytes::from_static(b"hello ")).await.unwrap();
    assert_eq!(body.finish().await.unwrap().offset, 6);
}

#[tokio::test]
async fn what_is_too_much_is_refused_and_what_was_recorded_stays() {
    let world = small(|config| config.max_chunk_bytes = 4);
    begun(&world, "a", 6).await;
    let mut body = appending(&world, "a", 0).await.unwrap();
    body.write(Bytes::from_static(b"hell")).await.unwrap();
    recorded(&world, "a", 4).await;
    body.write(Bytes::from_static(b"o ")).await.unwrap();
    let long = match body.write(Bytes::from_static(b"!")).await {
        Err(long) => long,
        Ok(()) => body.finish().await.unwrap_err(),
    };
    assert!(matches!(long, Error::SizeMismatch { declared: 6, received: 7 }), "{long:?}");
    assert_eq!(offset(&world, "a").await, 4, "the last byte would have completed it");
}

#[tokio::test]
async fn what_came_before_that_is_recorded_when_it_is_asked_for() {
    let world = small(|config| {
        config.max_file_bytes = 4;
        config.max_chunk_bytes = 6;
    });
    world.engine.begin(&new_file("a"), &caller()).await.unwrap();
    let mut body = appending(&world, "a", 0).await.unwrap();
    // Too little to be taken before somebody asks.
    for piece in ["hel", "lo"] {
        body.write(Bytes::from(piece)).await.unwrap();
    }
    let wrong = appending(&world, "a", 1).await.unwrap_err();
    assert!(matches!(wrong, Error::Offset { expected: 3 }), "{wrong:?}");
    let long = body.given_up().await;
    assert!(matches!(long, Error::TooLarge { what: "file", limit: 4 }), "{long:?}");
}

#[tokio::test]
async fn what_is_too_much_completes_nothing_when_it_is_asked_for() {
    let world = small(|config| config.max_chunk_bytes = 8);
    begun(&world, "a", 3).await;
    let mut body = appending(&world, "a", 0).await.unwrap();
    for piece in ["hel", "lo"] {
        body.write(Bytes::from(piece)).await.unwrap();
    }
    let wrong = appending(&world, "a", 1).await.unwrap_err();
    assert!(matches!(wrong, Error::Offset { expected: 0 }), "{wrong:?}");
    let long = body.given_up().await;
    assert!(matches!(long, Error::SizeMismatch { declared: 3, received: 5 }), "{long:?}");
}

#[tokio::test]
async fn a_newer_request_ends_one_that_hangs() {
    let world = World::new();
    begun(&world, "a", 14).await;
    let mut hangs = appending(&world, "a", 0).await.unwrap();
    hangs.write(Bytes::from_static(b"hello ")).await.unwrap();
    while offset(&world, "a").await == 0 {}
    hangs.write(Bytes::from_static(b"tel")).await.unwrap();
    let wrong = appending(&world, "a", 3).await.unwrap_err();
    assert!(matches!(wrong, Error::Offset { expected: 6 | 9 }), "{wrong:?}");
    let at = offset(&world, "a").await;
    let mut body = appending(&world, "a", at as usize).await.unwrap();
    let ended = hangs.given_up().await;
    assert!(matches!(ended, Error::Conflict(Conflict::TakenOver)), "{ended:?}");
    body.write(Bytes::copy_from_slice(&b"hello telegram"[at as usize..])).await.unwrap();
    body.finish().await.unwrap();
    world.drain().await;
    assert_eq!(world.uploader.sent(), [b"hello telegram"]);
}

#[tokio::test]
async fn of_two_workers_the_quicker_one_has_the_offset() {
    let world = World::new();
    let peer = world.peer(crate::uploader::Scripted::new());
    begun(&world, "a", 14).await;
    let mut one = appending(&world, "a", 0).await.unwrap();
    one.write(Bytes::from_static(b"hello")).await.unwrap();
    let mut two = peer.appending(&id("a"), 0, Vec::new(), &caller()).await.unwrap();
    two.write(Bytes::from_static(b"hello ")).await.unwrap();
    assert_eq!(two.finish().await.unwrap().offset, 6);
    let late = one.finish().await.unwrap_err();
    assert!(matches!(late, Error::Conflict(Conflict::TakenOver)), "{late:?}");
    assert_eq!(offset(&world, "a").await, 6);
}

#[tokio::test]
async fn what_could_not_be_recorded_is_told_and_sent_again() {
    let world = World::new();
    begun(&world, "a", 5).await;
    world.sessions.hooks.fail("append", 1);
    let mut body = appending(&world, "a", 0).await.unwrap();
    body.write(Bytes::from_static(b"hello")).await.unwrap();
    let failed = body.finish().await.unwrap_err();
    assert!(matches!(failed, Error::StoreUnavailable(_)), "{failed:?}");
    let mut body = appending(&world, "a", 0).await.unwrap();
    body.write(Bytes::from_static(b"hello")).await.unwrap();
    assert!(body.finish().await.unwrap().is_complete());
}

async fn append_each(world: &World, name: &str, bytes: &[u8], size: usize) {
    for (at, piece) in bytes.chunks(size).enumerate() {
        let mut body = appending(world, name, at * size).await.unwrap();
        body.write(Bytes::copy_from_slice(piece)).await.unwrap();
        body.finish().await.unwrap();
    }
}

#[tokio::test]
async fn small_pieces_become_few_and_nothing_is_left_of_them() {
    let world = World::new();
    let bytes: Vec<u8> = (0..3 * MIB).map(|at| (at % 251) as u8).collect();
    begun(&world, "a", bytes.len() + 1).await;
    append_each(&world, "a", &bytes, 8 * 1024).await;
    let upload = world.stored("a").await;
    assert_eq!(upload.received_bytes, bytes.len() as u64);
    assert!(upload.received_chunks < 48, "{}", upload.received_chunks);
    let records = world.sessions.inner.chunks(&upload.key).await.unwrap();
    let blobs = world.chunks.inner.list(None, 10_000).await.unwrap();
    assert_eq!(blobs.len(), records.len(), "what was joined is gone");
    append_last(&world, "a", bytes.len()).await;
    world.drain().await;
    assert_eq!(world.uploader.sent()[0][..bytes.len()], bytes);
}

async fn append_last(world: &World, name: &str, at: usize) {
    let mut body = appending(world, name, at).await.unwrap();
    body.write(Bytes::from_static(b"!")).await.unwrap();
    body.finish().await.unwrap();
}

#[tokio::test]
async fn pieces_that_cannot_be_joined_stay_as_they_are() {
    let world = World::new();
    begun(&world, "a", 33).await;
    world.sessions.hooks.break_down("join");
    append_each(&world, "a", &[7; 32], 1).await;
    assert_eq!(world.stored("a").await.received_chunks, 32);
    append_last(&world, "a", 32).await;
    world.drain().await;
    assert_eq!(world.uploader.sent()[0].len(), 33);
}

#[tokio::test]
async fn a_peer_that_appends_meanwhile_keeps_its_piece() {
    let world = World::new();
    let peer = world.peer(crate::uploader::Scripted::new());
    begun(&world, "a", 18).await;
    append_each(&world, "a", &[1; 15], 1).await;
    let (reached, go_on) = world.sessions.hooks.halt("append");
    let mut body = appending(&world, "a", 15).await.unwrap();
    body.write(Bytes::from_static(&[1])).await.unwrap();
    let finished = tokio::spawn(body.finish());
    reached.notified().await;
    let mut between = peer.appending(&id("a"), 16, Vec::new(), &caller()).await.unwrap();
    between.write(Bytes::from_static(&[2])).await.unwrap();
    between.finish().await.unwrap();
    go_on.notify_one();
    finished.await.unwrap().unwrap();
    append_last(&world, "a", 17).await;
    world.drain().await;
    let sent = &world.uploader.sent()[0];
    assert_eq!(sent[..], [&[1; 16][..], &[2], b"!"].concat());
}
