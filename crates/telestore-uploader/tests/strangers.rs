//! What an MTProto server of a user's own may do: its files fail in time and in few words, and everybody else's arrive.

mod common;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{PART, World, credentials_of, mtproto_with};
use telestore_sandbox::{Fault, FaultAction, HostileMtproto, Sandbox, SandboxUser, UserSpec};
use telestore_uploader::testsuite::{Recorder, bytes};
use telestore_uploader::{Error, ErrorKind, MtprotoConfig, MtprotoUploader, TelegramUploader, Verdict};
use tokio::time::timeout;

const CONFIG: &str = "help.getConfig";
const CHANNELS: &str = "channels.getChannels";
const DIALOGS: &str = "messages.getDialogs";
const BIG: &str = "upload.saveBigFilePart";
const SMALL: &str = "upload.saveFilePart";
const SEND: &str = "messages.sendMedia";

/// Longer than any of these takes on a machine that is busy with other things. Nothing waits for it to be over, and what a
/// test is about comes long before.
const SOON: Duration = Duration::from_secs(120);

/// Small enough to go without a digest in many parts.
const LENGTH: usize = 24 * PART + 99;

/// A user whose server is hostile, and one who sends in good faith, by one backend.
struct Two {
    world: World,
    mallory: SandboxUser,
    uploader: MtprotoUploader,
}

impl Two {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut MtprotoConfig)) -> Self {
        let world = World::of(Sandbox::builder().start().await.unwrap());
        let mallory = world.sandbox.add_user(UserSpec::new("mallory"));
        let uploader = mtproto_with(|config| {
            config.max_failures = 3;
            config.longest_wait = Duration::from_secs(2);
            // None of these ends what is to end for another reason, or not at all, on a busy machine.
            config.connect_timeout = SOON;
            config.call_timeout = SOON;
            config.stall_timeout = SOON;
            change(config);
        });
        Self { world, mallory, uploader }
    }

    /// Arms a fault that only the hostile server has.
    fn plays(&self, fault: Fault) {
        self.world.sandbox.faults().inject(fault.user(&self.mallory.user_id));
    }

    /// How sending this many bytes to the hostile server ends.
    async fn ends(&self, bytes: &Bytes) -> Error {
        let mut hostile = self.world.request(bytes);
        hostile.credentials = Arc::new(credentials_of(&self.mallory));
        let ended = timeout(SOON, self.uploader.upload(hostile, Recorder::new())).await.expect("it ends");
        let error = ended.expect_err("a stranger's answer is no success");
        assert!(error.to_string().len() < 500, "in few words: {}", error.to_string().len());
        assert!(!error.to_string().contains(char::is_control), "{error:?}");
        error
    }

    /// The same, while somebody else's file goes through.
    async fn fails(&self, length: usize) -> Error {
        let bytes = bytes(1, length);
        let arrives = timeout(SOON, self.world.sends_once(&self.uploader, &bytes));
        let (error, arrived) = tokio::join!(self.ends(&bytes), arrives);
        arrived.expect("another user's file arrives");
        error
    }
}

#[tokio::test]
async fn answers_nested_without_end_are_errors() {
    for method in [DIALOGS, SEND] {
        for depth in [400, 10_000, 80_000] {
            let two = Two::new().await;
            two.plays(Fault::hostile_mtproto(method, HostileMtproto::Nested(depth)));
            let error = two.fails(1000).await;
            assert_ne!(error.verdict(), Verdict::Permanent, "{method} {depth}: {error}");
        }
    }
}

#[tokio::test]
async fn vectors_of_a_million_are_errors() {
    for method in [CHANNELS, DIALOGS, SEND] {
        for count in [10_000, 1_000_000] {
            let two = Two::new().await;
            two.plays(Fault::hostile_mtproto(method, HostileMtproto::Vector(count)));
            // An empty list of dialogs is an answer: the channel is not in it.
            two.fails(1000).await;
        }
    }
}

#[tokio::test]
async fn answers_that_grow_when_unpacked_are_errors() {
    for method in [CONFIG, DIALOGS, SMALL, SEND] {
        for answer in [HostileMtproto::Gzip(100 * 1024 * 1024), HostileMtproto::GzipOfGzip(100 * 1024 * 1024)]
        {
            let two = Two::new().await;
            two.plays(Fault::hostile_mtproto(method, answer));
            two.fails(1000).await;
        }
    }
}

#[tokio::test]
async fn errors_of_megabytes_are_told_in_few_words() {
    for method in [CONFIG, DIALOGS, SMALL, SEND] {
        for length in [3000, 8 * 1024 * 1024] {
            let two = Two::new().await;
            two.plays(Fault::hostile_mtproto(method, HostileMtproto::Words(length)));
            two.fails(1000).await;
        }
    }
}

#[tokio::test]
async fn waits_without_end_give_the_file_back() {
    for (method, length) in [(CONFIG, 1000), (DIALOGS, 1000), (SMALL, 1000), (BIG, LENGTH), (SEND, 1000)] {
        for seconds in [0, 1] {
            let two = Two::new().await;
            two.plays(Fault::flood_wait(method, seconds));
            let error = two.fails(length).await;
            assert!(matches!(error.kind(), ErrorKind::FloodWait(_)), "{method}: {error:?}");
        }
    }
}

#[tokio::test]
async fn no_wait_is_longer_than_a_day() {
    for (method, length) in [(CONFIG, 1000), (BIG, LENGTH), (SEND, 1000)] {
        let two = Two::new().await;
        two.plays(Fault::flood_wait(method, i32::MAX as u32));
        let wait = two.fails(length).await.retry_after().expect("it says how long");
        assert!(wait <= Duration::from_secs(24 * 60 * 60), "{wait:?}");
    }
}

#[tokio::test]
async fn waits_between_parts_that_arrive_stay_inside_of_the_attempt() {
    let two = Two::with(|config| config.longest_wait = Duration::from_secs(1)).await;
    two.plays(Fault::new(BIG, FaultAction::FloodPremiumWait(1)).every(8).times(3));
    let mut request = two.world.request(&bytes(2, LENGTH));
    request.credentials = Arc::new(credentials_of(&two.mallory));
    two.uploader.upload(request, Recorder::new()).await.expect("three waits, and the file");
}

#[tokio::test]
async fn an_attempt_that_gets_nowhere_ends() {
    for fault in [
        |at: &str| Fault::rpc_error(at, 500, "RPC_CALL_FAIL"),
        |at: &str| Fault::new(at, FaultAction::NoExecuteSilence),
        |at: &str| Fault::hostile_mtproto(at, HostileMtproto::Trickle(500)),
        |at: &str| Fault::hostile_mtproto(at, HostileMtproto::Unending(2 * 1024 * 1024)),
    ] {
        for (method, length) in [(CONFIG, 1000), (DIALOGS, 1000), (BIG, LENGTH), (SEND, 1000)] {
            let two = Two::with(|config| {
                config.max_failures = u32::MAX;
                config.call_timeout = Duration::from_millis(1500);
                config.stall_timeout = Duration::from_secs(2);
            })
            .await;
            two.plays(fault(method));
            // A busy machine may get nowhere either, so nobody else sends with these times.
            let error = two.ends(&bytes(1, length)).await;
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{method}: {error:?}");
        }
    }
}

#[tokio::test]
async fn a_packet_that_would_be_huge_ends_the_connection_at_once() {
    let two = Two::new().await;
    two.plays(Fault::hostile_mtproto(SEND, HostileMtproto::Unending(1 << 30)));
    two.fails(1000).await;
}

#[tokio::test]
async fn an_answer_that_comes_again_and_again_is_taken_once() {
    let two = Two::new().await;
    two.plays(Fault::hostile_mtproto(SMALL, HostileMtproto::Replay(50)));
    two.plays(Fault::hostile_mtproto(SEND, HostileMtproto::Replay(50)));
    let mut request = two.world.request(&bytes(3, 3 * PART));
    request.credentials = Arc::new(credentials_of(&two.mallory));
    two.uploader.upload(request, Recorder::new()).await.expect("it is a real answer");
    assert_eq!(two.world.sandbox.messages_of(&two.mallory).len(), 1);
}

#[tokio::test]
async fn packets_that_nobody_asked_for_end_the_connection() {
    // Without a limit they would keep the call waiting, and the machine busy, as long as they come.
    let two = Two::new().await;
    two.plays(Fault::hostile_mtproto(SEND, HostileMtproto::Unasked(20_000)));
    two.plays(Fault::hostile_mtproto(SMALL, HostileMtproto::Unasked(20_000)).skip(1));
    two.fails(1000).await;
}

#[tokio::test]
async fn many_silent_servers_leave_others_a_place_for_their_parts() {
    let mut two = Two::new().await;
    two.uploader = two.uploader.with_parts_in_flight(2);
    let silent = Fault::new(BIG, FaultAction::NoExecuteSilence).user(&two.mallory.user_id);
    let silent = two.world.sandbox.faults().inject(silent);
    let bytes = bytes(4, LENGTH);
    let mut request = two.world.request(&bytes);
    request.credentials = Arc::new(credentials_of(&two.mallory));
    let hostile = two.uploader.upload(request, Recorder::new());
    let honest = async {
        two.world.sandbox.faults().wait_fired(silent, 3).await;
        two.world.sends_once(&two.uploader, &bytes).await;
    };
    tokio::select! {
        ended = hostile => panic!("{ended:?}"),
        () = honest => {}
    }
}

#[tokio::test]
async fn a_session_string_that_was_put_right_is_used() {
    let world = World::new().await;
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let uploader = mtproto_with(|config| {
        config.address = Some(nobody);
        config.max_failures = 1;
    });
    // The same key: one string names no address, the other the right one.
    let mut wrong = world.request(&bytes(5, 1000));
    let session = world.user.pyrogram_session.as_deref();
    let credentials = common::with_session(&world.user, session, world.user.api_id);
    wrong.credentials = Arc::new(credentials);
    let error = uploader.upload(wrong, Recorder::new()).await.expect_err("nobody is there");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    world.sends_once(&uploader, &bytes(5, 1000)).await;
}

#[tokio::test]
async fn another_application_of_the_same_login_takes_the_place_of_its_connection() {
    let world = World::new().await;
    let uploader = common::mtproto();
    uploader.check(&world.credentials()).await.unwrap();
    let other = common::with_session(&world.user, world.user.telethon_session.as_deref(), 4242);
    uploader.check(&other).await.unwrap();
    uploader.check(&other).await.unwrap();
    let stats = world.sandbox.stats();
    assert_eq!(stats.connections_accepted, 2);
    // The sandbox would end the login if both called.
    assert_eq!(stats.max_connections(&world.user.user_id), 1);
}
