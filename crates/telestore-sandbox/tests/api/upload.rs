//! Uploads by a stock client.

use grammers_client::message::InputMessage;
use grammers_client::tl;
use sha2::{Digest, Sha256};
use telestore_sandbox::{Sandbox, UserSpec, Via};

use crate::client::{big_file, big_part, connect, find_channel, message_id, noise, send_media};

async fn uploads(len: usize, method: &str) {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let client = connect(&sandbox, &user);
    assert!(client.is_authorized().await.expect("an answer"));
    assert_eq!(client.get_me().await.expect("the account").id().bare_id(), Some(user.telegram_user_id));
    find_channel(&client, &user).await;
    let dialog = client.iter_dialogs().next().await.expect("dialogs").expect("a dialog");
    let bytes = noise(len, 42);
    let mut stream = &bytes[..];
    let uploaded = client.upload_stream(&mut stream, len, "report.pdf".into()).await.expect("parts");
    let message = InputMessage::new().text("Uploaded: report.pdf").file(uploaded);
    let sent = client.send_message(dialog.peer_ref(), message).await.expect("a message");

    let messages = sandbox.wait_for_message(&user.channel_id, 1).await;
    let received = &messages[0];
    assert_eq!(received.message_id, sent.id());
    assert_eq!(std::fs::read(&received.path).expect("a file"), bytes);
    assert_eq!(received.sha256, hex::encode(Sha256::digest(&bytes)));
    assert_eq!((received.size, received.via), (len as u64, Via::Mtproto));
    assert_eq!((received.file_name.as_str(), received.mime_type.as_str()), ("report.pdf", "application/pdf"));
    assert_eq!(received.caption, "Uploaded: report.pdf");
    let folder = sandbox.dir().join(format!("channel{}", user.channel_id));
    assert_eq!(received.path, folder.join(format!("{}-report.pdf", sent.id())));
    let log = std::fs::read_to_string(folder.join("messages.jsonl")).expect("a log");
    assert!(log.contains(&received.sha256));
    let stats = sandbox.stats();
    assert_eq!(stats.calls(method), len.div_ceil(512 * 1024) as u64);
    assert_eq!(stats.max_connections(&user.user_id), 1);

    let found = client.search_messages(dialog.peer_ref()).query("report").next().await.expect("an answer");
    assert_eq!(found.expect("the message").id(), sent.id());
    let media = sent.media().expect("a document");
    let mut download = client.iter_download(&media);
    let mut downloaded = Vec::new();
    while let Some(chunk) = download.next().await.expect("bytes") {
        downloaded.extend(chunk);
    }
    assert!(downloaded == bytes);
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_file_arrives_by_save_file_part() {
    uploads(3_000_000, "upload.saveFilePart").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_big_file_arrives_by_save_big_file_part() {
    uploads(12_345_678, "upload.saveBigFilePart").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_may_come_in_any_order_and_again() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let client = connect(&sandbox, &user);
    let peer = find_channel(&client, &user).await;
    for (file_id, part) in [(7, 512 * 1024), (8, 128 * 1024)] {
        let bytes = noise(3 * part + 1000, 9);
        let parts: Vec<_> = bytes.chunks(part).map(<[u8]>::to_vec).collect();
        // The last part first, then one with wrong bytes, replaced later.
        let order = [(3, parts[3].clone()), (1, noise(part, 1)), (0, parts[0].clone())];
        for (index, bytes) in order.into_iter().chain([(2, parts[2].clone()), (1, parts[1].clone())]) {
            assert!(client.invoke(&big_part(file_id, index, 4, bytes)).await.expect("an answer"));
        }
        let sent =
            client.invoke(&send_media(peer.clone(), big_file(file_id, 4), file_id)).await.expect("a message");
        let messages = sandbox.messages(&user.channel_id);
        let received = messages.iter().find(|m| m.message_id == message_id(&sent)).expect("the message");
        assert!(std::fs::read(&received.path).expect("a file") == bytes);
        assert_eq!(sandbox.stats().part(file_id, 1), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_bytes_a_file_still_has_its_length() {
    let sandbox = Sandbox::builder().hash(false).keep_bytes(false).start().await.expect("a sandbox");
    let user = sandbox.user();
    let client = connect(&sandbox, &user);
    let peer = find_channel(&client, &user).await;
    for (index, len) in [(0, 512 * 1024), (1, 1000)] {
        assert!(client.invoke(&big_part(7, index, 2, noise(len, 1))).await.expect("an answer"));
    }
    client.invoke(&send_media(peer, big_file(7, 2), 7)).await.expect("a message");
    let received = &sandbox.messages(&user.channel_id)[0];
    assert_eq!((received.size, received.sha256.as_str()), (512 * 1024 + 1000, ""));
    assert!(std::fs::read(&received.path).expect("a file") == vec![0; 512 * 1024 + 1000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_random_id_is_the_earlier_message() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let user = sandbox.user();
    let client = connect(&sandbox, &user);
    let peer = find_channel(&client, &user).await;
    client.invoke(&big_part(1, 0, 1, noise(1000, 1))).await.expect("a part");
    let call = send_media(peer.clone(), big_file(1, 1), 99);
    let first = client.invoke(&call).await.expect("a message");
    let again = client.invoke(&call).await.expect("the same message");
    assert_eq!(message_id(&first), message_id(&again));
    assert_eq!(sandbox.messages(&user.channel_id).len(), 1);
    // The parts are still good for another message.
    let other = client.invoke(&send_media(peer, big_file(1, 1), 100)).await.expect("another message");
    assert!(message_id(&other) > message_id(&first));
    let messages = sandbox.messages(&user.channel_id);
    assert_eq!(messages[0].sha256, messages[1].sha256);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_names_a_media_only_address() {
    let sandbox = Sandbox::start().await.expect("a sandbox");
    let client = connect(&sandbox, &sandbox.user());
    let tl::enums::Config::Config(config) =
        client.invoke(&tl::functions::help::GetConfig {}).await.expect("the configuration");
    let ports = config.dc_options.iter().map(|option| match option {
        tl::enums::DcOption::Option(option) => (option.port, option.media_only),
    });
    let expected = [(sandbox.mtproto_addr().port(), false), (sandbox.media_addr().port(), true)];
    assert_eq!(ports.collect::<Vec<_>>(), expected.map(|(port, media)| (i32::from(port), media)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_an_earlier_sandbox_goes_on_with_the_parts_of_then() {
    let earlier = Sandbox::start().await.expect("a sandbox");
    let then = earlier.user();
    earlier.shutdown().await;
    let sandbox = Sandbox::builder().default_user(false).start().await.expect("a sandbox");
    let user = sandbox.readmit(&then);
    assert_eq!(
        (&user.user_id, &user.channel_id, &user.bot_token),
        (&then.user_id, &then.channel_id, &then.bot_token)
    );
    assert_ne!(user.telethon_session, then.telethon_session, "it leads to another address");
    let newcomer = sandbox.add_user(UserSpec::default());
    assert_ne!(newcomer.telegram_user_id, user.telegram_user_id);

    let bytes = noise(512 * 1024 + 1000, 9);
    let (first, last) = bytes.split_at(512 * 1024);
    sandbox.put_part(&user, 7, 0, Some(2), first.to_vec()).expect("a part");
    let refused = sandbox.put_part(&user, 7, 0, Some(2), Vec::new()).expect_err("an empty part");
    assert_eq!(refused, "FILE_PART_EMPTY");
    let client = connect(&sandbox, &user);
    let peer = find_channel(&client, &user).await;
    assert!(client.invoke(&big_part(7, 1, 2, last.to_vec())).await.expect("an answer"));
    client.invoke(&send_media(peer, big_file(7, 2), 7)).await.expect("a message");
    let messages = sandbox.messages_of(&user);
    assert!(std::fs::read(&messages[0].path).expect("a file") == bytes);
    sandbox.shutdown().await;
}
