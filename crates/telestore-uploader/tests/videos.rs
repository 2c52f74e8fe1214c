//! Videos that Telegram converts before it makes their messages.

mod common;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{World, bot_of, mtproto_with};
use telestore_sandbox::{Fault, FaultAction, Kind};
use telestore_types::{FileName, ResumeState, SendAs, StoredFile};
use telestore_uploader::testsuite::{Recorder, bytes};
use telestore_uploader::{
    CancellationToken, ErrorKind, Handover, Lost, MtprotoUploader, Recalled, TelegramUploader, UploadRequest,
};

const SEND: &str = "messages.sendMedia";
const LOOK: &str = "messages.getScheduledMessages";
const DELETE: &str = "messages.deleteScheduledMessages";

static FILM: Bytes = Bytes::from_static(include_bytes!("../src/media/samples/behind.mp4"));

/// A world that converts videos, with a message in the channel.
async fn converting() -> World {
    let world = World::new().await;
    mtproto_with(|_| {}).upload(world.request(&bytes(1, 10)), Recorder::new()).await.unwrap();
    world.sandbox.convert_videos(true).unwrap();
    world
}

/// What is known of other files.
fn nothing(world: &World) -> Lost {
    Lost::new(world.credentials().chat_id, Duration::ZERO)
}

fn film(world: &World) -> UploadRequest {
    let mut request = world.request(&FILM).sent_as(SendAs::Video).with_mime_type("video/mp4");
    request.file_name = FileName::new("film.mp4").unwrap();
    request
}

/// That of a process that is killed once Telegram has been looked at so often.
async fn killed_at(world: &World, request: UploadRequest, looks: u64) -> Option<ResumeState> {
    let (uploader, listener) = (mtproto_with(|_| {}), Recorder::new());
    tokio::select! {
        ended = uploader.upload(request, listener.clone()) => panic!("{ended:?}"),
        () = world.sandbox.wait_until(|stats| stats.calls(LOOK) >= looks) => {}
    }
    uploader.close().await;
    listener.checkpoints().pop()
}

/// Sends a film, whose video is ready once Telegram was looked at.
async fn sends(world: &World, uploader: &MtprotoUploader, request: UploadRequest, call: &str) -> StoredFile {
    let before = world.sandbox.stats().calls(call);
    let (stored, ()) = tokio::join!(uploader.upload(request, Recorder::new()), async {
        world.sandbox.wait_until(|stats| stats.calls(call) >= before + 2).await;
        assert_eq!(world.messages().len(), 1, "it is not there yet");
        world.sandbox.convert_videos(false).unwrap();
    });
    stored.unwrap()
}

#[track_caller]
fn is_there_once(world: &World, stored: &StoredFile, sends: u64) {
    let messages = world.messages();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!((messages[1].file_name.as_str(), messages[1].kind), ("film.mp4", Kind::Video));
    assert_eq!(stored.message_id(), i64::from(messages[1].message_id));
    assert_eq!(world.sandbox.stats().calls(SEND), 1 + sends, "with the other message's");
}

#[tokio::test]
async fn the_number_of_a_scheduled_message_is_not_the_messages() {
    let world = converting().await;
    let stored = sends(&world, &mtproto_with(|_| {}), film(&world), LOOK).await;
    is_there_once(&world, &stored, 1);
}

#[tokio::test]
async fn of_two_that_look_the_same_each_finds_its_own() {
    let world = converting().await;
    let uploader = mtproto_with(|_| {});
    let (one, other, ()) = tokio::join!(
        uploader.upload(film(&world), Recorder::new()),
        uploader.upload(film(&world), Recorder::new()),
        async {
            world.sandbox.wait_until(|stats| stats.calls(SEND) == 3 && stats.calls(LOOK) >= 4).await;
            world.sandbox.convert_videos(false).unwrap();
        }
    );
    let mut found = [one.unwrap().message_id(), other.unwrap().message_id()];
    found.sort_unstable();
    let there: Vec<_> = world.messages().iter().map(|message| i64::from(message.message_id)).collect();
    assert_eq!(found, there[1..]);
}

#[tokio::test]
async fn a_process_that_is_killed_meanwhile_makes_no_second_message() {
    for ready in [true, false] {
        let world = converting().await;
        let state = killed_at(&world, film(&world), 2).await;
        if ready {
            world.sandbox.convert_videos(false).unwrap();
        }
        let again = film(&world).resuming(state);
        let uploader = mtproto_with(|_| {});
        let stored = match ready {
            true => uploader.upload(again, Recorder::new()).await.unwrap(),
            false => sends(&world, &uploader, again, LOOK).await,
        };
        is_there_once(&world, &stored, 1);
    }
}

#[tokio::test]
async fn a_lost_answer_is_found_among_what_waits() {
    let world = converting().await;
    world.sandbox.faults().inject(Fault::lose_answer(SEND).once());
    let stored = sends(&world, &mtproto_with(|_| {}), film(&world), LOOK).await;
    is_there_once(&world, &stored, 2);
}

#[tokio::test]
async fn a_bot_waits_for_its_message_in_the_channel() {
    let world = converting().await;
    let request = film(&world).with_credentials(Arc::new(bot_of(&world.user)));
    let stored = sends(&world, &world.mtproto_for_bots(), request, "updates.getChannelDifference").await;
    is_there_once(&world, &stored, 1);
}

#[tokio::test]
async fn an_attempt_that_is_stopped_leaves_the_video_to_the_next_one_or_to_a_recall() {
    let world = converting().await;
    let (cancel, listener) = (CancellationToken::new(), Recorder::new());
    let request = film(&world).stopped_by(cancel.clone());
    let uploader = mtproto_with(|_| {});
    let (ended, ()) = tokio::join!(uploader.upload(request, listener.clone()), async {
        world.sandbox.wait_until(|stats| stats.calls(LOOK) >= 1).await;
        cancel.cancel();
    });
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(world.sandbox.stats().calls(DELETE), 0, "a worker that ends stops it, too");
    let state = listener.checkpoints().pop().unwrap();
    assert_eq!(uploader.handover(&state), Handover::Never);
    assert_eq!(
        uploader.recall(&world.credentials(), &state, &nothing(&world)).await.unwrap(),
        Recalled::Gone
    );
    assert_eq!(world.sandbox.stats().calls(DELETE), 1);
    world.sandbox.convert_videos(false).unwrap();
    assert_eq!(world.messages().len(), 1, "only the other file's");
}

#[tokio::test]
async fn a_message_that_is_made_before_a_cancel_is_named_so_that_it_can_be_taken_back() {
    let world = converting().await;
    let cancel = CancellationToken::new();
    let request = film(&world).stopped_by(cancel.clone());
    let uploader = mtproto_with(|_| {});
    let look = world.sandbox.faults().inject(Fault::hold(LOOK).once());
    let (stored, ()) = tokio::join!(uploader.upload(request, Recorder::new()), async {
        world.sandbox.faults().wait_fired(look, 1).await;
        cancel.cancel();
        world.sandbox.convert_videos(false).unwrap();
        world.sandbox.faults().release(look);
    });
    is_there_once(&world, &stored.unwrap(), 1);
    assert_eq!(world.sandbox.stats().calls(DELETE), 0);
}

#[tokio::test]
async fn a_video_is_recalled_that_no_attempt_waits_for() {
    for made in [false, true] {
        let world = converting().await;
        let state = killed_at(&world, film(&world), 1).await.unwrap();
        if made {
            world.sandbox.convert_videos(false).unwrap();
            assert_eq!(world.messages().len(), 2);
        }
        let uploader = mtproto_with(|_| {});
        for _ in 0..2 {
            let recalled = uploader.recall(&world.credentials(), &state, &nothing(&world)).await.unwrap();
            assert_eq!(recalled, Recalled::Gone, "also if it is asked again");
        }
        assert_eq!(world.sandbox.stats().calls(DELETE), u64::from(!made));
        world.sandbox.convert_videos(false).unwrap();
        assert_eq!(world.messages().len(), 1, "only the other file's");
    }
}

#[tokio::test]
async fn a_video_of_whose_scheduled_message_no_answer_came_is_found_before_it_is_taken_back() {
    let world = converting().await;
    world.sandbox.faults().inject(Fault::new(SEND, FaultAction::Silence).once());
    let (uploader, listener) = (mtproto_with(|_| {}), Recorder::new());
    tokio::select! {
        ended = uploader.upload(film(&world), listener.clone()) => panic!("{ended:?}"),
        () = world.sandbox.wait_until(|stats| stats.calls(SEND) == 2) => {}
    }
    uploader.close().await;
    let state = listener.checkpoints().pop().unwrap();
    let next = mtproto_with(|_| {});
    // The answer is lost as soon as the message is scheduled, which may take a moment.
    let found = loop {
        match next.recall(&world.credentials(), &state, &nothing(&world)).await.unwrap() {
            Recalled::Waits(found) => break found,
            other => assert_eq!(other, Recalled::Unclear),
        }
    };
    assert_eq!(world.sandbox.stats().calls(DELETE), 0, "another file's may look like it");
    let recalled = next.recall(&world.credentials(), &found, &nothing(&world)).await.unwrap();
    assert_eq!(recalled, Recalled::Gone);
    world.sandbox.convert_videos(false).unwrap();
    assert_eq!(world.messages().len(), 1, "only the other file's");
}

#[tokio::test]
async fn a_bot_recalls_its_video_once_that_is_in_the_channel() {
    let world = converting().await;
    let bot = bot_of(&world.user);
    let (uploader, listener) = (world.mtproto_for_bots(), Recorder::new());
    let request = film(&world).with_credentials(Arc::new(bot.clone()));
    tokio::select! {
        ended = uploader.upload(request, listener.clone()) => panic!("{ended:?}"),
        () = world.sandbox.wait_until(|stats| stats.calls(LOOK) >= 1) => {}
    }
    let state = listener.checkpoints().pop().unwrap();
    assert_eq!(uploader.recall(&bot, &state, &nothing(&world)).await.unwrap(), Recalled::NotYet);
    world.sandbox.convert_videos(false).unwrap();
    assert_eq!(uploader.recall(&bot, &state, &nothing(&world)).await.unwrap(), Recalled::Gone);
    assert_eq!(world.messages().len(), 1, "only the other file's");
}

#[tokio::test]
async fn a_video_that_takes_long_is_left_to_the_next_attempt_and_one_that_is_gone_is_told() {
    let world = converting().await;
    let impatient = || mtproto_with(|config| config.stall_timeout = Duration::from_secs(3));
    let listener = Recorder::new();
    let error = impatient().upload(film(&world), listener.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let state = listener.checkpoints().pop();
    assert_eq!(state.as_ref().map(|state| impatient().handover(state)), Some(Handover::Never));
    let again = || film(&world).resuming(state.clone());

    world.sandbox.drop_videos(&world.user);
    let error = impatient().upload(again(), Recorder::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AnswerLost, "{error}");
    assert_eq!((world.messages().len(), world.sandbox.stats().calls(SEND)), (1, 2));
}
