//! Files that are in the channel already, sent once more without their bytes.

mod common;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{World, bot_api, mtproto, mtproto_with};
use telestore_sandbox::{Fault, SandboxMessage};
use telestore_types::{SourceError, StoredAs, StoredFile, StoredMessage};
use telestore_uploader::testsuite::sources::FailingSource;
use telestore_uploader::testsuite::{Event, Recorder, bytes};
use telestore_uploader::{Error, ErrorKind, TelegramUploader, UploadRequest};

const SEND: &str = "messages.sendMedia";
const LENGTH: usize = 700_000;

/// A request to send what `first` holds once more. Whoever reads its bytes fails.
fn again(world: &World, first: &StoredFile, bytes: &Bytes) -> UploadRequest {
    let mut request = world.request(bytes).with_caption("once more").copying(Some(first.first().clone()));
    request.source = FailingSource::new(bytes.clone(), 0, SourceError::Damaged("nobody has them".to_owned()));
    request
}

/// The two messages of one document.
#[track_caller]
fn two_of_one(world: &World, first: &StoredFile, second: &StoredFile) -> [SandboxMessage; 2] {
    let messages: [SandboxMessage; 2] = world.messages().try_into().expect("two messages");
    let ids = [&messages[0], &messages[1]].map(|message| i64::from(message.message_id));
    assert_eq!(ids, [first.message_id(), second.message_id()]);
    assert_eq!(messages[0].document_id, messages[1].document_id);
    assert_eq!(
        (messages[0].sha256.as_str(), messages[0].size),
        (messages[1].sha256.as_str(), messages[1].size)
    );
    assert_eq!(messages[1].caption, "once more");
    messages
}

async fn both_ways(test: impl AsyncFn(&World, &dyn TelegramUploader, &str)) {
    let world = World::new().await;
    test(&world, &mtproto(), SEND).await;
    let world = World::new().await;
    test(&world, &bot_api(&world.sandbox), "sendDocument").await;
}

#[tokio::test]
async fn it_becomes_another_message_and_no_byte_goes() {
    both_ways(async |world, uploader, _| {
        let bytes = bytes(1, LENGTH);
        let first = uploader.upload(world.request(&bytes), Recorder::new()).await.unwrap();
        assert!(uploader.copies(first.first()));
        let (parts, documents) =
            (world.sandbox.stats().parts_total(), world.sandbox.stats().documents("file.bin"));
        let listener = Recorder::new();
        let second = uploader.upload(again(world, &first, &bytes), listener.clone()).await.unwrap();
        two_of_one(world, &first, &second);
        let stats = world.sandbox.stats();
        assert_eq!(
            (stats.parts_total(), stats.documents("file.bin")),
            (parts, documents),
            "nothing was sent"
        );
        assert_eq!(
            (second.size(), second.first().chat_id.as_ref()),
            (LENGTH as u64, first.first().chat_id.as_ref())
        );
        assert_eq!(listener.acknowledged().last(), Some(&(LENGTH as u64)));
        assert_eq!(listener.commits().len(), 1, "it is written down before the message may exist");
        // Each of them goes by itself.
        assert!(uploader.withdraw(&world.credentials(), &first).await.unwrap());
        assert_eq!(world.messages().len(), 1);
        assert_eq!(i64::from(world.messages()[0].message_id), second.message_id());
    })
    .await;
}

#[tokio::test]
async fn each_way_copies_what_it_has_sent_only() {
    let world = World::new().await;
    let (accounts, bots) = (mtproto(), bot_api(&world.sandbox));
    let by_bot = StoredMessage::new(7, StoredAs::BotApi { file_id: "f".to_owned() }, 5);
    let by_account = StoredMessage::new(7, StoredAs::Mtproto { document_id: 7 }, 5);
    let here = |message: &StoredMessage| message.clone().in_chat(world.credentials().chat_id);
    assert_eq!((accounts.copies(&here(&by_account)), bots.copies(&by_account)), (true, false));
    assert_eq!((accounts.copies(&here(&by_bot)), bots.copies(&by_bot)), (false, true));
    assert!(!accounts.copies(&by_account), "numbers of other chats are the account's own");
}

#[tokio::test]
async fn what_is_gone_is_said_and_makes_no_message() {
    both_ways(async |world, uploader, _| {
        let bytes = bytes(2, LENGTH);
        let first = uploader.upload(world.request(&bytes), Recorder::new()).await.unwrap();
        assert!(uploader.withdraw(&world.credentials(), &first).await.unwrap());
        let error = uploader.upload(again(world, &first, &bytes), Recorder::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
        assert!(error.to_string().contains("send it with a new upload"), "{error}");
        assert_eq!(world.messages().len(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_message_with_another_file_is_not_taken_for_it() {
    let (world, bytes, uploader) = (World::new().await, bytes(3, LENGTH), mtproto());
    let first = uploader.upload(world.request(&bytes), Recorder::new()).await.unwrap();
    let mut other = first.first().clone();
    other.stored_as = StoredAs::Mtproto { document_id: 5 };
    let mut longer = first.first().clone();
    longer.size += 1;
    for wrong in [other, longer] {
        let error = uploader.upload(again(&world, &StoredFile::new(wrong), &bytes), Recorder::new()).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Rejected);
    }
    assert_eq!(world.messages().len(), 1);
}

#[tokio::test]
async fn a_reference_that_expires_is_renewed() {
    let (world, bytes, uploader) = (World::new().await, bytes(4, LENGTH), mtproto());
    let first = uploader.upload(world.request(&bytes), Recorder::new()).await.unwrap();
    for name in ["FILE_REFERENCE_EXPIRED", "FILE_REFERENCE_INVALID"] {
        world.sandbox.faults().inject(Fault::rpc_error(SEND, 400, name).once());
    }
    let second = uploader.upload(again(&world, &first, &bytes), Recorder::new()).await.unwrap();
    two_of_one(&world, &first, &second);
    world.sandbox.faults().inject(Fault::rpc_error(SEND, 400, "FILE_REFERENCE_EXPIRED"));
    let error = uploader.upload(again(&world, &first, &bytes), Recorder::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(world.messages().len(), 2);
}

#[tokio::test]
async fn a_channel_that_protects_its_content_is_said() {
    let (world, bytes, uploader) = (World::new().await, bytes(5, LENGTH), mtproto());
    let first = uploader.upload(world.request(&bytes), Recorder::new()).await.unwrap();
    world.sandbox.set_forwards(&world.user.channel_id, false);
    let error = uploader.upload(again(&world, &first, &bytes), Recorder::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
    assert_eq!(world.messages().len(), 1);
}

#[tokio::test]
async fn lost_answers_make_no_third_message() {
    for fault in [
        Fault::lose_answer(SEND),
        Fault::drop_connection(SEND),
        Fault::rpc_error(SEND, 500, "TIMEOUT"),
        Fault::flood_wait(SEND, 1),
    ] {
        let (world, bytes, uploader) = (World::new().await, bytes(6, LENGTH), mtproto());
        let first = uploader.upload(world.request(&bytes), Recorder::new()).await.unwrap();
        world.sandbox.faults().inject(fault.times(2));
        let second = uploader.upload(again(&world, &first, &bytes), Recorder::new()).await.unwrap();
        two_of_one(&world, &first, &second);
    }
}

/// Has the message made and loses the answer, and gives what was written down by then.
async fn lost(world: &World, first: &StoredFile, bytes: &Bytes) -> Arc<Recorder> {
    world.sandbox.faults().inject(Fault::lose_answer(SEND).once());
    let (impatient, listener) = (mtproto_with(|config| config.max_failures = 0), Recorder::new());
    let error = impatient.upload(again(world, first, bytes), listener.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(world.messages().len(), 2);
    listener
}

#[tokio::test]
async fn the_next_attempt_makes_the_same_message() {
    let (world, bytes) = (World::new().await, bytes(7, LENGTH));
    let first = mtproto().upload(world.request(&bytes), Recorder::new()).await.unwrap();
    for repeated in [false, true] {
        let listener = lost(&world, &first, &bytes).await;
        if repeated {
            world.sandbox.faults().inject(Fault::rpc_error(SEND, 500, "RANDOM_ID_DUPLICATE"));
        }
        let request = again(&world, &first, &bytes).resuming(listener.checkpoints().pop());
        let second = mtproto().upload(request, Recorder::new()).await.unwrap();
        two_of_one(&world, &first, &second);
        assert!(mtproto().withdraw(&world.credentials(), &second).await.unwrap());
        world.sandbox.faults().clear();
    }
}

#[tokio::test]
async fn the_first_message_is_never_taken_for_the_second() {
    let (world, bytes) = (World::new().await, bytes(8, LENGTH));
    // It has the same caption, too, and is of the same second.
    let like_it = |first: &StoredFile| {
        let caption = world.request(&bytes).caption;
        again(&world, first, &bytes).with_caption(caption)
    };
    let first = mtproto().upload(world.request(&bytes), Recorder::new()).await.unwrap();
    // Telegram says that it had the call, and there is no message.
    world.sandbox.faults().inject(Fault::rpc_error(SEND, 500, "RANDOM_ID_DUPLICATE"));
    let error = mtproto().upload(like_it(&first), Recorder::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AnswerLost, "{error}");
    assert_eq!(world.messages().len(), 1);
}

#[tokio::test]
async fn a_message_that_was_made_is_found_though_the_first_is_gone() {
    let (world, bytes) = (World::new().await, bytes(9, LENGTH));
    let first = mtproto().upload(world.request(&bytes), Recorder::new()).await.unwrap();
    let listener = lost(&world, &first, &bytes).await;
    assert!(mtproto().withdraw(&world.credentials(), &first).await.unwrap());
    let request = again(&world, &first, &bytes).resuming(listener.checkpoints().pop());
    let second = mtproto().upload(request, Recorder::new()).await.unwrap();
    assert_eq!(world.messages().len(), 1);
    assert_eq!(i64::from(world.messages()[0].message_id), second.message_id());
}

#[tokio::test]
async fn a_bot_hands_it_over_before_the_message_may_exist() {
    let (world, bytes) = (World::new().await, bytes(10, LENGTH));
    let uploader = bot_api(&world.sandbox);
    let first = uploader.upload(world.request(&bytes), Recorder::new()).await.unwrap();
    world.sandbox.faults().inject(Fault::lose_answer("sendDocument").once());
    let listener = Recorder::new();
    let error = uploader.upload(again(&world, &first, &bytes), listener.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AnswerLost, "{error}");
    assert!(matches!(listener.events().last(), Some(Event::Commit(None))), "{:?}", listener.events());
    assert_eq!(world.messages().len(), 2);
}

#[tokio::test]
async fn of_several_bots_the_one_sends_it_that_knows_the_file() {
    let world = World::with_more_bots(&["two", "three"]).await;
    let uploader = bot_api(&world.sandbox);
    let bots = world.bots();
    let credentials = bots.iter().fold(common::nobody(&world.user), |all, bot| all.with_sender(bot.clone()));
    let (credentials, bytes) = (Arc::new(credentials), bytes(11, LENGTH));
    let by = |request: UploadRequest, bot: usize| {
        request.with_credentials(credentials.clone()).with_sender(Some(bots[bot].clone()))
    };
    let first = uploader.upload(by(world.request(&bytes), 1), Recorder::new()).await.unwrap();
    let chosen = by(again(&world, &first, &bytes), 2);
    let sent: Result<StoredFile, Error> = uploader.upload(chosen, Recorder::new()).await;
    two_of_one(&world, &first, &sent.unwrap());
    // It is the one that has to wait, too.
    world.sandbox.faults().inject(Fault::flood_wait("sendDocument", 7).once());
    let chosen = by(again(&world, &first, &bytes), 2);
    let flooded = uploader.upload(chosen, Recorder::new()).await.unwrap_err();
    assert_eq!(flooded.kind(), ErrorKind::FloodWait(Duration::from_secs(7)));
    assert_eq!(flooded.sender(), Some(&bots[1].id));
}

#[tokio::test]
async fn a_cancel_before_the_message_makes_none() {
    both_ways(async |world, uploader, send| {
        let bytes = bytes(12, LENGTH);
        let first = uploader.upload(world.request(&bytes), Recorder::new()).await.unwrap();
        let calls = world.sandbox.stats().calls(send);
        let request = again(world, &first, &bytes);
        request.cancel.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(60), uploader.upload(request, Recorder::new()));
        assert_eq!(ended.await.unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
        assert_eq!((world.messages().len(), world.sandbox.stats().calls(send)), (1, calls));
    })
    .await;
}
