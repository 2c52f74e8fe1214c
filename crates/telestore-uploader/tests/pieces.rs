//! Files that are larger than one message.

mod common;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use common::{PART, World, bot_api_with, credentials_of, mtproto_with};
use telestore_sandbox::{Fault, SandboxMessage, SandboxUser, UserSpec};
use telestore_types::{ChatId, ResumeState, Stage, StoredFile, TelegramCredentials};
use telestore_uploader::testsuite::{Recorder, bytes, sha256};
use telestore_uploader::{
    CancellationToken, Error, ErrorKind, PiecesUploader, ProgressSink, Result, TelegramUploader,
    UploadRequest,
};

const SEND: &str = "messages.sendMedia";
const BIG: &str = "upload.saveBigFilePart";

/// 11 MiB: above what goes in small parts.
const PIECE: usize = 22 * PART;

fn in_pieces() -> PiecesUploader {
    in_pieces_of(PIECE)
}

fn in_pieces_of(bytes: usize) -> PiecesUploader {
    PiecesUploader::new(mtproto_with(|config| config.max_failures = 1)).with_piece_bytes(bytes as u64)
}

/// Checks that the channel holds the file, and nothing else, in the pieces that were named.
fn holds(world: &World, stored: &StoredFile, bytes: &Bytes) -> Vec<SandboxMessage> {
    let mut there = world.sandbox.messages_of(&world.user);
    there.sort_by_key(|message| message.sent_name.clone());
    let named: Vec<_> = stored.messages().iter().map(|message| message.message_id).collect();
    let found: Vec<_> = there.iter().map(|message| i64::from(message.message_id)).collect();
    assert_eq!(found, named, "one message for each piece, in order");
    let joined: Vec<u8> = there.iter().flat_map(|message| std::fs::read(&message.path).unwrap()).collect();
    assert_eq!(sha256(&joined), sha256(bytes), "joined they are the file");
    assert_eq!(stored.size(), bytes.len() as u64);
    there
}

#[tokio::test]
async fn a_large_file_goes_as_numbered_pieces() {
    let world = World::new().await;
    let bytes = bytes(1, 2 * PIECE + 5);
    let listener = Recorder::new();
    let stored = in_pieces().upload(world.request(&bytes), listener.clone()).await.unwrap();
    let there = holds(&world, &stored, &bytes);
    let names: Vec<_> = there.iter().map(|message| message.sent_name.as_str()).collect();
    assert_eq!(names, ["file.bin.001", "file.bin.002", "file.bin.003"]);
    let captions: Vec<_> = there.iter().map(|message| message.caption.as_str()).collect();
    assert_eq!(
        captions,
        ["Uploaded: file.bin (1/3)", "Uploaded: file.bin (2/3)", "Uploaded: file.bin (3/3)"]
    );
    let offsets: Vec<_> = stored.messages().iter().map(|message| (message.offset, message.size)).collect();
    let piece = PIECE as u64;
    assert_eq!(offsets, [(0, piece), (piece, piece), (2 * piece, 5)]);
    assert_eq!(
        listener.stages(),
        [Stage::Connecting, Stage::Resolving, Stage::Sending, Stage::Finishing],
        "as of one file"
    );
    let acknowledged = Recorder::acknowledged(&listener);
    assert!(acknowledged.is_sorted() && acknowledged.last() == Some(&(bytes.len() as u64)));
}

#[tokio::test]
async fn what_fits_into_one_message_is_one() {
    let world = World::new().await;
    for length in [1, PIECE] {
        let bytes = bytes(2, length);
        let stored = in_pieces().upload(world.request(&bytes), Recorder::new()).await.unwrap();
        assert_eq!(stored.messages().len(), 1);
        assert_eq!(world.messages().last().unwrap().sent_name, "file.bin");
    }
}

/// A sink that is gone after so many writes, as is a process that was killed: what was written before is what there is.
#[derive(Debug)]
struct Mortal {
    lives: AtomicUsize,
    recorder: Arc<Recorder>,
    died: CancellationToken,
}

impl Mortal {
    fn new(lives: usize) -> Arc<Self> {
        Arc::new(Self {
            lives: AtomicUsize::new(lives),
            recorder: Recorder::new(),
            died: CancellationToken::new(),
        })
    }

    async fn live(&self) {
        let left = self.lives.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |lives| lives.checked_sub(1));
        if left.is_err() {
            self.died.cancel();
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl ProgressSink for Mortal {
    fn stage(&self, _: Stage) {}

    fn acknowledged(&self, _: u64) {}

    fn flood_wait(&self, _: std::time::Duration) {}

    async fn checkpoint(&self, state: ResumeState) -> Result<()> {
        self.live().await;
        self.recorder.checkpoint(state).await
    }

    async fn commit(&self, resume: Option<ResumeState>) -> Result<()> {
        self.live().await;
        self.recorder.commit(resume).await
    }
}

#[tokio::test]
async fn a_process_that_dies_at_any_write_leaves_each_piece_to_be_one_message() {
    let piece = 3 * PART;
    let bytes = bytes(3, 2 * piece + 5);
    for lives in 0.. {
        let world = World::new().await;
        let mortal = Mortal::new(lives);
        let uploader = in_pieces_of(piece);
        let ended = tokio::select! {
            stored = uploader.upload(world.request(&bytes), mortal.clone()) => Some(stored.unwrap()),
            () = mortal.died.cancelled() => None,
        };
        uploader.close().await;
        if let Some(stored) = ended {
            holds(&world, &stored, &bytes);
            assert!(lives > 6, "it was killed before each of its writes: {lives}");
            return;
        }
        let again = world.request(&bytes).resuming(mortal.recorder.checkpoints().pop());
        let stored = in_pieces_of(piece).upload(again, Recorder::new()).await.unwrap();
        holds(&world, &stored, &bytes);
    }
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_message_of_a_piece() {
    let world = World::new().await;
    world.sandbox.faults().inject(Fault::lose_answer(SEND).every(2).times(2));
    let bytes = bytes(4, 2 * PIECE + 5);
    let uploader = PiecesUploader::new(mtproto_with(|_| {})).with_piece_bytes(PIECE as u64);
    let stored = uploader.upload(world.request(&bytes), Recorder::new()).await.unwrap();
    holds(&world, &stored, &bytes);
}

#[tokio::test]
async fn a_piece_that_fails_names_itself_and_the_others_stay() {
    let world = World::new().await;
    world.sandbox.faults().inject(Fault::rpc_error(SEND, 400, "MEDIA_INVALID").skip(1).once());
    let bytes = bytes(5, 2 * PIECE + 5);
    let listener = Recorder::new();
    let error = in_pieces().upload(world.request(&bytes), listener.clone()).await.unwrap_err();
    assert!(error.to_string().starts_with("piece 2 of 3 (file.bin.002): "), "{error}");
    assert_eq!(error.kind(), ErrorKind::Rejected);
    let state = listener.checkpoints().pop().unwrap();
    assert_eq!(state.made.len(), 1, "the first piece is known to be there");
    let parts = world.sandbox.stats().parts_total();
    let again = world.request(&bytes).resuming(Some(state));
    let stored = in_pieces().upload(again, Recorder::new()).await.unwrap();
    holds(&world, &stored, &bytes);
    assert_eq!(world.sandbox.stats().parts_total() - parts, 1, "only the last piece was left to send");
}

#[tokio::test]
async fn the_size_of_pieces_stays_what_it_was_when_the_first_was_sent() {
    let world = World::new().await;
    world.sandbox.faults().inject(Fault::rpc_error(SEND, 400, "MEDIA_INVALID").skip(1).once());
    let bytes = bytes(6, 2 * PIECE + 5);
    let listener = Recorder::new();
    in_pieces().upload(world.request(&bytes), listener.clone()).await.unwrap_err();
    for piece in [PIECE as u64 + 1, PART as u64, u64::MAX] {
        let uploader = PiecesUploader::new(mtproto_with(|_| {})).with_piece_bytes(piece);
        let again = world.request(&bytes).resuming(listener.checkpoints().pop());
        let stored = uploader.upload(again, listener.clone()).await.unwrap();
        assert_eq!(holds(&world, &stored, &bytes).len(), 3, "{piece}");
    }
}

#[tokio::test]
async fn pieces_of_another_chat_are_named_no_more() {
    let world = World::new().await;
    world.sandbox.faults().inject(Fault::rpc_error(SEND, 400, "MEDIA_INVALID").skip(1).once());
    let bytes = bytes(7, PIECE + 5);
    let listener = Recorder::new();
    in_pieces().upload(world.request(&bytes), listener.clone()).await.unwrap_err();
    let other = world.sandbox.add_user(UserSpec::new("bob"));
    let elsewhere = credentials_of(&other);
    let again = world.request(&bytes).resuming(listener.checkpoints().pop());
    let anew = Recorder::new();
    let stored = in_pieces().upload(again.with_credentials(Arc::new(elsewhere)), anew.clone()).await.unwrap();
    assert_eq!(stored.messages().len(), 2);
    assert_eq!(anew.checkpoints()[0].made, [], "the engine takes back what is not named any more");
    assert_eq!(world.sandbox.messages_of(&other).len(), 2);
}

/// A second account that posts in the channel of the first.
fn second(world: &World) -> (SandboxUser, TelegramCredentials) {
    let spec = UserSpec::new("second").channel(Some(world.user.channel_id.clone()));
    let second = world.sandbox.add_user(spec);
    let session = credentials_of(&second).sessions().next().unwrap().clone();
    let both = world.credentials().with_sender(session);
    (second, both)
}

/// Who made each message.
fn makers(there: &[SandboxMessage]) -> BTreeSet<&str> {
    there.iter().map(|message| message.user_id.as_str()).collect()
}

fn request_of_both(world: &World, both: &TelegramCredentials, bytes: &Bytes) -> UploadRequest {
    let sender = both.sessions().next().cloned();
    world.request(bytes).with_credentials(Arc::new(both.clone())).with_sender(sender)
}

#[tokio::test]
async fn several_senders_send_side_by_side() {
    let world = World::new().await;
    let (_, both) = second(&world);
    let bytes = bytes(8, 3 * PIECE + 5);
    let held = world.sandbox.faults().inject(Fault::hold(BIG).user(&world.user.user_id).once());
    let uploader = in_pieces();
    let sending = uploader.upload(request_of_both(&world, &both, &bytes), Recorder::new());
    let released = async {
        // The other one goes on while the first stands still.
        world.sandbox.wait_until(|_| world.sandbox.messages_of(&world.user).len() == 3).await;
        world.sandbox.faults().release(held);
    };
    let (stored, ()) = tokio::join!(sending, released);
    let stored = stored.unwrap();
    let there = holds(&world, &stored, &bytes);
    assert_eq!(makers(&there).len(), 2, "each has sent some");
    assert_eq!(world.sandbox.stats().max_connections(&world.user.user_id), 1);
}

#[tokio::test]
async fn another_sender_takes_over_what_one_cannot_send() {
    for (code, name) in
        [(400, "CHAT_WRITE_FORBIDDEN"), (401, "AUTH_KEY_UNREGISTERED"), (420, "FLOOD_WAIT_3600")]
    {
        let world = World::new().await;
        let (second, both) = second(&world);
        world.sandbox.faults().inject(Fault::rpc_error(BIG, code, name).user(&second.user_id).skip(3));
        let bytes = bytes(9, 3 * PIECE);
        let stored =
            in_pieces().upload(request_of_both(&world, &both, &bytes), Recorder::new()).await.unwrap();
        let there = holds(&world, &stored, &bytes);
        assert_eq!(makers(&there), BTreeSet::from([world.user.user_id.as_str()]), "{name}");
    }
}

#[tokio::test]
async fn a_cancel_names_the_messages_that_nobody_could_write_down() {
    /// Takes nothing from the moment on that its upload is cancelled.
    #[derive(Debug)]
    struct Fenced(Arc<Recorder>, CancellationToken);

    #[async_trait]
    impl ProgressSink for Fenced {
        fn stage(&self, stage: Stage) {
            self.0.stage(stage);
        }

        fn acknowledged(&self, bytes: u64) {
            self.0.acknowledged(bytes);
        }

        fn flood_wait(&self, _: std::time::Duration) {}

        async fn moved(&self, _: &ChatId, _: &ChatId) {}

        async fn checkpoint(&self, state: ResumeState) -> Result<()> {
            if self.1.is_cancelled() { Err(Error::cancelled()) } else { self.0.checkpoint(state).await }
        }

        async fn commit(&self, resume: Option<ResumeState>) -> Result<()> {
            self.0.commit(resume).await
        }
    }

    let world = World::new().await;
    let held = world.sandbox.faults().inject(Fault::hold(SEND).skip(1).once());
    let (cancel, listener) = (CancellationToken::new(), Recorder::new());
    let bytes = bytes(10, 2 * PIECE + 5);
    let request = world.request(&bytes).stopped_by(cancel.clone());
    let uploader = in_pieces();
    let sending = uploader.upload(request, Arc::new(Fenced(listener.clone(), cancel.clone())));
    let cancelled = async {
        world.sandbox.wait_until(|_| world.sandbox.faults().fired(held) == 1).await;
        cancel.cancel();
        world.sandbox.faults().release(held);
    };
    let (ended, ()) = tokio::join!(sending, cancelled);
    let error = ended.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    let there: BTreeSet<_> = world.messages().iter().map(|message| i64::from(message.message_id)).collect();
    let written = listener.checkpoints().pop().unwrap().made;
    let known: BTreeSet<_> = written.iter().chain(error.made()).map(|message| message.message_id).collect();
    assert_eq!((there.len(), there), (2, known), "each message is known to one of them");
    let all = StoredFile::of(written.iter().chain(error.made()).cloned().collect()).unwrap();
    assert!(uploader.withdraw(&world.credentials(), &all).await.unwrap());
    assert!(world.messages().is_empty());
}

#[tokio::test]
async fn pieces_go_early_without_a_message() {
    let world = World::new().await;
    let bytes = bytes(11, 2 * PIECE + 5);
    let listener = Recorder::new();
    in_pieces().send_early(world.request(&bytes), listener.clone()).await.unwrap();
    assert!(world.messages().is_empty());
    let parts = world.sandbox.stats().parts_total();
    assert_eq!(parts, 2 * 22, "both pieces that are large enough");
    let again = world.request(&bytes).resuming(listener.checkpoints().pop());
    let stored = in_pieces().upload(again, Recorder::new()).await.unwrap();
    holds(&world, &stored, &bytes);
    assert_eq!(world.sandbox.stats().parts_total() - parts, 1, "and the rest at the end");
}

#[tokio::test]
async fn bytes_that_have_changed_go_again_in_their_piece_only() {
    let world = World::new().await;
    let old = bytes(12, 2 * PIECE + 5);
    let listener = Recorder::new();
    in_pieces().send_early(world.request(&old), listener.clone()).await.unwrap();
    let mut new = old.to_vec();
    let at = PIECE + 3 * PART;
    let changed: Range<usize> = at..at + 10;
    new[changed.clone()].fill(7);
    let new = Bytes::from(new);
    let parts = world.sandbox.stats().parts_total();
    let mut again = world.request(&new).resuming(listener.checkpoints().pop());
    let changed = changed.start as u64..changed.end as u64;
    again.changed = vec![changed];
    let stored = in_pieces().upload(again, Recorder::new()).await.unwrap();
    holds(&world, &stored, &new);
    assert_eq!(world.sandbox.stats().parts_total() - parts, 2, "one part, and the last piece");
}

#[tokio::test]
async fn a_bot_alone_sends_larger_files_than_the_bot_api_takes() {
    let world = World::new().await;
    let small = bot_api_with(&world.sandbox, |config| config.max_bytes = PIECE as u64);
    let uploader = PiecesUploader::new(small);
    let bytes = bytes(13, 2 * PIECE + 5);
    let listener = Recorder::new();
    let stored = uploader.upload(world.request(&bytes), listener.clone()).await.unwrap();
    holds(&world, &stored, &bytes);
    assert_eq!(listener.commits(), [None, None, None], "each piece may be a message from there on");
    let made: Vec<_> = listener.checkpoints().iter().map(|state| state.made.len()).collect();
    assert_eq!(made, [0, 1, 2, 3]);
}
