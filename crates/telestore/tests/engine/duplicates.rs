//! Files that their user has in the channel already: what is chosen, and what is left wherever a process ends.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use telestore::reader::{
    ByteStream, Error as ReadError, ErrorKind as ReadKind, MessageBytes, TelegramReader,
};
use telestore::store::FileListing;
use telestore::types::{
    ChatId, FileDigest, FileName, SendAs, StoredAs, StoredFile, StoredMessage, TelegramCredentials,
    UploadOptions, UploadState,
};
use telestore::uploader::ErrorKind;
use telestore::{Caller, Conflict, Error, FileInfo, NewFile};

use crate::support::{BODY, TOKEN, World, chunk_of, config, file, id, spooled, token};
use crate::uploader::Scripted;

/// A reader that sees every message, as long as nothing is gone.
#[derive(Debug, Clone, Default)]
struct Seen {
    gone: Arc<AtomicBool>,
    opened: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct There(u64);

impl MessageBytes for There {
    fn len(&self) -> u64 {
        self.0
    }

    fn read(self: Arc<Self>, _: Range<u64>) -> ByteStream {
        panic!("nobody reads the bytes")
    }
}

#[async_trait]
impl TelegramReader for Seen {
    fn name(&self) -> &'static str {
        "seen"
    }

    fn takes(&self, _: &TelegramCredentials, _: &StoredMessage) -> bool {
        true
    }

    async fn open(
        &self,
        _: &TelegramCredentials,
        message: &StoredMessage,
    ) -> Result<Arc<dyn MessageBytes>, ReadError> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        match self.gone.load(Ordering::SeqCst) {
            true => Err(ReadError::new(ReadKind::Gone, "gone")),
            false => Ok(Arc::new(There(message.size))),
        }
    }

    fn looks(&self, _: &TelegramCredentials) -> bool {
        false
    }

    async fn look(&self, _: &TelegramCredentials, _: i64) -> Result<Arc<dyn MessageBytes>, ReadError> {
        Err(ReadError::new(ReadKind::Gone, "nobody looks"))
    }
}

const CHAT: &str = "-1001234567890";

fn message(message_id: i64) -> StoredMessage {
    let stored_as = StoredAs::BotApi { file_id: format!("file-{message_id}") };
    StoredMessage::new(message_id, stored_as, BODY.len() as u64).in_chat(ChatId::new(CHAT).unwrap())
}

fn digest(byte: u8) -> FileDigest {
    FileDigest::from([byte; 32])
}

fn digest_of_body() -> FileDigest {
    use sha2::{Digest, Sha256};
    FileDigest::from(<[u8; 32]>::from(Sha256::digest(BODY)))
}

/// The file of these tests, of which the digest is said.
fn known(name: &str) -> FileInfo {
    let mut options = UploadOptions::default();
    options.sha256 = Some(digest_of_body());
    file(name, BODY.len() as u64, 1).with_options(options)
}

fn alice() -> Caller {
    Caller::from(token(TOKEN))
}

/// A world in which a file of `first` is in the channel, and a reader that sees it.
async fn world(first: StoredMessage) -> (World, Seen) {
    let seen = Seen::default();
    let reader = seen.clone();
    let world =
        World::with(|builder| builder.reader(reader).config(config().with(|config| config.dedup = true)));
    world.uploader.then(|call| async move {
        let length = usize::try_from(call.request.source.len()).unwrap();
        assert!(call.request.source.read_at(0, length).await? == BODY);
        Ok(StoredFile::new(first))
    });
    assert!(!world.engine.init(&known("first"), &alice()).await.unwrap().duplicate);
    let bytes = spooled(&world.engine, BODY).await;
    world.engine.write_chunk(&chunk_of(known("first"), 0), bytes, &alice()).await.unwrap();
    world.engine.complete(&id("first"), &alice()).await.unwrap();
    world.drain().await;
    assert_eq!(world.stored("first").await.state, UploadState::Completed);
    (world, seen)
}

/// The next attempt makes this message.
fn makes(uploader: &Scripted, message_id: i64) {
    uploader.then(move |call| async move {
        assert_eq!(call.request.copy_of, Some(message(1)));
        assert_eq!((call.request.source.len(), call.request.send_as), (BODY.len() as u64, SendAs::Document));
        assert!(call.request.source.read_at(0, 1).await.is_err(), "its bytes are at Telegram only");
        Ok(StoredFile::new(message(message_id)))
    });
}

async fn is_known(world: &World, file: &FileInfo, caller: &Caller) -> bool {
    world.engine.init(file, caller).await.unwrap().duplicate
}

#[tokio::test]
async fn it_is_completed_when_it_is_begun_and_sent_once_more() {
    let (world, seen) = world(message(1)).await;
    makes(&world.uploader, 2);
    assert!(is_known(&world, &known("second"), &alice()).await);
    assert_eq!(seen.opened.load(Ordering::SeqCst), 1, "it was seen to be there");
    let row = world.stored("second").await;
    assert_eq!((row.state, row.duplicate_of), (UploadState::Queued, Some(message(1))));
    assert!(is_known(&world, &known("second"), &alice()).await, "as often as it is begun");
    world.drain().await;
    let row = world.stored("second").await;
    assert_eq!((row.state, row.result().map(StoredFile::message_id)), (UploadState::Completed, Some(2)));
    let files = world.engine.files(&FileListing::first(9), &alice()).await.unwrap().files;
    assert_eq!(files.iter().map(|file| file.upload_id.as_str()).collect::<Vec<_>>(), ["second", "first"]);
    assert_eq!(files[0].sha256, Some(digest_of_body()));
}

#[tokio::test]
async fn one_that_is_appended_to_is_whole_at_once() {
    let (world, _) = world(message(1)).await;
    makes(&world.uploader, 2);
    let mut options = UploadOptions::default();
    options.sha256 = Some(digest_of_body());
    let name = FileName::new("film.mp4").unwrap();
    let new = NewFile::new(id("second"), name).streamed().of_size(BODY.len() as u64).with_options(options);
    let receipt = world.engine.begin(&new, &alice()).await.unwrap();
    assert!(receipt.duplicate && receipt.is_complete());
    let status = world.engine.append_status(&id("second"), &alice()).await.unwrap();
    assert_eq!((status.receipt.offset, status.state), (BODY.len() as u64, UploadState::Queued));
    // Parts are nothing by themselves, whatever is said of them.
    let mut part = new.partial();
    part.id = id("part");
    assert!(!world.engine.begin(&part, &alice()).await.unwrap().duplicate);
    world.drain().await;
    assert_eq!(world.stored("second").await.state, UploadState::Completed);
}

#[tokio::test]
async fn what_differs_goes_as_ever() {
    let (world, seen) = world(message(1)).await;
    let with = |name: &str, change: &dyn Fn(&mut UploadOptions)| {
        let mut options = known("x").options;
        change(&mut options);
        file(name, BODY.len() as u64, 1).with_options(options)
    };
    let (mut other_name, mut length) = (known("name"), known("length"));
    length.file_size += 1;
    other_name.file_name = FileName::new("other.mp4").unwrap();
    for different in [
        with("no-digest", &|options| options.sha256 = None),
        with("digest", &|options| options.sha256 = Some(digest(1))),
        with("video", &|options| options.send_as = Some(SendAs::Video)),
        with("encrypted", &|options| options.encrypt = Some(true)),
        length,
        other_name,
    ] {
        assert!(!is_known(&world, &different, &alice()).await, "{}", different.id);
    }
    assert!(!is_known(&world, &known("bobs"), &Caller::from(token("bob-1"))).await, "another user's");
    assert!(!is_known(&world, &known("nobodys"), &Caller::nobody()).await);
    assert_eq!(seen.opened.load(Ordering::SeqCst), 0, "nobody is asked in vain");
    // A plain one is fine for who would have it compressed.
    assert!(is_known(&world, &with("compressed", &|options| options.compress = Some(true)), &alice()).await);
}

#[tokio::test]
async fn a_message_that_no_other_can_be_made_of_is_left() {
    let elsewhere = message(1).in_chat(ChatId::new("-1009").unwrap());
    let (mut unknown, video) = (message(1), message(1).sent_as(SendAs::Video));
    unknown.chat_id = None;
    let mut folder = message(1);
    folder.stored_as = StoredAs::Other { kind: "folder".to_owned(), file_id: "1".to_owned() };
    for first in [elsewhere, unknown, video, folder] {
        let (world, _) = world(first.clone()).await;
        assert!(!is_known(&world, &known("second"), &alice()).await, "{first:?}");
    }
}

#[tokio::test]
async fn what_is_gone_goes_as_ever() {
    let (world, seen) = world(message(1)).await;
    seen.gone.store(true, Ordering::SeqCst);
    assert!(!is_known(&world, &known("second"), &alice()).await);
    assert_eq!(world.stored("second").await.state, UploadState::Receiving);
}

#[tokio::test]
async fn what_goes_meanwhile_fails_with_words_and_is_sent_as_ever() {
    let (world, _) = world(message(1)).await;
    world.uploader.then_fail(ErrorKind::Rejected, "it is gone: send it with a new upload");
    assert!(is_known(&world, &known("second"), &alice()).await);
    world.drain().await;
    let row = world.stored("second").await;
    assert_eq!(row.state, UploadState::Failed);
    assert!(row.error.unwrap().contains("send it with a new upload"));
    let bytes = spooled(&world.engine, BODY).await;
    let late = world.engine.write_chunk(&chunk_of(known("second"), 0), bytes, &alice()).await;
    late.unwrap();
    assert!(!world.stored("second").await.is_duplicate());
    world.uploader.then(|call| async move {
        assert_eq!(call.request.copy_of, None);
        assert!(call.request.source.read_at(0, BODY.len()).await? == BODY);
        Ok(StoredFile::new(message(3)))
    });
    world.engine.complete(&id("second"), &alice()).await.unwrap();
    world.drain().await;
    assert_eq!(world.stored("second").await.state, UploadState::Completed);
}

#[tokio::test]
async fn wherever_a_process_ends_there_is_one_message_more() {
    // Before the row is there, nothing is.
    let (world, _) = world(message(1)).await;
    world.sessions.hooks.fail("create", 1);
    assert!(world.engine.init(&known("second"), &alice()).await.is_err());
    assert_eq!(world.drain().await, 0);
    assert_eq!(world.uploader.attempts(), 1);
    // Once it is, the next process sends it, from the row alone.
    assert!(is_known(&world, &known("second"), &alice()).await);
    let next = Scripted::new();
    makes(&next, 2);
    let engine = world.second_engine(next.clone());
    while engine.step().await.unwrap() {}
    assert_eq!((world.stored("second").await.state, next.attempts()), (UploadState::Completed, 1));
    assert_eq!(world.drain().await, 0, "and no other");
}

#[tokio::test]
async fn one_that_is_cancelled_is_begun_anew() {
    let (world, _) = world(message(1)).await;
    assert!(is_known(&world, &known("second"), &alice()).await);
    assert_eq!(world.engine.cancel(&id("second"), &alice()).await.unwrap(), None);
    let bytes = spooled(&world.engine, BODY).await;
    let late = world.engine.write_chunk(&chunk_of(known("second"), 0), bytes, &alice()).await;
    assert!(matches!(late, Err(Error::Conflict(Conflict::Cancelled))), "{late:?}");
    makes(&world.uploader, 2);
    assert!(is_known(&world, &known("second"), &alice()).await);
    world.drain().await;
    assert_eq!(world.stored("second").await.state, UploadState::Completed);
}
