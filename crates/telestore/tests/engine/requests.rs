//! What an uploader is asked, and which uploader.

use telestore::types::{FileName, UploadState};
use telestore::uploader::{Capability, MockTelegramUploader, Requirement};
use telestore::{Caller, Error, FileInfo, IncomingChunk};

use crate::support::{BODY, TOKEN, World, chunk_of, file, id, queue, send_chunk, spooled, token};
use crate::uploader::{Scripted, stored};

#[tokio::test]
async fn an_uploader_gets_the_owners_credentials_and_the_whole_file() {
    let world = World::new();
    let info = file("a", 9, 3);
    for (index, bytes) in [(2, &b"xyz"[..]), (0, b"ab"), (1, b"cdef")] {
        let spooled = spooled(&world.engine, bytes).await;
        let receipt = world
            .engine
            .write_chunk(&chunk_of(info.clone(), index), spooled, &Caller::from(token(TOKEN)))
            .await;
        assert_eq!(receipt.unwrap().index, index);
    }
    world.engine.complete(&id("a"), &Caller::nobody()).await.unwrap();
    assert_eq!(world.drain().await, 1);

    let request = world.uploader.request(0);
    assert_eq!(request.credentials.user_id.as_str(), "alice");
    assert_eq!(request.credentials.chat_id.as_str(), "-1001234567890");
    assert_eq!(request.file_name.as_str(), "film.mp4");
    assert_eq!(request.caption.text(), "Uploaded: film.mp4");
    assert_eq!(request.resume, None);
    assert_eq!(world.uploader.sent(), [b"abcdefxyz"]);
    assert_eq!(world.stored("a").await.state, UploadState::Completed);
    assert_eq!(world.chunks.inner.blobs(), 0, "the bytes go once the file is in the channel");
}

#[tokio::test]
async fn a_mime_type_is_what_was_declared_then_what_the_name_says_then_bytes() {
    let world = World::new();
    for (attempt, (name, declared, expected)) in [
        ("film.mp4", Some("video/webm"), "video/webm"),
        ("notes.txt", Some("text/plain; charset=utf-8"), "text/plain; charset=utf-8"),
        ("film.mp4", Some("application/octet-stream"), "video/mp4"),
        ("film.mp4", Some("nonsense"), "video/mp4"),
        ("film.mp4", None, "video/mp4"),
        ("film", None, "application/octet-stream"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = id(&format!("upload-{attempt}"));
        let file_name = FileName::new(name).unwrap();
        let file = FileInfo::new(id.clone(), file_name, 5, 1);
        let chunk = IncomingChunk::new(file, 0).with_mime_type(declared.map(str::to_owned));
        let spooled = spooled(&world.engine, b"hello").await;
        world.engine.write_chunk(&chunk, spooled, &Caller::from(token(TOKEN))).await.unwrap();
        world.engine.complete(&id, &Caller::nobody()).await.unwrap();
        world.drain().await;
        assert_eq!(world.uploader.request(attempt).mime_type, expected, "{name} declared {declared:?}");
    }
}

#[tokio::test]
async fn the_first_uploader_that_fits_by_size_and_credentials_takes_the_file() {
    let small = Scripted::with("small", BODY.len() as u64 - 1, Requirement::BotToken);
    let session = Scripted::with("session", u64::MAX, Requirement::Session);
    let large = Scripted::with("large", u64::MAX, Requirement::BotToken);
    let last = Scripted::with("last", u64::MAX, Requirement::Nothing);
    let world = World::sending_with(large.clone(), |builder| {
        builder
            .uploader(small.clone())
            .uploader(session.clone())
            .uploader(large.clone())
            .uploader(last.clone())
    });
    world.queue("a").await;
    world.drain().await;
    let attempts = [&small, &session, &large, &last].map(Scripted::attempts);
    assert_eq!(attempts, [0, 0, 1, 0]);
}

#[tokio::test]
async fn a_file_that_no_uploader_takes_fails_with_the_reason() {
    for (max_bytes, requirement, expected) in [
        (3, Requirement::Nothing, "file of 14 bytes is over the limit of 3 bytes"),
        (u64::MAX, Requirement::Session, "Telegram session not authorized"),
    ] {
        // It was taken in while there was another uploader.
        let world = World::with(|builder| builder);
        let engine = world.second_engine(Scripted::with("unfit", max_bytes, requirement));
        world.queue("a").await;
        assert!(engine.step().await.unwrap());
        assert_eq!(world.stored("a").await.error.as_deref(), Some(expected));
        assert_eq!(world.chunks.inner.blobs(), 1);
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_and_its_credentials_are_asked_for_anew() {
    let small = || Scripted::with("small", 3, Requirement::BotToken);
    let session = Scripted::with("session", 1000, Requirement::Session);
    let world = World::sending_with(small(), |builder| builder.uploader(small()).uploader(session.clone()));
    let send = async |size| send_chunk(&world.engine, &file("a", size, 1), 0, &[1; 2]).await;
    assert!(matches!(send(4).await, Err(Error::NeedsSession { limit: 3 })));
    assert!(matches!(send(1001).await, Err(Error::TooLarge { what: "file", limit: 1000 })));
    assert_eq!(*world.forgotten.lock().unwrap(), [TOKEN, TOKEN], "a user who signs in now is not held to it");
    assert_eq!(world.chunks.inner.blobs(), 0);
    send(3).await.unwrap();
}

#[tokio::test]
async fn a_file_is_sent_exactly_once() {
    let mut mock = MockTelegramUploader::new();
    mock.expect_name().return_const("mock");
    mock.expect_capability().return_const(Capability::new(u64::MAX, Requirement::BotToken));
    mock.expect_keep_keys().return_const(());
    mock.expect_upload().times(1).returning(|_, _| Ok(stored(7)));
    let world = World::new();
    let engine = world.second_engine(mock);
    queue(&engine, "a").await;
    for _ in 0..3 {
        engine.complete(&id("a"), &Caller::nobody()).await.unwrap();
        while engine.step().await.unwrap() {}
    }
    let event = world.progress("a").await;
    assert_eq!((event.progress, event.message_id()), (100, Some(7)));
    assert_eq!(event.file_id().as_deref(), Some("file-7"));
}
