//! The MTProto backend when things go wrong.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{PART, World, mtproto, mtproto_with};
use telestore_sandbox::{Fault, FaultAction, Sandbox, UserSpec};
use telestore_types::{ChatId, ManualClock, SourceError, StoredAs, Timestamp};
use telestore_uploader::testsuite::sources::{BlockingSource, CountingSource, FailingSource};
use telestore_uploader::testsuite::{Recorder, bytes};
use telestore_uploader::{ErrorKind, TelegramUploader, Verdict};
use tokio::time::timeout;

const BIG: &str = "upload.saveBigFilePart";
const SMALL: &str = "upload.saveFilePart";
const SEND: &str = "messages.sendMedia";

/// 12 MiB and a bit: 25 parts.
const LENGTH: usize = 24 * PART + 99;

#[tokio::test]
async fn waits_as_long_as_a_flood_wait_says_and_does_not_count_it() {
    let world = World::new().await;
    world.sandbox.faults().inject(Fault::flood_wait(BIG, 1).skip(3).times(2));
    world.sandbox.faults().inject(Fault::flood_wait(SEND, 1).once());
    let uploader = mtproto_with(|config| config.max_failures = 0);
    let listener = world.sends_once(&uploader, &bytes(1, LENGTH)).await;
    let waits = listener.flood_waits();
    assert!((2..=3).contains(&waits.len()), "parts wait together: {waits:?}");
    assert!(waits.iter().all(|wait| *wait == Duration::from_secs(1)), "{waits:?}");
}

#[tokio::test]
async fn a_long_wait_is_given_back_with_what_was_sent() {
    for (method, length) in [(BIG, LENGTH), (SEND, 1000)] {
        let world = World::new().await;
        world.sandbox.faults().inject(Fault::flood_wait(method, 3600).once());
        let error = world.fails(&mtproto(), &bytes(1, length)).await;
        let wait = error.retry_after().expect("it says how long");
        assert!((Duration::from_secs(3590)..=Duration::from_secs(3600)).contains(&wait), "{wait:?}");
    }
}

#[tokio::test]
async fn sends_a_part_again_after_an_error() {
    for (method, length) in [(BIG, LENGTH), (SMALL, 5 * PART)] {
        let world = World::new().await;
        let faults = world.sandbox.faults();
        faults.inject(Fault::rpc_error(method, 500, "RPC_CALL_FAIL").every(4).times(3));
        faults.inject(Fault::rpc_error(method, -503, "Timeout").part(2).once());
        faults.inject(Fault::new(method, FaultAction::ReturnFalse).part(1).once());
        world.sends_once(&mtproto(), &bytes(2, length)).await;
    }
}

#[tokio::test]
async fn survives_a_connection_that_drops_again_and_again() {
    let world = World::new().await;
    world.sandbox.faults().inject(Fault::drop_connection(BIG).every(7).times(4));
    world.sandbox.faults().inject(Fault::lose_answer(BIG).skip(2).every(11).times(2));
    world.sends_once(&mtproto(), &bytes(3, LENGTH)).await;
    assert_eq!(world.sandbox.stats().max_connections(&world.user.user_id), 1);
}

#[tokio::test]
async fn gives_the_file_back_when_a_part_fails_too_often() {
    let world = World::new().await;
    world.sandbox.faults().inject(Fault::rpc_error(BIG, 500, "RPC_CALL_FAIL").part(9));
    let uploader = mtproto_with(|config| config.max_failures = 3);
    let listener = Recorder::new();
    let bytes = bytes(4, LENGTH);
    let error = uploader.upload(world.request(&bytes), listener.clone()).await.unwrap_err();
    assert_eq!((error.kind(), error.verdict()), (ErrorKind::Unavailable, Verdict::Temporary));
    assert!(world.messages().is_empty());

    world.sandbox.faults().clear();
    let sent = world.sandbox.stats().parts_total();
    let mut again = world.request(&bytes);
    again.resume = listener.checkpoints().pop();
    let stored = uploader.upload(again, Recorder::new()).await.unwrap();
    world.holds_once(&stored, &bytes);
    let rest = world.sandbox.stats().parts_total() - sent;
    assert!(rest < 25, "what was confirmed before it failed is not sent again: {rest}");
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_message() {
    for fault in
        [Fault::lose_answer(SEND), Fault::drop_connection(SEND), Fault::rpc_error(SEND, 500, "TIMEOUT")]
    {
        let world = World::new().await;
        world.sandbox.faults().inject(fault.times(2));
        world.sends_once(&mtproto(), &bytes(5, 1000)).await;
    }
}

#[tokio::test]
async fn a_message_without_answer_is_asked_for_again() {
    let world = World::new().await;
    world.sandbox.faults().inject(Fault::new(SEND, FaultAction::Silence).once());
    let uploader = mtproto_with(|config| config.call_timeout = Duration::from_millis(1000));
    world.sends_once(&uploader, &bytes(6, 1000)).await;
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_asked_for_later() {
    let world = World::new().await;
    world.sandbox.faults().inject(Fault::lose_answer(SEND));
    let error = world.fails(&mtproto_with(|config| config.max_failures = 2), &bytes(7, 1000)).await;
    assert_eq!((error.kind(), error.verdict()), (ErrorKind::Unavailable, Verdict::Temporary));
    assert!(error.to_string().contains("may be in the channel"), "{error}");
}

#[tokio::test]
async fn waits_for_a_first_call_that_is_still_worked_on() {
    let world = World::new().await;
    world.sandbox.faults().inject(Fault::rpc_error(SEND, 500, "RANDOM_ID_DUPLICATE").times(3));
    world.sends_once(&mtproto(), &bytes(8, 1000)).await;
}

#[tokio::test]
async fn a_missing_part_alone_is_sent_again() {
    let world = World::new().await;
    world.sandbox.faults().inject(Fault::rpc_error(SEND, 400, "FILE_PART_3_MISSING").once());
    world.sends_once(&mtproto(), &bytes(9, LENGTH)).await;
    let stats = world.sandbox.stats();
    assert_eq!(stats.parts_total(), 26);
    let file_id = *stats.parts.keys().next().unwrap();
    assert_eq!(stats.part(file_id, 3), 2);
}

#[tokio::test]
async fn a_wrong_checksum_starts_over_once() {
    let world = World::new().await;
    let bytes = bytes(10, 2 * PART);
    world.sandbox.faults().inject(Fault::rpc_error(SEND, 400, "MD5_CHECKSUM_INVALID").once());
    world.sends_once(&mtproto(), &bytes).await;
    assert_eq!(world.sandbox.stats().parts.len(), 2, "under a new file id");

    world.sandbox.faults().inject(Fault::rpc_error(SEND, 400, "MD5_CHECKSUM_INVALID"));
    let error = world.fails(&mtproto(), &bytes).await;
    assert_eq!(error.verdict(), Verdict::Temporary);
}

#[tokio::test]
async fn an_old_state_sends_the_parts_again_and_keeps_the_message() {
    let world = World::new().await;
    let clock = ManualClock::new(Timestamp::from_millis(1_700_000_000_000));
    let uploader = mtproto_with(|config| config.clock = Arc::new(clock.clone()));
    let (listener, bytes) = (Recorder::new(), bytes(11, LENGTH));
    let mut request = world.request(&bytes);
    uploader.upload(request.clone(), listener.clone()).await.unwrap();
    clock.advance(Duration::from_secs(3 * 60 * 60));
    request.resume = listener.checkpoints().pop();
    let stored = uploader.upload(request, Recorder::new()).await.unwrap();
    world.holds_once(&stored, &bytes);
    assert_eq!(world.sandbox.stats().parts.len(), 2, "the parts go under a new file id");
}

#[tokio::test]
async fn uploads_of_one_account_share_one_connection_and_others_do_not() {
    let world = World::new().await;
    let other = World { user: world.sandbox.add_user(UserSpec::new("bob")), sandbox: world.sandbox };
    let world = World { user: other.sandbox.user(), sandbox: other.sandbox };
    let (uploader, bytes) = (mtproto(), bytes(12, LENGTH));
    let mut theirs = world.request(&bytes);
    theirs.credentials = Arc::new(common::credentials_of(&other.user));
    let (first, second, third) = tokio::join!(
        uploader.upload(world.request(&bytes), Recorder::new()),
        uploader.upload(world.request(&bytes), Recorder::new()),
        uploader.upload(theirs, Recorder::new()),
    );
    first.and(second).and(third).unwrap();
    let stats = world.sandbox.stats();
    assert_eq!(
        (stats.max_connections(&world.user.user_id), stats.max_connections(&other.user.user_id)),
        (1, 1)
    );
    assert_eq!(stats.connections_accepted, 2);
    assert_eq!((world.messages().len(), world.sandbox.messages_of(&other.user).len()), (2, 1));
}

#[tokio::test]
async fn a_cancel_while_connecting_leaves_no_connection_beside_the_next() {
    let world = World::new().await;
    let hold = world.sandbox.faults().inject(Fault::hold("help.getConfig").once());
    let (uploader, bytes) = (mtproto(), bytes(28, 1000));
    let request = world.request(&bytes);
    let cancel = request.cancel.clone();
    let stopper = async {
        world.sandbox.faults().wait_fired(hold, 1).await;
        cancel.cancel();
    };
    let (ended, ()) = tokio::join!(uploader.upload(request, Recorder::new()), stopper);
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
    world.sends_once(&uploader, &bytes).await;
    assert_eq!(world.sandbox.stats().max_connections(&world.user.user_id), 1);
}

#[tokio::test]
async fn an_idle_connection_closes_and_opens_again() {
    let world = World::new().await;
    let uploader = mtproto_with(|config| config.idle_timeout = Duration::from_millis(50));
    uploader.check(&world.credentials()).await.unwrap();
    world.sandbox.wait_until(|stats| stats.connections.values().all(|open| *open == 0)).await;
    world.sends_once(&uploader, &bytes(13, 1000)).await;
}

#[tokio::test]
async fn a_thin_line_is_not_taken_for_a_dead_one() {
    let world = World::new().await;
    world.sandbox.network().set_bandwidth(Some(1_500_000));
    // A full window takes longer than a call may.
    let uploader = mtproto_with(|config| config.call_timeout = Duration::from_secs(3)).with_window(16);
    world.sends_once(&uploader, &bytes(26, 18 * PART)).await;
    assert_eq!(world.sandbox.stats().parts_total(), 18, "no part is sent twice");
}

#[tokio::test]
async fn a_connection_given_up_does_not_speak_beside_the_next() {
    let world = World::new().await;
    world.sandbox.network().set_bandwidth(Some(1_000_000));
    let uploader = mtproto_with(|config| {
        config.call_timeout = Duration::from_millis(200);
        config.max_failures = 2;
    });
    // Telegram would end the session if it saw two connections of it: nothing must be left in the old one's buffers.
    let error = world.fails(&uploader, &bytes(29, LENGTH)).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}

#[tokio::test]
async fn dead_sessions_are_not_authorized() {
    for name in [
        "AUTH_KEY_UNREGISTERED",
        "SESSION_REVOKED",
        "SESSION_EXPIRED",
        "USER_DEACTIVATED",
        "USER_DEACTIVATED_BAN",
    ] {
        let world = World::new().await;
        world.sandbox.revoke_session_as(&world.user, name);
        let uploader = mtproto();
        let error = world.fails(&uploader, &bytes(14, 1000)).await;
        assert_eq!(error.kind(), ErrorKind::NotAuthorized, "{name}");
        let said = error.to_string();
        assert!(said.starts_with("Telegram session not authorized"), "{said}");
        assert!(name == "AUTH_KEY_UNREGISTERED" || said.contains("sign in"), "it says what to do: {said}");
        world.sandbox.restore_session(&world.user);
        world.sends_once(&uploader, &bytes(14, 1000)).await;
    }
}

#[tokio::test]
async fn a_key_that_telegram_does_not_know_is_not_authorized() {
    let world = World::new().await;
    let mut request = world.request(&bytes(15, 1000));
    let session = world.user.telethon_session.clone().unwrap();
    let middle = session.len() / 2;
    let other = if &session[middle..=middle] == "A" { "B" } else { "A" };
    let changed = format!("{}{other}{}", &session[..middle], &session[middle + 1..]);
    let credentials = common::with_session(&world.user, Some(&changed), world.user.api_id);
    request.credentials = Arc::new(credentials);
    let error = mtproto().upload(request, Recorder::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotAuthorized);
}

#[tokio::test]
async fn a_session_that_dies_on_the_way_ends_the_upload() {
    let world = World::new().await;
    world.sandbox.faults().inject(Fault::rpc_error(BIG, 401, "SESSION_REVOKED").skip(10));
    let error = world.fails(&mtproto(), &bytes(16, LENGTH)).await;
    assert_eq!(error.kind(), ErrorKind::NotAuthorized);
}

#[tokio::test]
async fn channels_that_cannot_be_written_to_are_unresolved() {
    let world = World::new().await;
    world.sandbox.set_writable(&world.user.channel_id, false);
    let error = world.fails(&mtproto(), &bytes(17, 1000)).await;
    assert!(
        error.to_string().starts_with("Could not resolve channel ID: the account may not post"),
        "{error}"
    );

    let gone = World::new().await;
    gone.sandbox.remove_account(&gone.user.channel_id, &gone.user);
    assert_eq!(gone.fails(&mtproto(), &bytes(17, 1000)).await.kind(), ErrorKind::ChannelUnresolved);
}

#[tokio::test]
async fn a_channel_is_resolved_once_more_when_the_send_says_it_is_wrong() {
    let world = World::new().await;
    world.sandbox.faults().inject(Fault::rpc_error(SEND, 400, "CHANNEL_INVALID").once());
    world.sends_once(&mtproto(), &bytes(18, 1000)).await;
}

#[tokio::test]
async fn finds_a_channel_among_many_dialogs() {
    let world = World::new().await;
    for number in 0..250 {
        world.sandbox.add_channel(&world.user, &format!("channel {number}"));
    }
    mtproto().check(&world.credentials()).await.unwrap();
    let mut nowhere = world.credentials();
    nowhere.chat_id = ChatId::new("-1009999999999").unwrap();
    let error = timeout(Duration::from_secs(60), mtproto().check(&nowhere)).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ChannelUnresolved);
}

#[tokio::test]
async fn pyrogram_sessions_work_with_an_address_of_their_own() {
    let world = World::new().await;
    let uploader = mtproto_with(|config| config.address = Some(world.sandbox.mtproto_addr()));
    let mut request = world.request(&bytes(19, 1000));
    let session = world.user.pyrogram_session.as_deref();
    let credentials = common::with_session(&world.user, session, world.user.api_id);
    request.credentials = Arc::new(credentials);
    let stored = uploader.upload(request, Recorder::new()).await.unwrap();
    assert!(matches!(stored.first().stored_as, StoredAs::Mtproto { document_id } if document_id != 0));
}

#[tokio::test]
async fn refusals_of_the_file_are_for_good() {
    let world = World::new().await;
    world.sandbox.faults().inject(Fault::rpc_error(SEND, 400, "FILE_PARTS_INVALID"));
    assert_eq!(world.fails(&mtproto(), &bytes(20, 1000)).await.kind(), ErrorKind::Rejected);
    assert_eq!(world.fails(&mtproto(), &bytes(20, 0)).await.kind(), ErrorKind::Rejected);
    let small = mtproto().with_max_bytes(10);
    assert_eq!(world.fails(&small, &bytes(20, 11)).await.kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn a_server_that_says_nothing_ends_in_an_error_that_names_the_clock() {
    let world = World::new().await;
    let silence = world.sandbox.faults().inject(Fault::new("help.getConfig", FaultAction::NoExecuteSilence));
    let mut patience = Duration::from_millis(100);
    let error = loop {
        let uploader = mtproto_with(|config| {
            config.connect_timeout = patience;
            config.max_failures = 1;
        });
        let error = world.fails(&uploader, &bytes(21, 1000)).await;
        if world.sandbox.faults().fired(silence) > 0 {
            break error;
        }
        // On a slow machine it takes longer to get as far as the question.
        patience *= 2;
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("clock"), "{error}");
}

#[tokio::test]
async fn parts_go_over_as_many_connections_as_asked_for() {
    let world = World::new().await;
    let uploader = mtproto_with(|config| config.connections = 3);
    world.sends_once(&uploader, &bytes(33, LENGTH)).await;
    // The sandbox would end the login if a second one called at the main address.
    assert_eq!(world.sandbox.stats().max_connections(&world.user.user_id), 3);
}

#[tokio::test]
async fn a_data_centre_without_addresses_for_files_gets_one_connection() {
    let world = World::with_another_data_centre().await;
    world.sandbox.move_account(&world.user, 4);
    let uploader = world.mtproto_with(|config| config.connections = 3);
    world.sends_once(&uploader, &bytes(34, LENGTH)).await;
    assert_eq!(world.sandbox.stats().max_connections(&world.user.user_id), 1);
}

#[tokio::test]
async fn a_clock_that_is_an_hour_off_is_put_right() {
    for ahead in [3600, -3600] {
        let sandbox = Sandbox::builder().strict_time(true).clock_ahead(ahead).start().await.unwrap();
        let world = World::of(sandbox);
        world.sends_once(&mtproto(), &bytes(31, LENGTH)).await;
    }
}

#[tokio::test]
async fn what_was_sealed_with_an_old_salt_is_sent_again() {
    let world = World::new().await;
    let held = world.sandbox.faults().inject(Fault::hold(BIG).part(10));
    let (uploader, bytes) = (mtproto(), bytes(32, LENGTH));
    let changed = async {
        world.sandbox.faults().wait_fired(held, 1).await;
        world.sandbox.change_salts(&world.user);
        world.sandbox.faults().release(held);
    };
    tokio::join!(world.sends_once(&uploader, &bytes), changed);
    assert_eq!(world.sandbox.stats().parts_total(), 25, "what was refused was not taken");
}

#[tokio::test]
async fn cancel_ends_a_wait_and_a_held_part() {
    for fault in [Fault::flood_wait(BIG, 3600), Fault::hold(BIG)] {
        let world = World::new().await;
        let id = world.sandbox.faults().inject(fault);
        let patient = mtproto_with(|config| config.longest_wait = Duration::from_secs(4000));
        let (uploader, request) = (patient, world.request(&bytes(22, LENGTH)));
        let cancel = request.cancel.clone();
        let upload = uploader.upload(request, Recorder::new());
        let stopper = async {
            world.sandbox.faults().wait_fired(id, 1).await;
            cancel.cancel();
        };
        let ended =
            timeout(Duration::from_secs(60), async { tokio::join!(upload, stopper).0 }).await.unwrap();
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
    }
}

#[tokio::test]
async fn a_message_that_was_accepted_outlives_a_cancel() {
    let world = World::new().await;
    let hold = world.sandbox.pause(SEND);
    let (uploader, bytes) = (mtproto(), bytes(23, 1000));
    let request = world.request(&bytes);
    let cancel = request.cancel.clone();
    let stopper = async {
        world.sandbox.faults().wait_fired(hold, 1).await;
        cancel.cancel();
        world.sandbox.resume(hold);
    };
    let (stored, ()) = tokio::join!(uploader.upload(request, Recorder::new()), stopper);
    world.holds_once(&stored.unwrap(), &bytes);
}

#[tokio::test]
async fn parts_of_a_damaged_file_are_not_kept() {
    let world = World::new().await;
    let (uploader, bytes, listener) = (mtproto(), bytes(28, LENGTH), Recorder::new());
    let damaged = SourceError::Damaged("chunk 0 is not what was received".to_owned());
    let mut request = world.request(&bytes);
    request.source = FailingSource::new(bytes.clone(), 5 * PART as u64, damaged);
    let error = uploader.upload(request.clone(), listener.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SourceDamaged);
    // The client has sent the chunk again.
    let source = CountingSource::new(bytes.clone());
    (request.source, request.resume) = (source.clone(), listener.checkpoints().pop());
    let stored = uploader.upload(request, Recorder::new()).await.unwrap();
    world.holds_once(&stored, &bytes);
    assert_eq!(source.read(), bytes.len() as u64, "whatever was sent may have been damaged");
}

#[tokio::test]
async fn a_cancel_with_a_lost_answer_still_names_the_message() {
    let world = World::new().await;
    let lost = world.sandbox.faults().inject(Fault::new(SEND, FaultAction::LoseAnswer).once());
    let slow = mtproto_with(|config| config.backoff_base = Duration::from_secs(60));
    let (uploader, bytes) = (slow, bytes(29, 1000));
    let request = world.request(&bytes);
    let cancel = request.cancel.clone();
    let stopper = async {
        world.sandbox.faults().wait_fired(lost, 1).await;
        cancel.cancel();
    };
    let (stored, ()) = tokio::join!(uploader.upload(request, Recorder::new()), stopper);
    world.holds_once(&stored.unwrap(), &bytes);
}

#[tokio::test]
async fn a_message_can_be_taken_back() {
    let world = World::new().await;
    let uploader = mtproto();
    let stored = uploader.upload(world.request(&bytes(27, 1000)), Recorder::new()).await.unwrap();
    assert!(uploader.withdraw(&world.credentials(), &stored).await.unwrap());
    assert!(world.messages().is_empty());
    assert!(
        uploader.withdraw(&world.credentials(), &stored).await.unwrap(),
        "it is gone: an answer may have been lost"
    );
}

#[tokio::test]
async fn an_upload_that_is_stuck_does_not_take_the_window_of_others() {
    let world = World::new().await;
    let uploader = mtproto().with_window(1);
    let source = BlockingSource::new(bytes(24, LENGTH), 3 * PART as u64);
    let mut stuck = world.request(&bytes(24, 1));
    stuck.source = source.clone();
    let upload = uploader.upload(stuck, Recorder::new());
    let other = async {
        source.reached().await;
        world.sends_once(&uploader, &bytes(25, LENGTH)).await;
    };
    tokio::select! {
        ended = upload => panic!("{ended:?}"),
        () = other => {}
    }
}
