//! What an account may send: with Premium, without it, and when that changes.

mod common;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use common::{PART, World, bot_of, mtproto_with};
use telestore_sandbox::{Fault, Limits, SandboxMessage};
use telestore_types::{
    ByteSource, Caption, ResumeState, SourceError, Stage, StoredFile, TelegramCredentials,
};
use telestore_uploader::testsuite::{Recorder, bytes, sha256};
use telestore_uploader::{CancellationToken, ErrorKind, PiecesUploader, TelegramUploader, UploadRequest};

const SEND: &str = "messages.sendMedia";
const BIG: &str = "upload.saveBigFilePart";
const CONFIG: &str = "help.getAppConfig";

/// What one message holds, in parts: 11 MiB, and 22 MiB with Premium.
const DEFAULT: usize = 22;
const PREMIUM: usize = 44;

fn limits(world: &World) {
    let mut limits = Limits::default();
    (limits.parts, limits.parts_premium) = (DEFAULT as i32, PREMIUM as i32);
    world.sandbox.set_limits(limits);
}

async fn lowered(premium: bool) -> World {
    let world = World::new().await;
    limits(&world);
    world.sandbox.set_premium(&world.user, premium);
    world
}

fn uploader() -> PiecesUploader {
    PiecesUploader::new(mtproto_with(|config| config.max_failures = 1))
}

/// Uploads a file whose account loses Premium while the call waits that this fault holds.
async fn losing_premium(world: &World, at: Fault, bytes: &Bytes) -> (StoredFile, Arc<Recorder>) {
    let hold = world.sandbox.faults().inject(at.once());
    let (uploader, listener) = (uploader(), Recorder::new());
    let (stored, ()) = tokio::join!(uploader.upload(world.request(bytes), listener.clone()), async {
        world.sandbox.faults().wait_fired(hold, 1).await;
        world.sandbox.set_premium(&world.user, false);
        world.sandbox.faults().release(hold);
    });
    (stored.unwrap(), listener)
}

/// Checks that the channel holds the file in pieces of so many parts, and nothing else.
fn holds(world: &World, stored: &StoredFile, bytes: &Bytes, parts: &[usize]) -> Vec<SandboxMessage> {
    let mut there = world.messages();
    there.sort_by_key(|message| message.sent_name.clone());
    let named: Vec<_> = stored.messages().iter().map(|message| message.message_id).collect();
    assert_eq!(named, there.iter().map(|message| i64::from(message.message_id)).collect::<Vec<_>>());
    let sizes: Vec<_> = there.iter().map(|message| message.size.div_ceil(PART as u64) as usize).collect();
    assert_eq!(sizes, parts);
    let joined: Vec<u8> = there.iter().flat_map(|message| std::fs::read(&message.path).unwrap()).collect();
    assert_eq!(sha256(&joined), sha256(bytes));
    there
}

#[tokio::test]
async fn premium_decides_over_one_message_and_is_asked_again() {
    let world = lowered(true).await;
    let uploader = uploader();
    let bytes = bytes(1, 24 * PART);
    let mut before = 0;
    for (premium, parts) in [(true, &[24][..]), (false, &[22, 2]), (true, &[24])] {
        world.sandbox.set_premium(&world.user, premium);
        let stored = uploader.upload(world.request(&bytes), Recorder::new()).await.unwrap();
        let there = world.messages().split_off(before);
        before += there.len();
        let sizes: Vec<_> = there.iter().map(|message| message.size as usize / PART).collect();
        assert_eq!((sizes.as_slice(), stored.messages().len()), (parts, parts.len()), "premium: {premium}");
    }
}

#[tokio::test]
async fn a_file_whose_account_loses_premium_goes_over_to_pieces() {
    // While parts go, and between the last part and the message.
    for (at, skip) in [(BIG, 15), (SEND, 0)] {
        let (world, bytes) = (lowered(true).await, bytes(2, 24 * PART));
        let (stored, listener) = losing_premium(&world, Fault::hold(at).skip(skip), &bytes).await;
        let there = holds(&world, &stored, &bytes, &[22, 2]);
        assert_eq!(there[1].caption, "Uploaded: file.bin (2/2)");
        let told = listener.acknowledged();
        assert!(told.is_sorted() && told.last() == Some(&(bytes.len() as u64)), "{at}: {told:?}");
        let stages = [Stage::Connecting, Stage::Resolving, Stage::Sending, Stage::Finishing];
        assert_eq!(listener.stages(), stages, "{at}");
    }
}

#[tokio::test]
async fn the_pieces_that_are_left_become_smaller() {
    for (at, skip) in [(BIG, PREMIUM as u64 + 10), (SEND, 1)] {
        let (world, bytes) = (lowered(true).await, bytes(3, 70 * PART));
        let (stored, listener) = losing_premium(&world, Fault::hold(at).skip(skip), &bytes).await;
        let there = holds(&world, &stored, &bytes, &[44, 22, 4]);
        assert_eq!(there[2].sent_name, "file.bin.003");
        assert_eq!(listener.checkpoints().last().unwrap().made.len(), 3);
    }
}

#[tokio::test]
async fn a_message_that_may_be_there_is_not_sent_once_more_as_pieces() {
    for made in [true, false] {
        let world = lowered(true).await;
        let faults = world.sandbox.faults();
        let lost = if made { Fault::lose_answer(SEND) } else { Fault::drop_connection(SEND) };
        faults.inject(lost.once());
        faults.inject(Fault::rpc_error(SEND, 400, "FILE_PARTS_INVALID").once());
        let asked = faults.inject(Fault::hold("users.getUsers").once());
        let bytes = bytes(4, 24 * PART);
        let uploader = uploader();
        let (ended, ()) = tokio::join!(uploader.upload(world.request(&bytes), Recorder::new()), async {
            faults.wait_fired(asked, 1).await;
            world.sandbox.set_premium(&world.user, false);
            faults.release(asked);
        });
        match made {
            true => world.holds_once(&ended.unwrap(), &bytes),
            false => {
                let error = ended.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::AnswerLost, "{error}");
                assert!(world.messages().is_empty());
            }
        }
    }
}

/// Zeros, as many as there are to be.
#[derive(Debug)]
struct Zeros(u64);

#[async_trait]
impl ByteSource for Zeros {
    fn len(&self) -> u64 {
        self.0
    }

    async fn read_at(&self, _: u64, length: usize) -> Result<Bytes, SourceError> {
        Ok(vec![0; length].into())
    }
}

fn large(world: &World, mebibytes: u64) -> UploadRequest {
    let mut request = world.request(&Bytes::new());
    request.source = Arc::new(Zeros(mebibytes << 20));
    request
}

/// Begins to send a file of so many MiB, and says what was written down before its first part.
async fn begun(world: &World, credentials: TelegramCredentials, mebibytes: u64) -> ResumeState {
    let hold = world.sandbox.pause(BIG);
    let (cancel, listener) = (CancellationToken::new(), Recorder::new());
    let request = large(world, mebibytes).with_credentials(Arc::new(credentials));
    let request = request.stopped_by(cancel.clone());
    let uploader = PiecesUploader::new(world.mtproto_for_bots());
    tokio::select! {
        ended = uploader.upload(request, listener.clone()) => panic!("{ended:?}"),
        () = world.sandbox.faults().wait_fired(hold, 1) => {}
    }
    world.sandbox.resume(hold);
    uploader.close().await;
    listener.checkpoints().pop().unwrap()
}

#[tokio::test]
async fn of_a_file_that_not_everybody_may_send_it_is_asked_before_its_first_part() {
    let world = World::new().await;
    let in_pieces = |state: &ResumeState| String::from_utf8_lossy(&state.bytes).contains(r#""pieces":"#);
    let asked = || world.sandbox.stats().calls(CONFIG);
    for (premium, mebibytes, pieces, asks) in
        [(false, 2000, false, 0), (false, 2001, true, 1), (true, 4000, false, 1), (true, 4001, true, 1)]
    {
        world.sandbox.set_premium(&world.user, premium);
        let before = asked();
        let state = begun(&world, world.credentials(), mebibytes).await;
        assert_eq!((in_pieces(&state), asked() - before), (pieces, asks), "{premium} {mebibytes}");
    }
    // The bot of an account with Premium has none, and cannot ask.
    let before = asked();
    let state = begun(&world, bot_of(&world.user), 2001).await;
    assert!(in_pieces(&state) && asked() == before);
}

#[tokio::test]
async fn an_account_without_pieces_is_told_what_it_may_send() {
    let world = World::new().await;
    let request = large(&world, 2001);
    let uploader = mtproto_with(|_| {});
    assert_eq!(uploader.message_bytes(&request).await.unwrap(), 2000 << 20);
    let error = uploader.upload(request, Recorder::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    assert_eq!(world.sandbox.stats().parts_total(), 0);
}

/// So many units of text, all of them bold.
fn caption(units: usize) -> Caption {
    let template: telestore_types::CaptionTemplate = format!("<b>{}</b>", "x".repeat(units)).parse().unwrap();
    let name = telestore_types::FileName::new("a").unwrap();
    let user = telestore_types::UserId::new("u");
    template.render(&telestore_types::CaptionValues::new(
        &name,
        1,
        &user,
        telestore_types::Timestamp::from_millis(0),
    ))
}

#[tokio::test]
async fn captions_are_as_long_as_the_account_may_send_them() {
    let world = World::new().await;
    let uploader = world.mtproto_for_bots();
    let send = async |credentials: TelegramCredentials, units: usize| {
        let request = world.request(&bytes(5, 10)).with_caption(caption(units));
        uploader.upload(request.with_credentials(Arc::new(credentials)), Recorder::new()).await.unwrap();
        let message = world.messages().pop().unwrap();
        let sent = message.caption.encode_utf16().count();
        assert_eq!(message.entities[0].length as usize, sent, "it is bold to its end");
        sent
    };
    assert_eq!(send(world.credentials(), 1024).await, 1024);
    assert_eq!(world.sandbox.stats().calls(CONFIG), 0, "nobody is asked for what everybody may send");
    assert_eq!(send(world.credentials(), 1025).await, 1024);
    assert_eq!(send(bot_of(&world.user), 1025).await, 1024);
    // It is known for a while that the account has none.
    world.sandbox.set_premium(&world.user, true);
    assert_eq!(send(world.credentials(), 1025).await, 1024);
    uploader.close().await;

    let uploader = mtproto_with(|_| {});
    let send = async |units: usize| {
        let request = world.request(&bytes(5, 10)).with_caption(caption(units));
        uploader.upload(request, Recorder::new()).await.unwrap();
        world.messages().pop().unwrap().caption.encode_utf16().count()
    };
    assert_eq!([send(1025).await, send(4096).await, send(4097).await], [1025, 4096, 4096]);
    assert_eq!(world.sandbox.stats().calls(CONFIG), 2, "once by each client");
    // Telegram refuses what it allowed before.
    world.sandbox.set_premium(&world.user, false);
    let before = world.messages().len();
    assert_eq!([send(4096).await, send(1025).await], [1024, 1024]);
    assert_eq!(world.messages().len(), before + 2);
}

#[tokio::test]
async fn the_captions_of_pieces_are_as_long_and_keep_their_numbers() {
    for (premium, units) in [(false, 1024), (true, 4096)] {
        let world = World::new().await;
        world.sandbox.set_premium(&world.user, premium);
        let uploader = PiecesUploader::new(mtproto_with(|_| {})).with_piece_bytes(PART as u64);
        let request = world.request(&bytes(6, 2 * PART)).with_caption(caption(5000));
        uploader.upload(request, Recorder::new()).await.unwrap();
        for (index, message) in world.messages().iter().enumerate() {
            assert_eq!(message.caption.encode_utf16().count(), units);
            assert!(message.caption.ends_with(&format!("x ({}/2)", index + 1)));
            assert_eq!(message.entities[0].length as usize, units - " (1/2)".len(), "the number is plain");
        }
    }
}
