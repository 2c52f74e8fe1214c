//! Telegram's rules, by the names of its errors.

use grammers_client::{Client, tl};
use telestore_sandbox::{Fault, Limits, Sandbox, SandboxUser, UserSpec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{
    big_file, big_part, connect, find_channel, message_id, noise, refused, send_media, small_part,
};

async fn start() -> (Sandbox, SandboxUser, Client, tl::enums::InputPeer) {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let client = connect(&sandbox, &user);
    let peer = find_channel(&client, &user).await;
    (sandbox, user, client, peer)
}

fn bad(name: &str) -> (i32, String) {
    (400, name.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_a_wrong_size_or_index_are_refused() {
    let (_sandbox, _, client, _) = start().await;
    let refuse = async |file_id, index, total, len| {
        refused(client.invoke(&big_part(file_id, index, total, vec![1; len])).await)
    };
    assert_eq!(refuse(1, 0, 2, 0).await, bad("FILE_PART_EMPTY"));
    assert_eq!(refuse(1, 0, 2, 512 * 1024 + 1).await, bad("FILE_PART_TOO_BIG"));
    assert_eq!(refuse(1, 0, 2, 1000).await, bad("FILE_PART_SIZE_INVALID"));
    assert_eq!(refuse(1, 0, 2, 3 * 1024).await, bad("FILE_PART_SIZE_INVALID"));
    assert_eq!(refuse(1, -1, 2, 1024).await, bad("FILE_PART_INVALID"));
    assert_eq!(refuse(1, 2, 2, 1024).await, bad("FILE_PART_INVALID"));
    assert_eq!(refuse(1, 0, 4001, 1024).await, bad("FILE_PARTS_INVALID"));
    assert!(client.invoke(&big_part(2, 0, 3, vec![1; 2048])).await.expect("an answer"));
    assert_eq!(refuse(2, 1, 3, 1024).await, bad("FILE_PART_SIZE_CHANGED"));
    assert_eq!(refuse(2, 2, 3, 4096).await, bad("FILE_PART_SIZE_CHANGED"));
    assert_eq!(refuse(2, 1, 4, 2048).await, bad("FILE_PARTS_INVALID"));
}

#[tokio::test(flavor = "multi_thread")]
async fn premium_makes_files_and_captions_longer() {
    let (sandbox, user, client, peer) = start().await;
    let mut limits = Limits::default();
    (limits.parts, limits.parts_premium) = (2, 3);
    (limits.caption, limits.caption_premium) = (10, 20);
    sandbox.set_limits(limits);
    let part = async |file_id, total| client.invoke(&big_part(file_id, 0, total, vec![1; 1024])).await;
    let told = async || {
        let call = tl::functions::help::GetAppConfig { hash: 0 };
        format!("{:?}", client.invoke(&call).await.expect("an answer"))
    };
    let config = told().await;
    assert!(config.contains("upload_max_fileparts_premium") && config.contains("value: 3.0"), "{config}");
    for (premium, parts, caption) in [(false, 2, 10), (true, 3, 20)] {
        sandbox.set_premium(&user, premium);
        assert_eq!(refused(part(1, parts + 1).await), bad("FILE_PARTS_INVALID"), "already at part 0");
        let file_id = 10 + i64::from(parts);
        for index in 0..parts {
            client.invoke(&big_part(file_id, index, parts, vec![1; 1024])).await.expect("a part");
        }
        let send = async |length| {
            let mut call = send_media(peer.clone(), big_file(file_id, parts), file_id);
            call.message = "x".repeat(length);
            client.invoke(&call).await
        };
        assert_eq!(refused(send(caption + 1).await), bad("MEDIA_CAPTION_TOO_LONG"));
        if premium {
            sandbox.set_premium(&user, false);
            assert_eq!(refused(send(5).await), bad("FILE_PARTS_INVALID"), "it has ended");
            sandbox.set_premium(&user, true);
        }
        send(caption).await.expect("a message");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_converted_video_is_scheduled_and_can_be_taken_back() {
    let (sandbox, user, client, peer) = start().await;
    sandbox.convert_videos(true).expect("a switch");
    let send = async |file_id| {
        let mut call = send_media(peer.clone(), big_file(file_id, 1), file_id);
        if let tl::enums::InputMedia::UploadedDocument(media) = &mut call.media {
            (media.force_file, media.nosound_video) = (false, true);
            media.mime_type = "video/mp4".to_owned();
        }
        client.invoke(&call).await
    };
    let listed = async || {
        let call = tl::functions::messages::GetScheduledHistory { peer: peer.clone(), hash: 0 };
        match client.invoke(&call).await.expect("a list") {
            tl::enums::messages::Messages::Messages(list) => list.messages.len(),
            other => panic!("{other:?}"),
        }
    };
    for file_id in [1, 2] {
        client.invoke(&big_part(file_id, 0, 1, vec![1; 1024])).await.expect("a part");
        let answer = format!("{:?}", send(file_id).await.expect("an answer"));
        assert!(answer.contains("NewScheduledMessage") && answer.contains("video_processing_pending: true"));
        assert_eq!(refused(send(file_id).await), (500, "RANDOM_ID_DUPLICATE".to_owned()));
    }
    assert_eq!((listed().await, sandbox.messages_of(&user).len()), (2, 0));
    let id = vec![1];
    client
        .invoke(&tl::functions::messages::DeleteScheduledMessages { peer: peer.clone(), id })
        .await
        .expect("an answer");
    assert_eq!(listed().await, 1);
    sandbox.convert_videos(false).expect("a switch");
    let messages = sandbox.messages_of(&user);
    assert_eq!((listed().await, messages.len(), messages[0].random_id), (0, 1, Some(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_parts_are_named_and_can_be_sent_again() {
    let (sandbox, user, client, peer) = start().await;
    let send = async |parts| client.invoke(&send_media(peer.clone(), big_file(5, parts), 77)).await;
    assert_eq!(refused(send(3).await), bad("FILE_PART_MISSING 0"));
    for index in 0..3 {
        client.invoke(&big_part(5, index, 3, noise(1024, index as u64))).await.expect("a part");
    }
    assert_eq!(refused(send(2).await), bad("FILE_PARTS_INVALID"));
    assert_eq!(sandbox.drop_parts(5, &[1]), 1);
    assert_eq!(refused(send(3).await), bad("FILE_PART_MISSING 1"));
    client.invoke(&big_part(5, 1, 3, noise(1024, 1))).await.expect("a part");
    send(3).await.expect("a message");
    assert_eq!(sandbox.messages_of(&user)[0].size, 3072);
}

#[tokio::test(flavor = "multi_thread")]
async fn small_files_have_a_checksum_and_a_limit() {
    let (sandbox, user, client, peer) = start().await;
    let file = |md5: &str, parts| {
        tl::enums::InputFile::File(tl::types::InputFile {
            id: 6,
            parts,
            name: "small.bin".into(),
            md5_checksum: md5.to_owned(),
        })
    };
    client.invoke(&small_part(6, 0, b"hello".to_vec())).await.expect("a part");
    // The client takes any number in an error's name for its value.
    let wrong = send_media(peer.clone(), file("00000000000000000000000000000000", 1), 1);
    assert_eq!(refused(client.invoke(&wrong).await), bad("MD5_CHECKSUM_INVALID 5"));
    // The file is gone with its wrong checksum.
    let right = send_media(peer.clone(), file("5d41402abc4b2a76b9719d911017c592", 1), 1);
    assert_eq!(refused(client.invoke(&right).await), bad("FILE_PART_MISSING 0"));
    client.invoke(&small_part(6, 0, b"hello".to_vec())).await.expect("a part");
    client.invoke(&right).await.expect("a message");
    assert_eq!(std::fs::read(&sandbox.messages_of(&user)[0].path).expect("a file"), b"hello");

    for index in 0..20 {
        client.invoke(&small_part(7, index, vec![1; 512 * 1024])).await.expect("a part");
    }
    assert_eq!(refused(client.invoke(&small_part(7, 20, vec![1])).await), bad("FILE_PARTS_INVALID"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_member_with_the_right_hash_may_send() {
    let (sandbox, user, client, peer) = start().await;
    client.invoke(&big_part(1, 0, 1, vec![1; 10])).await.expect("a part");
    let send = async |peer: &tl::enums::InputPeer, random_id| {
        client.invoke(&send_media(peer.clone(), big_file(1, 1), random_id)).await
    };
    let tl::enums::InputPeer::Channel(channel) = &peer else { panic!("a channel") };
    let wrong = tl::types::InputPeerChannel { access_hash: channel.access_hash ^ 2, ..channel.clone() };
    assert_eq!(refused(send(&wrong.into(), 1).await), bad("CHANNEL_INVALID"));
    assert_eq!(refused(send(&tl::enums::InputPeer::PeerSelf, 1).await), bad("PEER_ID_INVALID"));
    assert_eq!(refused(send(&peer, 0).await), bad("RANDOM_ID_EMPTY"));
    sandbox.set_writable(&user.channel_id, false);
    assert_eq!(refused(send(&peer, 1).await), (403, "CHAT_WRITE_FORBIDDEN".into()));
    sandbox.set_writable(&user.channel_id, true);
    sandbox.remove_account(&user.channel_id, &user);
    assert_eq!(refused(send(&peer, 1).await), bad("CHANNEL_PRIVATE"));
    sandbox.join(&user.channel_id, &user);
    send(&peer, 1).await.expect("a message");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_random_id_in_flight_is_a_duplicate() {
    let (sandbox, user, client, peer) = start().await;
    client.invoke(&big_part(1, 0, 1, vec![1; 10])).await.expect("a part");
    let call = send_media(peer, big_file(1, 1), 5);
    let hold = sandbox.faults().inject(Fault::hold("messages.sendMedia:claimed"));
    let first = tokio::spawn({
        let (client, call) = (client.clone(), call.clone());
        async move { client.invoke(&call).await }
    });
    sandbox.faults().wait_fired(hold, 1).await;
    assert_eq!(refused(client.invoke(&call).await), (500, "RANDOM_ID_DUPLICATE".into()));
    sandbox.faults().release(hold);
    let first = first.await.expect("a task").expect("a message");
    let again = client.invoke(&call).await.expect("the same message");
    assert_eq!(message_id(&first), message_id(&again));
    assert_eq!(sandbox.messages_of(&user).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_belong_to_the_account_that_sent_them() {
    let (sandbox, user, client, _) = start().await;
    let other = sandbox.add_user(UserSpec::new("bob").channel(Some(&user.channel_id)));
    assert_eq!(other.channel_id, user.channel_id);
    client.invoke(&big_part(1, 0, 1, vec![1; 10])).await.expect("a part");
    let client = connect(&sandbox, &other);
    let peer = find_channel(&client, &other).await;
    let sent = client.invoke(&send_media(peer, big_file(1, 1), 1)).await;
    assert_eq!(refused(sent), bad("FILE_PART_MISSING 0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_session_is_told_so() {
    let (sandbox, user, client, _) = start().await;
    let call = tl::functions::updates::GetState {};
    sandbox.revoke_session(&user);
    assert_eq!(refused(client.invoke(&call).await), (401, "AUTH_KEY_UNREGISTERED".into()));
    assert!(!client.is_authorized().await.expect("an answer"));
    sandbox.revoke_session_as(&user, "SESSION_REVOKED");
    assert_eq!(refused(client.invoke(&call).await), (401, "SESSION_REVOKED".into()));
    sandbox.restore_session(&user);
    assert!(client.is_authorized().await.expect("an answer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_signs_in_with_a_key_of_nobody_and_needs_no_access_hash() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let nobody = sandbox.add_user(UserSpec::new("nobody").authorized(false));
    let client = connect(&sandbox, &nobody);
    assert!(!client.is_authorized().await.expect("an answer"));
    let bot = client.bot_sign_in(&user.bot_token, &nobody.api_hash).await.expect("a bot");
    assert_eq!(bot.id().bare_id(), Some(user.bot_user_id));
    client.invoke(&big_part(1, 0, 1, vec![1; 10])).await.expect("a part");
    let channel_id = -user.channel_id.parse::<i64>().expect("a number") - 1_000_000_000_000;
    let peer = tl::types::InputPeerChannel { channel_id, access_hash: 0 };
    client.invoke(&send_media(peer.into(), big_file(1, 1), 1)).await.expect("a message");
    assert_eq!(sandbox.messages_of(&user).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_connection_kills_the_session_where_that_is_asked_for() {
    let sandbox = Sandbox::builder().enforce_single_connection(true).start().await.expect("a sandbox");
    let user = sandbox.user();
    let first = connect(&sandbox, &user);
    assert!(first.is_authorized().await.expect("an answer"));
    let second = connect(&sandbox, &user);
    let duplicated = (406, "AUTH_KEY_DUPLICATED".to_owned());
    assert_eq!(refused(second.invoke(&tl::functions::updates::GetState {}).await), duplicated);
    assert_eq!(refused(first.invoke(&tl::functions::updates::GetState {}).await), duplicated);
    assert_eq!(sandbox.stats().max_connections(&user.user_id), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_is_a_transport_error() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let mut stream = tokio::net::TcpStream::connect(sandbox.mtproto_addr()).await.expect("a connection");
    let mut hello = vec![0xef, 14];
    hello.extend([7; 56]);
    stream.write_all(&hello).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer and the end");
    assert_eq!(answer, [&[1][..], &(-404_i32).to_le_bytes()].concat());
}
