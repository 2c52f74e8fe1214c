//! Whole files whose requests come again: each is carried out once.

use std::time::Duration;

use bytes::Bytes;
use telestore::store::{Listing, SessionStore, SpooledChunk};
use telestore::types::{FileDigest, FileName, Outcome, UploadOptions};
use telestore::uploader::ErrorKind;
use telestore::{Caller, DirectFile, DirectReceipt, Error, IdempotencyKey, Result, Telestore};

use crate::support::{BODY, HOUR, World, began, spooled, token};
use crate::uploader::stored;

fn key(text: &str) -> Option<IdempotencyKey> {
    Some(IdempotencyKey::new(text).unwrap())
}

fn notes() -> DirectFile {
    DirectFile::new(FileName::new("notes.txt").unwrap())
}

fn keyed() -> DirectFile {
    notes().with_key(key("a-key"))
}

async fn send_as(
    engine: &Telestore,
    token_text: &str,
    file: DirectFile,
    body: &[u8],
) -> Result<DirectReceipt> {
    let spooled = spooled(engine, body).await;
    engine.upload_file(file, spooled, &Caller::from(token(token_text))).await
}

async fn send(engine: &Telestore, file: DirectFile) -> Result<DirectReceipt> {
    send_as(engine, "alice-1", file, BODY).await
}

/// What is left of the bytes of a repeat that were not kept.
async fn counted(engine: &Telestore, body: &[u8]) -> SpooledChunk {
    let mut counting = engine.counting();
    counting.write(Bytes::copy_from_slice(body)).await.unwrap();
    counting.finish().await.unwrap()
}

async fn uploads(world: &World) -> usize {
    world.sessions.inner.list(&Listing::first(99)).await.unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn a_repeat_gets_the_answer_of_the_first() {
    let world = World::new();
    let running = world.engine.start().await.unwrap();
    let alice = Caller::from(token("alice-1"));
    assert!(!world.engine.has_file_of(&key("a-key").unwrap(), &alice).await.unwrap());
    let first = send(&world.engine, keyed()).await.unwrap();
    assert_eq!(send(&world.engine, keyed()).await.unwrap(), first);
    // With another token of the same user, and without keeping the bytes again.
    let alice = Caller::from(token("alice-2"));
    assert!(world.engine.has_file_of(&key("a-key").unwrap(), &alice).await.unwrap());
    let bytes = counted(&world.engine, BODY).await;
    assert_eq!(world.engine.upload_again(keyed(), bytes, &alice).await.unwrap(), first);
    assert_eq!((world.uploader.attempts(), uploads(&world).await), (1, 1));
    // The key is the user's.
    let bob = send_as(&world.engine, "bob-1", keyed(), BODY).await.unwrap();
    assert_ne!(bob.upload_id, first.upload_id);
    assert_eq!(world.uploader.attempts(), 2);
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_repeat_waits_for_a_file_that_is_on_its_way() {
    let world = World::new();
    let running = world.engine.start().await.unwrap();
    world.uploader.then(|_| async {
        tokio::time::sleep(Duration::from_secs(40)).await;
        Ok(stored(7))
    });
    let engine = world.engine.clone();
    let first = tokio::spawn(async move { send(&engine, keyed()).await });
    began(&world, 1).await;
    first.abort();
    let again = [send(&world.engine, keyed()), send(&world.engine, keyed())];
    for answer in futures_all(again).await {
        assert_eq!(answer.unwrap().stored.message_id(), 7);
    }
    assert_eq!((world.uploader.attempts(), uploads(&world).await), (1, 1));
    running.shutdown().await;
}

async fn futures_all<T>(all: [impl Future<Output = T>; 2]) -> [T; 2] {
    let [one, two] = all;
    tokio::join!(one, two).into()
}

#[tokio::test(start_paused = true)]
async fn of_requests_that_come_at_once_one_is_carried_out() {
    // Wherever the first one is when the second comes.
    for at in ["create", "record_chunk", "complete"] {
        let world = World::new();
        let running = world.engine.start().await.unwrap();
        let (reached, go_on) = world.sessions.hooks.halt(at);
        let engine = world.engine.clone();
        let first = tokio::spawn(async move { send(&engine, keyed()).await });
        reached.notified().await;
        let engine = world.engine.clone();
        let second = tokio::spawn(async move { send(&engine, keyed()).await });
        tokio::time::sleep(Duration::from_secs(5)).await;
        go_on.notify_one();
        let (first, second) = tokio::join!(first, second);
        assert_eq!(first.unwrap().unwrap(), second.unwrap().unwrap(), "{at}");
        assert_eq!((world.uploader.attempts(), uploads(&world).await), (1, 1), "{at}");
        assert_eq!(world.chunks.inner.blobs(), 0, "{at}");
        running.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_failed_for_good_is_begun_anew_by_a_repeat() {
    let world = World::new();
    let running = world.engine.start().await.unwrap();
    world.uploader.then_fail(ErrorKind::ChannelUnresolved, "Could not resolve channel ID");
    let refused = send(&world.engine, keyed()).await.unwrap_err().to_string();
    assert!(refused.contains("Could not resolve"), "{refused}");
    let alice = Caller::from(token("alice-1"));
    assert!(!world.engine.has_file_of(&key("a-key").unwrap(), &alice).await.unwrap());
    let bytes = counted(&world.engine, BODY).await;
    let asked = world.engine.upload_again(keyed(), bytes, &alice).await;
    assert!(matches!(asked, Err(Error::SendAgain)), "{asked:?}");
    assert_eq!(send(&world.engine, keyed()).await.unwrap().stored.message_id(), 1);
    assert_eq!((world.uploader.sent(), uploads(&world).await), (vec![BODY.to_vec()], 1));
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_may_be_in_the_channel_is_not_sent_again_by_a_repeat() {
    let world = World::new();
    let running = world.engine.start().await.unwrap();
    world.uploader.then_fail(ErrorKind::AnswerLost, "no answer came");
    let said = send(&world.engine, keyed()).await.unwrap_err();
    let Error::UploadFailed { outcome: Some(Outcome::Ambiguous), why } = &said else { panic!("{said:?}") };
    assert_eq!(&send(&world.engine, keyed()).await.unwrap_err().to_string(), why);
    assert_eq!(world.uploader.attempts(), 1);
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_key_stands_for_one_file_and_one_message() {
    let world = World::new();
    let running = world.engine.start().await.unwrap();
    send(&world.engine, keyed()).await.unwrap();
    let other_bytes = send_as(&world.engine, "alice-1", keyed(), b"other telegram").await;
    let renamed = DirectFile::new(FileName::new("other.txt").unwrap()).with_key(key("a-key"));
    let captioned = keyed().with_options(UploadOptions::default().with_caption("else"));
    let counted = counted(&world.engine, b"other telegram").await;
    let alice = Caller::from(token("alice-1"));
    for answer in [
        other_bytes,
        send(&world.engine, renamed).await,
        send(&world.engine, captioned).await,
        world.engine.upload_again(keyed(), counted, &alice).await,
    ] {
        assert!(matches!(answer, Err(Error::OtherRequest)), "{answer:?}");
    }
    assert_eq!(world.uploader.attempts(), 1);
    assert_eq!(world.chunks.inner.blobs(), 0);
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_key_a_repeat_is_known_by_its_digest() {
    let world = World::new();
    let running = world.engine.start().await.unwrap();
    let file = || notes().with_sha256(Some(FileDigest::from([7; 32])));
    let first = send(&world.engine, file()).await.unwrap();
    assert_eq!(send(&world.engine, file()).await.unwrap(), first);
    assert_eq!(world.uploader.attempts(), 1);
    // Another name, and other words for the message, make another one; and so does a key.
    let renamed = DirectFile::new(FileName::new("other.txt").unwrap());
    for (count, other) in [
        renamed.with_sha256(Some(FileDigest::from([7; 32]))),
        file().with_options(UploadOptions::default().with_caption("else")),
        file().with_key(key("another")),
        notes(),
        notes(),
    ]
    .into_iter()
    .enumerate()
    {
        send(&world.engine, other).await.unwrap();
        assert_eq!(world.uploader.attempts(), count + 2);
    }
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_file_is_begun_anew_by_a_repeat() {
    let world = World::new();
    let started = world.uploader.then_telling(|call| call.until_cancelled());
    let running = world.engine.start().await.unwrap();
    let engine = world.engine.clone();
    let first = tokio::spawn(async move { send(&engine, keyed()).await });
    started.notified().await;
    let [upload] = &world.sessions.inner.list(&Listing::first(9)).await.unwrap()[..] else { panic!() };
    world.engine.cancel(&upload.id, &Caller::from(token("alice-1"))).await.unwrap();
    assert!(first.await.unwrap().is_err());
    let answer = send(&world.engine, keyed()).await.unwrap();
    assert_eq!((answer.upload_id, answer.stored.message_id()), (upload.id.clone(), 1));
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_next_process_knows_the_requests_of_the_last() {
    let world = World::new();
    world.uploader.then(|call| call.until_cancelled());
    let running = world.engine.start().await.unwrap();
    let engine = world.engine.clone();
    let first = tokio::spawn(async move { send(&engine, keyed()).await });
    began(&world, 1).await;
    // As a killed one leaves it.
    drop(running);
    first.abort();
    let next = world.second_engine(world.uploader.clone());
    let running = next.start().await.unwrap();
    let answer = tokio::time::timeout(HOUR, send(&next, keyed())).await.unwrap().unwrap();
    assert_eq!(answer.stored.message_id(), 1);
    assert_eq!((world.uploader.sent().len(), uploads(&world).await), (1, 1));
    running.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_left_half_way_is_begun_anew() {
    for at in ["record_chunk", "create"] {
        let world = World::new();
        let running = world.engine.start().await.unwrap();
        world.sessions.hooks.fail(at, 1);
        let first = send(&world.engine, keyed()).await;
        assert!(matches!(first, Err(Error::StoreUnavailable(_))), "{at}: {first:?}");
        assert_eq!(send(&world.engine, keyed()).await.unwrap().stored.message_id(), 1, "{at}");
        assert_eq!((world.uploader.attempts(), uploads(&world).await), (1, 1), "{at}");
        running.shutdown().await;
    }
}
