//! The message of an upload that was cancelled after its process was killed: asked for, and named by no answer.

mod common;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{PART, World, bot_api, bot_of, mtproto};
use serde_json::{Value, json};
use telestore_sandbox::{Fault, FaultAction};
use telestore_types::{ResumeState, StoredFile, TelegramCredentials};
use telestore_uploader::testsuite::{Recorder, bytes};
use telestore_uploader::{
    ErrorKind, Lost, MtprotoUploader, PiecesUploader, Pool, Recalled, TelegramUploader, UploadRequest,
};

const SEND: &str = "messages.sendMedia";
const DELETE: &str = "channels.deleteMessages";

/// In seconds.
const HOUR: i64 = 3600;

/// What is known of other files.
fn nothing(world: &World) -> Lost {
    Lost::new(world.credentials().chat_id, Duration::ZERO)
}

/// The state that a process leaves behind which is killed once its messages, of which no answer comes, are asked for, and there if
/// `made`.
async fn killed(
    world: &World,
    uploader: &dyn TelegramUploader,
    request: UploadRequest,
    messages: usize,
    made: bool,
) -> ResumeState {
    let action = if made { FaultAction::Silence } else { FaultAction::NoExecuteSilence };
    let fault = world.sandbox.faults().inject(Fault::new(SEND, action));
    let (before, listener) = (world.messages().len(), Recorder::new());
    tokio::select! {
        ended = uploader.upload(request, listener.clone()) => panic!("{ended:?}"),
        () = world.sandbox.wait_until(|_| {
            let there = world.messages().len() == before + messages;
            if made { there } else { world.sandbox.faults().fired(fault) >= messages as u64 }
        }) => {}
    }
    uploader.close().await;
    world.sandbox.faults().clear();
    listener.checkpoints().pop().unwrap()
}

/// The state of a file with a session, whose message is there if `made`.
async fn lost(world: &World, bytes: &Bytes, made: bool) -> ResumeState {
    let uploader = mtproto();
    let sender = world.credentials().sessions().next().map(|sender| sender.id.clone());
    killed(world, &uploader, world.request(bytes), 1, made).await.by(sender)
}

async fn recalled(world: &World, state: &ResumeState, lost: &Lost) -> Recalled {
    let recalled = mtproto().recall(&world.credentials(), state, lost).await.unwrap();
    assert_eq!(world.sandbox.stats().calls(DELETE), 0, "that is the caller's");
    recalled
}

fn found(recalled: Recalled) -> StoredFile {
    match recalled {
        Recalled::There { stored, more: false } => stored,
        other => panic!("{other:?}"),
    }
}

/// The same state, asked for an hour earlier.
fn aged(state: &ResumeState) -> ResumeState {
    let mut written: Value = serde_json::from_slice(&state.bytes).unwrap();
    written["asked_at"] = json!(written["asked_at"].as_i64().unwrap() - HOUR);
    ResumeState::new("MTProto", serde_json::to_vec(&written).unwrap()).by(state.sender.clone())
}

#[tokio::test]
async fn what_was_asked_for_and_made_is_found_by_who_asked() {
    for length in [1000, 11 * 1024 * 1024] {
        let (world, bytes) = (World::new().await, bytes(1, length));
        let state = lost(&world, &bytes, true).await;
        let stored = found(recalled(&world, &state, &nothing(&world)).await);
        world.holds_once(&stored, &bytes);
        assert!(mtproto().withdraw(&world.credentials(), &stored).await.unwrap());
        assert_eq!(recalled_after(&world, &state).await, Recalled::NotThere);
    }
}

async fn recalled_after(world: &World, state: &ResumeState) -> Recalled {
    mtproto().recall(&world.credentials(), state, &nothing(world)).await.unwrap()
}

#[tokio::test]
async fn what_was_not_made_is_not_made_by_the_look() {
    let world = World::new().await;
    let state = lost(&world, &bytes(2, 1000), false).await;
    let sends = world.sandbox.stats().calls(SEND);
    assert_eq!(recalled(&world, &state, &nothing(&world)).await, Recalled::NotThere);
    assert_eq!((world.messages().len(), world.sandbox.stats().calls(SEND)), (0, sends));
}

#[tokio::test]
async fn what_was_not_asked_for_is_nothing() {
    let (world, listener) = (World::new().await, Recorder::new());
    world.sandbox.faults().inject(Fault::rpc_error(SEND, 400, "MEDIA_INVALID").once());
    mtproto().upload(world.request(&bytes(2, 1000)), listener.clone()).await.unwrap_err();
    let state = listener.checkpoints().pop().unwrap();
    assert_eq!(recalled(&world, &state, &nothing(&world)).await, Recalled::Gone);
}

#[tokio::test]
async fn nothing_of_others_is_taken_for_it() {
    let (world, bytes) = (World::new().await, bytes(3, 1000));
    // Another size, another account, and one of before.
    mtproto().upload(world.request(&bytes), Recorder::new()).await.unwrap();
    world.sandbox.age_messages_of(&world.user, HOUR);
    bot_api(&world.sandbox).upload(world.request(&bytes), Recorder::new()).await.unwrap();
    let state = lost(&world, &bytes, false).await;
    mtproto().upload(world.request(&bytes.slice(1..)), Recorder::new()).await.unwrap();
    assert_eq!(recalled(&world, &state, &nothing(&world)).await, Recalled::NotThere);
}

#[tokio::test]
async fn of_two_that_look_the_same_it_is_the_one_that_is_no_other_files() {
    let (world, bytes) = (World::new().await, bytes(4, 1000));
    let state = lost(&world, &bytes, true).await;
    let ours = i64::from(world.messages()[0].message_id);
    let twin = mtproto().upload(world.request(&bytes), Recorder::new()).await.unwrap();
    assert_eq!(recalled(&world, &state, &nothing(&world)).await, Recalled::Unclear);
    let mut known = nothing(&world);
    known.leave_out(twin.first(), false);
    assert_eq!(found(recalled(&world, &state, &known).await).message_id(), ours);
}

#[tokio::test]
async fn what_is_made_long_after_nobody_asked_for_it_any_more_is_not_it() {
    let (world, bytes) = (World::new().await, bytes(5, 1000));
    let state = aged(&aged(&lost(&world, &bytes, false).await));
    // A person has sent the file after the cancel.
    mtproto().upload(world.request(&bytes), Recorder::new()).await.unwrap();
    let over = nothing(&world).over(Duration::from_secs(HOUR.unsigned_abs() / 2));
    assert_eq!(recalled(&world, &state, &over).await, Recalled::NotThere);
    world.sandbox.age_messages_of(&world.user, HOUR);
    found(recalled(&world, &state, &over).await);
}

#[tokio::test]
async fn a_state_that_does_not_say_what_was_asked_for_is_unclear() {
    let world = World::new().await;
    let state = lost(&world, &bytes(6, 1000), true).await;
    let mut written: Value = serde_json::from_slice(&state.bytes).unwrap();
    written.as_object_mut().unwrap().remove("asked_for").unwrap();
    let state = ResumeState::new("MTProto", serde_json::to_vec(&written).unwrap()).by(state.sender);
    assert_eq!(recalled(&world, &state, &nothing(&world)).await, Recalled::Unclear);
}

/// A channel with two bots.
struct Two {
    world: World,
}

impl Two {
    async fn new() -> Self {
        Self { world: World::with_more_bots(&["two"]).await }
    }

    fn uploader(&self) -> MtprotoUploader {
        self.world.mtproto_for_bots()
    }

    fn in_pieces(&self) -> PiecesUploader {
        PiecesUploader::new(self.uploader()).with_piece_bytes(22 * PART as u64)
    }

    fn credentials(&self) -> TelegramCredentials {
        let mut credentials = bot_of(&self.world.user);
        credentials.senders = self.world.bots();
        credentials
    }

    fn request(&self, bytes: &Bytes, by: usize) -> UploadRequest {
        let credentials = self.credentials();
        let sender = Some(credentials.senders[by].clone());
        let request = self.world.request(bytes).with_credentials(Arc::new(credentials));
        request.with_sender(sender).among(Pool::default())
    }
}

#[tokio::test]
async fn a_bot_finds_its_message_and_another_ones_look_is_not_its() {
    let (two, bytes) = (Two::new().await, bytes(7, 1000));
    let second = two.credentials().senders[1].clone();
    let state = killed(&two.world, &two.uploader(), two.request(&bytes, 1), 1, true).await;
    let state = state.by(Some(second.id.clone()));
    let next = two.uploader();
    let recall = async |credentials: &TelegramCredentials| {
        next.recall(credentials, &state, &nothing(&two.world)).await
    };
    two.world.holds_once(&found(recall(&two.credentials()).await.unwrap()), &bytes);
    let mut without = two.credentials();
    without.senders.remove(1);
    let error = recall(&without).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.to_string().contains(second.id.as_str()), "{error}");
}

#[tokio::test]
async fn the_pieces_that_were_asked_for_are_found_each_by_its_bot() {
    let (two, bytes) = (Two::new().await, bytes(8, 3 * 22 * PART));
    // Two pieces side by side, of which no answer comes.
    let state = killed(&two.world, &two.in_pieces(), two.request(&bytes, 0), 2, true).await;
    assert!(state.made.is_empty());
    // One process: bots may not sign in too often.
    let next = two.in_pieces();
    let recall = async || next.recall(&two.credentials(), &state, &nothing(&two.world)).await;
    let stored = match recall().await.unwrap() {
        Recalled::There { stored, .. } => stored,
        other => panic!("{other:?}"),
    };
    let mut there: Vec<_> =
        two.world.messages().iter().map(|message| i64::from(message.message_id)).collect();
    let mut named: Vec<_> = stored.messages().iter().map(|message| message.message_id).collect();
    there.sort_unstable();
    named.sort_unstable();
    assert_eq!((there.len(), named), (2, there));
    for credentials in two.credentials().senders.iter().map(|sender| two.credentials().only(sender)) {
        assert!(next.withdraw(&credentials, &stored).await.unwrap());
    }
    assert_eq!(recall().await.unwrap(), Recalled::NotThere);
}
