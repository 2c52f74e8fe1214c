//! Files whose bytes come one piece behind the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use telestore::types::{FileName, UploadOptions, UploadState};
use telestore::{AppendReceipt, Caller, Error, NewFile, Result};

use crate::support::{TOKEN, World, id, spooled, token, with};

fn new_file(name: &str) -> NewFile {
    NewFile::new(id(name), FileName::new("film.mp4").unwrap())
}

async fn begin(world: &World, file: &NewFile) -> Result<AppendReceipt> {
    world.engine.begin(file, &Caller::from(token(TOKEN))).await
}

async fn append(world: &World, name: &str, offset: u64, bytes: &[u8]) -> Result<AppendReceipt> {
    let spooled = spooled(&world.engine, bytes).await;
    world.engine.append(&id(name), offset, spooled, &Caller::from(token(TOKEN))).await
}

async fn blobs(world: &World) -> usize {
    use telestore::store::SessionStore;
    let key = world.stored("a").await.key;
    world.sessions.inner.chunks(&key).await.unwrap().len()
}

#[tokio::test]
async fn a_file_of_unknown_length_is_sent_once_its_length_is_said() {
    let world = World::new();
    let options = UploadOptions::default().with_caption("to the letter");
    let begun = begin(&world, &new_file("a").with_options(options)).await.unwrap();
    assert_eq!((begun.offset, begun.size), (0, None));
    assert_eq!(append(&world, "a", 0, b"hello ").await.unwrap().offset, 6);
    let gap = append(&world, "a", 7, b"telegram").await.unwrap_err();
    assert!(matches!(gap, Error::Offset { expected: 6 }), "{gap:?}");
    assert_eq!(append(&world, "a", 6, b"telegram").await.unwrap().offset, 14);
    let early = world.engine.complete(&id("a"), &Caller::from(token(TOKEN))).await.unwrap_err();
    assert!(matches!(early, Error::Conflict(_)), "{early:?}");
    let short = world.engine.declare_size(&id("a"), 13, &Caller::from(token(TOKEN))).await.unwrap_err();
    assert!(matches!(short, Error::SizeMismatch { declared: 13, received: 14 }), "{short:?}");
    assert!(
        world.engine.declare_size(&id("a"), 14, &Caller::from(token(TOKEN))).await.unwrap().is_complete()
    );
    world.engine.complete(&id("a"), &Caller::from(token(TOKEN))).await.unwrap();
    world.drain().await;
    assert_eq!(world.stored("a").await.state, UploadState::Completed);
    assert_eq!(world.uploader.sent(), [b"hello telegram"]);
    assert_eq!(world.uploader.request(0).caption.text(), "to the letter");
    let late = append(&world, "a", 14, b"!").await.unwrap_err();
    assert!(matches!(late, Error::Conflict(_)), "{late:?}");
}

#[tokio::test]
async fn joined_pieces_that_were_taken_for_an_orphan_are_joined_again() {
    use telestore::store::{ChunkStore, SessionStore};
    // Everything took longer than that.
    let world = with(|config| config.orphan_grace = Duration::ZERO);
    begin(&world, &new_file("a")).await.unwrap();
    let key = world.stored("a").await.key;
    let (sessions, chunks) = (world.sessions.inner.clone(), world.chunks.inner.clone());
    let joined = Arc::new(AtomicBool::new(false));
    let told = joined.clone();
    world.sessions.hooks.after("join", async move {
        // Another worker's walk.
        let [record] = &sessions.chunks(&key).await.unwrap()[..] else { panic!("they are joined") };
        chunks.delete(std::slice::from_ref(&record.blob)).await.unwrap();
        told.store(true, Ordering::Relaxed);
    });
    let mut sent = Vec::new();
    for _ in 0..16 {
        append(&world, "a", sent.len() as u64, b"some bytes").await.unwrap();
        sent.extend_from_slice(b"some bytes");
    }
    assert!(joined.load(Ordering::Relaxed));
    assert_eq!((blobs(&world).await, world.chunks.inner.blobs()), (1, 1));
    world.engine.declare_size(&id("a"), sent.len() as u64, &Caller::from(token(TOKEN))).await.unwrap();
    world.engine.complete(&id("a"), &Caller::from(token(TOKEN))).await.unwrap();
    world.drain().await;
    assert_eq!(world.uploader.sent(), [sent]);
}

#[tokio::test]
async fn of_two_at_one_offset_one_is_kept() {
    let world = World::new();
    begin(&world, &new_file("a").of_size(10)).await.unwrap();
    let answers = tokio::join!(append(&world, "a", 0, b"one__"), append(&world, "a", 0, b"two__"));
    let (kept, refused) = match answers {
        (Ok(kept), Err(refused)) | (Err(refused), Ok(kept)) => (kept, refused),
        other => panic!("{other:?}"),
    };
    assert_eq!(kept.offset, 5);
    assert!(matches!(refused, Error::Offset { expected: 5 }), "{refused:?}");
    assert_eq!(blobs(&world).await, 1);
    let long = append(&world, "a", 5, b"too long").await.unwrap_err();
    assert!(matches!(long, Error::SizeMismatch { declared: 10, received: 13 }), "{long:?}");
}

#[tokio::test]
async fn what_was_not_recorded_is_sent_again() {
    let world = World::new();
    begin(&world, &new_file("a").of_size(5)).await.unwrap();
    world.sessions.hooks.fail("append", 1);
    append(&world, "a", 0, b"hello").await.unwrap_err();
    let again = begin(&world, &new_file("a").of_size(5)).await.unwrap();
    assert_eq!(again.offset, 0, "the client asks how far it is");
    assert!(append(&world, "a", 0, b"hello").await.unwrap().is_complete());
    assert_eq!(append(&world, "a", 5, b"").await.unwrap().offset, 5, "nothing changes nothing");
    world.engine.complete(&id("a"), &Caller::from(token(TOKEN))).await.unwrap();
    world.drain().await;
    assert_eq!(world.uploader.sent(), [b"hello"]);
}

#[tokio::test]
async fn an_id_stands_for_one_file_and_one_user() {
    let world = World::new();
    begin(&world, &new_file("a").of_size(5)).await.unwrap();
    let other = begin(&world, &new_file("a").of_size(6)).await.unwrap_err();
    assert!(matches!(other, Error::Conflict(_)), "{other:?}");
    let bob = world.engine.begin(&new_file("a").of_size(5), &Caller::from(token("bob-1"))).await.unwrap_err();
    assert!(matches!(bob, Error::Forbidden), "{bob:?}");
    let nobody = world.engine.begin(&new_file("b"), &Caller::nobody()).await.unwrap_err();
    assert!(matches!(nobody, Error::Unauthorized(_)), "{nobody:?}");
    assert!(matches!(append(&world, "b", 0, b"x").await, Err(Error::NotFound)));
}
