//! A message that Telegram made and does not name any more.

mod common;

use std::sync::Arc;

use common::{World, bot_api, credentials_of, mtproto, mtproto_with};
use serde_json::{Value, json};
use telestore_sandbox::{Fault, SandboxUser, UserSpec};
use telestore_types::ResumeState;
use telestore_uploader::testsuite::{Recorder, bytes};
use telestore_uploader::{ErrorKind, TelegramUploader};

const SEND: &str = "messages.sendMedia";

/// How the backend is called in the states that it makes.
const BACKEND: &str = "MTProto";

/// In seconds.
const HOUR: i64 = 3600;

/// Telegram says from now on, or after what was ordered before, that it had the call.
fn repeats(world: &World) {
    world.sandbox.faults().inject(Fault::rpc_error(SEND, 500, "RANDOM_ID_DUPLICATE"));
}

/// The same state an hour later: Telegram's times stand in it in whole seconds.
fn aged(state: &ResumeState) -> ResumeState {
    let mut written: Value =
        serde_json::from_slice(state.of(BACKEND).expect("of this backend")).expect("JSON");
    let asked_at = written["asked_at"].as_i64().expect("the message was asked for");
    written["asked_at"] = json!(asked_at - HOUR);
    ResumeState::new(BACKEND, serde_json::to_vec(&written).expect("JSON"))
}

#[tokio::test]
async fn a_message_that_was_made_is_taken_over() {
    for length in [1000, 11 * 1024 * 1024] {
        let world = World::new().await;
        world.sandbox.faults().inject(Fault::lose_answer(SEND).once());
        repeats(&world);
        world.sends_once(&mtproto(), &bytes(1, length)).await;
    }
}

#[tokio::test]
async fn a_later_attempt_finds_the_message_of_an_earlier_one() {
    let (world, bytes, listener) = (World::new().await, bytes(2, 1000), Recorder::new());
    world.sandbox.faults().inject(Fault::lose_answer(SEND).once());
    let impatient = mtproto_with(|config| config.max_failures = 0);
    let error = impatient.upload(world.request(&bytes), listener.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    // The machine was off for a while.
    world.sandbox.age_messages_of(&world.user, HOUR);
    repeats(&world);
    let mut again = world.request(&bytes);
    again.resume = listener.checkpoints().pop().map(|state| aged(&state));
    let stored = mtproto().upload(again, Recorder::new()).await.unwrap();
    world.holds_once(&stored, &bytes);
}

#[tokio::test]
async fn twins_are_not_taken_over() {
    // An older one of another process, one of this process, and one that the bot posted.
    for which in 0..3 {
        let (world, bytes, uploader) = (World::new().await, bytes(3, 1000), mtproto());
        match which {
            0 => {
                mtproto().upload(world.request(&bytes), Recorder::new()).await.unwrap();
                world.sandbox.age_messages_of(&world.user, HOUR);
            }
            1 => drop(uploader.upload(world.request(&bytes), Recorder::new()).await.unwrap()),
            _ => drop(bot_api(&world.sandbox).upload(world.request(&bytes), Recorder::new()).await.unwrap()),
        }
        repeats(&world);
        let error = world.fails(&uploader, &bytes).await;
        assert_eq!(error.kind(), ErrorKind::AnswerLost, "{which}: {error}");
        assert_eq!(world.messages().len(), 1);
    }
}

#[tokio::test]
async fn a_twin_in_the_same_chat_by_another_name_is_not_taken_over() {
    let new = "-1001555555555";
    let (world, bytes, uploader) = (World::new().await, bytes(5, 1000), mtproto());
    let mut user = world.sandbox.add_user(UserSpec::new("bob").channel(Some("-4242")));
    assert!(world.sandbox.migrate_group("-4242", new));
    let request = |user: &SandboxUser| world.request(&bytes).with_credentials(Arc::new(credentials_of(user)));
    uploader.upload(request(&user), Recorder::new()).await.unwrap();
    repeats(&world);
    new.clone_into(&mut user.channel_id);
    let error = uploader.upload(request(&user), Recorder::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AnswerLost, "{error}");
    assert_eq!(world.sandbox.messages(new).len(), 1);
}

#[tokio::test]
async fn other_files_are_not_taken_over() {
    let (world, uploader) = (World::new().await, mtproto());
    repeats(&world);
    // Nothing is there; then the bot posts one, and the account one of another length.
    assert_eq!(world.fails(&uploader, &bytes(4, 1000)).await.kind(), ErrorKind::AnswerLost);
    world.sandbox.faults().clear();
    bot_api(&world.sandbox).upload(world.request(&bytes(4, 1000)), Recorder::new()).await.unwrap();
    uploader.upload(world.request(&bytes(4, 1001)), Recorder::new()).await.unwrap();
    repeats(&world);
    assert_eq!(world.fails(&uploader, &bytes(4, 1000)).await.kind(), ErrorKind::AnswerLost);
}

/// Telegram says three times, which is as often as it is asked, that it had the call.
fn repeats_for_one_attempt(world: &World) {
    world.sandbox.faults().inject(Fault::rpc_error(SEND, 500, "RANDOM_ID_DUPLICATE").times(3));
}

fn asking_three_times() -> telestore_uploader::MtprotoUploader {
    mtproto_with(|config| config.max_failures = 2)
}

/// What tells one message from another in a state.
fn random_id(state: &ResumeState) -> Value {
    let written: Value = serde_json::from_slice(state.of(BACKEND).expect("of this backend")).expect("JSON");
    written["random_id"].clone()
}

#[tokio::test]
async fn what_no_call_names_is_made_once_more_if_that_is_wanted() {
    for length in [1000, 11 * 1024 * 1024] {
        let (world, bytes, listener) = (World::new().await, bytes(6, length), Recorder::new());
        repeats_for_one_attempt(&world);
        let request = world.request(&bytes).again_if_unknown(true);
        let stored = asking_three_times().upload(request, listener.clone()).await.unwrap();
        world.holds_once(&stored, &bytes);
        let states = listener.checkpoints();
        let (first, last) = (states.first().map(random_id), states.last().map(random_id));
        assert!(first.is_some() && first != last, "it is another message");
    }
}

#[tokio::test]
async fn what_is_made_once_more_may_be_there_twice_and_is_made_once_only() {
    for names_the_next in [true, false] {
        let (world, bytes, listener) = (World::new().await, bytes(7, 1000), Recorder::new());
        world.sandbox.faults().inject(Fault::lose_answer(SEND).once());
        let impatient = mtproto_with(|config| config.max_failures = 0);
        impatient.upload(world.request(&bytes), listener.clone()).await.unwrap_err();
        // Another process posts its twin: neither can be told from the other.
        mtproto().upload(world.request(&bytes), Recorder::new()).await.unwrap();
        match names_the_next {
            true => repeats_for_one_attempt(&world),
            false => repeats(&world),
        }
        let state = listener.checkpoints().pop().map(|state| aged(&state));
        let again = world.request(&bytes).again_if_unknown(true).resuming(state);
        let ended = asking_three_times().upload(again, Recorder::new()).await;
        match names_the_next {
            true => drop(ended.unwrap()),
            false => assert_eq!(ended.unwrap_err().kind(), ErrorKind::AnswerLost),
        }
        assert_eq!(world.messages().len(), 2 + usize::from(names_the_next));
    }
}

#[tokio::test]
async fn a_person_who_sends_again_what_no_call_names_has_it_looked_for_first() {
    for found in [true, false] {
        let (world, bytes, listener) = (World::new().await, bytes(8, 1000), Recorder::new());
        repeats_for_one_attempt(&world);
        let error = asking_three_times().upload(world.request(&bytes), listener.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AnswerLost, "{error}");
        if found {
            // It came after all.
            mtproto().upload(world.request(&bytes), Recorder::new()).await.unwrap();
        }
        let again = world.request(&bytes).resuming(listener.checkpoints().pop());
        let before = world.sandbox.stats().calls(SEND);
        let stored = asking_three_times().upload(again, Recorder::new()).await.unwrap();
        world.holds_once(&stored, &bytes);
        assert_eq!(world.sandbox.stats().calls(SEND) - before, u64::from(!found));
    }
}
