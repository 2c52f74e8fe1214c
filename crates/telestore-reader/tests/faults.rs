//! Reading while things break, against the sandbox: what comes is right, or ends with an error.

mod common;

use bytes::Bytes;
use common::{World, bytes, read};
use futures_util::TryStreamExt;
use telestore_reader::{Content, ErrorKind};
use telestore_sandbox::{Fault, FaultAction, HostileMtproto, UserSpec};
use telestore_uploader::TelegramUploader;

const GET: &str = "upload.getFile";
const MESSAGES: &str = "channels.getMessages";
const EXPORT: &str = "auth.exportAuthorization";
const EXCHANGE: &str = "req_pq_multi";
const BLOCK: usize = 256 * 1024;

/// A file of some blocks, opened.
async fn opened(world: &World, seed: u64) -> (Bytes, Content) {
    let sent = bytes(seed, 9 * BLOCK + 77);
    let content = world.open(&world.send(&sent).await).await.unwrap();
    (sent, content)
}

/// The rest of a stream, behind what came.
async fn rest(mut stream: telestore_reader::ByteStream, mut came: Vec<u8>) -> Vec<u8> {
    while let Some(piece) = stream.try_next().await.unwrap() {
        came.extend_from_slice(&piece);
    }
    came
}

#[tokio::test]
async fn what_passes_is_waited_for_or_asked_again() {
    let world = World::new().await;
    let (sent, content) = opened(&world, 1).await;
    let actions = [
        FaultAction::DropConnection,
        FaultAction::LoseAnswer,
        FaultAction::Silence,
        FaultAction::NoExecuteSilence,
        FaultAction::HoldBackAnswer,
        FaultAction::FloodWait(1),
        FaultAction::FloodPremiumWait(1),
        FaultAction::RpcError(500, "RPC_CALL_FAIL".to_owned()),
        FaultAction::RpcError(-503, "Timeout".to_owned()),
        FaultAction::HostileMtproto(HostileMtproto::TooLong(5000)),
        FaultAction::HostileMtproto(HostileMtproto::TooShort(1)),
        FaultAction::HostileMtproto(HostileMtproto::CdnRedirect),
    ];
    for action in actions {
        for skip in [0, 3] {
            let fault = Fault::new(GET, action.clone()).skip(skip).times(1);
            let fault = world.sandbox.faults().inject(fault);
            assert_eq!(read(&content, 0..u64::MAX).await.unwrap(), sent, "{action:?}");
            assert_eq!(world.sandbox.faults().fired(fault), 1, "{action:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_again_and_again_ends_no_stream() {
    let world = World::new().await;
    let (sent, content) = opened(&world, 2).await;
    world.sandbox.faults().inject(Fault::new(GET, FaultAction::DropConnection).every(4));
    assert_eq!(read(&content, 0..u64::MAX).await.unwrap(), sent);
}

#[tokio::test]
async fn what_does_not_pass_ends_the_stream_behind_right_bytes() {
    let world = World::new().await;
    let (sent, content) = opened(&world, 3).await;
    let refused = FaultAction::RpcError(400, "LOCATION_INVALID".to_owned());
    world.sandbox.faults().inject(Fault::new(GET, refused).offset(5 * BLOCK as i64));
    let (mut stream, mut came) = (content.read(0..u64::MAX), Vec::new());
    let error = loop {
        match stream.try_next().await {
            Ok(Some(piece)) => came.extend_from_slice(&piece),
            Ok(None) => panic!("it is not whole"),
            Err(error) => break error,
        }
    };
    assert_eq!((error.kind(), &came[..]), (ErrorKind::Gone, &sent[..5 * BLOCK]));
}

#[tokio::test]
async fn a_server_that_always_gives_too_little_is_not_asked_for_ever() {
    let world = World::new().await;
    let (_, content) = opened(&world, 4).await;
    let short = FaultAction::HostileMtproto(HostileMtproto::TooShort(1));
    world.sandbox.faults().inject(Fault::new(GET, short));
    let error = read(&content, 0..u64::MAX).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn references_that_expire_are_renewed_once_for_all_blocks_in_flight() {
    let world = World::new().await;
    for credentials in [world.credentials(), common::bot_of(&world.user)] {
        let sent = bytes(5, 40 * BLOCK);
        let stored = world.send(&sent).await;
        let content = Content::open(&world.readers, &credentials, stored.messages()).await.unwrap();
        let before = world.sandbox.stats().calls(MESSAGES);
        let mut stream = content.read(0..u64::MAX);
        let came = stream.try_next().await.unwrap().unwrap().to_vec();
        world.sandbox.expire_file_references();
        assert_eq!(rest(stream, came).await, sent);
        assert_eq!(world.sandbox.stats().calls(MESSAGES) - before, 1);
    }
}

#[tokio::test]
async fn a_file_in_another_data_centre_is_read_there_and_the_account_stays() {
    let world = World::with_another_data_centre().await;
    world.sandbox.place_documents(Some(4));
    let (sent, content) = opened(&world, 6).await;
    assert_eq!(read(&content, 0..u64::MAX).await.unwrap(), sent);
    let stats = world.sandbox.stats();
    assert_eq!((stats.calls(EXPORT), stats.downloads(&world.user.user_id, false, 2).calls), (1, 0));
    assert!(stats.downloads(&world.user.user_id, false, 4).calls >= 10);
    // Its key there is kept, and the account sends from where it was.
    let exchanges = stats.calls(EXCHANGE);
    world.send(&sent).await;
    assert_eq!(read(&content, 7..100).await.unwrap(), sent[7..100]);
    let stats = world.sandbox.stats();
    assert_eq!((stats.calls(EXPORT), stats.calls(EXCHANGE)), (1, exchanges));
}

#[tokio::test]
async fn a_file_that_moves_while_it_is_read_is_followed() {
    let world = World::with_another_data_centre().await;
    let sent = bytes(7, 40 * BLOCK);
    let content = world.open(&world.send(&sent).await).await.unwrap();
    let mut stream = content.read(0..u64::MAX);
    let came = stream.try_next().await.unwrap().unwrap().to_vec();
    world.sandbox.move_documents(&*world.user.channel_id, 4);
    assert_eq!(rest(stream, came).await, sent);
    assert!(world.sandbox.stats().downloads(&world.user.user_id, false, 4).calls > 0);
}

#[tokio::test]
async fn one_who_is_no_member_reads_nothing_and_is_told() {
    let world = World::new().await;
    let stored = world.send(&bytes(8, 100)).await;
    let other = world.sandbox.add_user(UserSpec::new("other"));
    let stranger = common::credentials_of(&other);
    let error = Content::open(&world.readers, &stranger, stored.messages()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
}

#[tokio::test]
async fn a_dead_session_is_refused_and_a_bot_reads_instead() {
    let world = World::new().await;
    let sent = bytes(9, 1000);
    let stored = world.send(&sent).await;
    world.sandbox.revoke_session(&world.user);
    let error = world.open(&stored).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let bot = common::bot_of(&world.user).senders.remove(0);
    let both = world.credentials().with_sender(bot);
    let content = Content::open(&world.readers, &both, stored.messages()).await.unwrap();
    assert_eq!(read(&content, 0..u64::MAX).await.unwrap(), sent);
}

#[tokio::test]
async fn slow_readers_take_no_room_from_fast_ones() {
    let world = World::new().await;
    let sent = bytes(10, 40 * BLOCK);
    let content = world.open(&world.send(&sent).await).await.unwrap();
    // Each takes one piece and no more.
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut stream = content.read(0..u64::MAX);
        stream.try_next().await.unwrap();
        slow.push(stream);
    }
    assert_eq!(read(&content, 0..u64::MAX).await.unwrap(), sent);
    for mut stream in slow {
        let second = stream.try_next().await.unwrap().unwrap();
        assert_eq!(second, sent[BLOCK..2 * BLOCK]);
    }
}

#[tokio::test]
async fn a_message_that_one_login_sees_is_gone_is_asked_of_no_other() {
    let world = World::new().await;
    let stored = world.send(&bytes(11, 100)).await;
    world.uploader.withdraw(&world.credentials(), &stored).await.unwrap();
    // The bot would have to sign in.
    let bot = common::bot_of(&world.user).senders.remove(0);
    let both = world.credentials().with_sender(bot);
    let error = Content::open(&world.readers, &both, stored.messages()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gone, "{error}");
    assert_eq!(world.sandbox.stats().calls("auth.importBotAuthorization"), 0);
}
